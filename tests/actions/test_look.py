"""What status says of the switches, and that one region that cannot be asked hides nothing of the other."""

from __future__ import annotations

from functools import partial

import pytest

from drctl.actions.dns_switch import TurnDns, is_turned
from drctl.actions.look import _switches, ask
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


def switches(run: Run) -> str:
    """What status says of them."""
    return _switches(SWITCHES, ask({f"switch {one.region}": partial(is_turned, run, one) for one in SWITCHES.all}))


def test_the_switches_are_told_in_words(run: Run) -> None:
    assert switches(run) == "at rest"
    TurnDns(SWITCHES, THERE).do(run)
    assert switches(run) == "turned to us-west-2"
    run.lost = THERE.region
    TurnDns(SWITCHES, HERE).do(run)
    assert switches(run) == "pinned to us-east-1, against a switch that is turned to us-west-2"


@pytest.mark.parametrize("by_socket", [True])
def test_a_region_that_cannot_be_asked_hides_nothing_of_the_other(run: Run) -> None:
    TurnDns(SWITCHES, THERE).do(run)
    outages.start(HERE.region, "s3", "error")
    try:
        assert switches(run).startswith("turned to us-west-2; what lies in us-east-1 is not seen: ")
    finally:
        outages.end()
