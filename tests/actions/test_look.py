"""What status says of the switches, and that one region that cannot be asked hides nothing of the other."""

from __future__ import annotations

import pytest

from drctl.actions.dns_switch import TurnDns
from drctl.actions.look import _switches
from drctl.engine.run import Run
from drctl.lab import outages
from drctl.settings import Settings, both
from drctl.steps.switch_bucket import SwitchBucket
from tests.conftest import ensure_with_needs

HERE, THERE = Settings().sites
SWITCHES = both(Settings(), SwitchBucket)


@pytest.fixture(autouse=True)
def buckets(run: Run) -> None:
    """Both regions' buckets, empty."""
    for bucket in SWITCHES.all:
        ensure_with_needs(run, bucket)


def test_the_switches_are_told_in_words(run: Run) -> None:
    assert _switches(run, SWITCHES) == "at rest"
    TurnDns(SWITCHES, THERE).do(run)
    assert _switches(run, SWITCHES) == "turned to us-west-2"
    run.lost = THERE.region
    TurnDns(SWITCHES, HERE).do(run)
    assert _switches(run, SWITCHES) == "pinned to us-east-1, against a switch that is turned to us-west-2"


@pytest.mark.parametrize("by_socket", [True])
def test_a_region_that_cannot_be_asked_hides_nothing_of_the_other(run: Run) -> None:
    TurnDns(SWITCHES, THERE).do(run)
    outages.start(HERE.region, "s3", "error")
    try:
        assert _switches(run, SWITCHES).startswith("turned to us-west-2; what lies in us-east-1 is not seen: ")
    finally:
        outages.end()
