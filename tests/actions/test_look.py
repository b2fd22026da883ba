"""What status says of the switches, and that one region that cannot be asked hides nothing of the other."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from drctl.actions.dns_switch import TurnDns, is_turned
from drctl.actions.look import _left, _switches, ask, looks_at_what_is_left, what_users_get
from drctl.engine.run import Run
from drctl.lab import outages
from drctl.settings import Settings, Site, both
from drctl.steps.control_bucket import ControlBucket
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


def note(run: Run, place: Site, lost: Site) -> None:
    """Put a note of a failover into a region's control bucket."""
    told = {"run": "a-run", "lost": lost.region, "to": place.region, "at": 0.0}
    run.at(place).s3.put_object(Bucket=run.name("s3", "control", place), Key="aftermath.json",
                                Body=json.dumps(told).encode())


def left(run: Run) -> list[str]:
    """What status says that a failover has left to be done."""
    return _left(run, ask(looks_at_what_is_left(run)))


@pytest.mark.parametrize("place", [HERE, THERE])
def test_what_a_failover_has_left_is_told_in_whichever_region_it_is_noted(run: Run, place: Site) -> None:
    """After a failback that was interrupted once the database was home, it lies in the region that no longer writes."""
    for site in (HERE, THERE):
        ensure_with_needs(run, ControlBucket(site))
    assert left(run) == []
    lost = run.settings.other(place)
    note(run, place, lost)
    assert left(run) == [f"the failover from {lost.region} (run a-run): drctl failback"]


def test_two_failovers_that_have_left_something_are_both_told(run: Run) -> None:
    for site in (HERE, THERE):
        ensure_with_needs(run, ControlBucket(site))
        note(run, site, run.settings.other(site))
    assert left(run) == [f"the failover from {region} (run a-run): drctl failback" for region in (
        THERE.region, HERE.region)]


@pytest.mark.parametrize("by_socket", [True])
def test_a_region_whose_notes_cannot_be_seen_hides_nothing_of_the_other(run: Run) -> None:
    for site in (HERE, THERE):
        ensure_with_needs(run, ControlBucket(site))
    note(run, THERE, HERE)
    outages.start(HERE.region, "s3", "error")
    try:
        assert left(run) == ["the failover from us-east-1 (run a-run): drctl failback"]
    finally:
        outages.end()


@pytest.mark.parametrize("by_socket", [True])
def test_a_region_that_cannot_be_asked_hides_nothing_of_the_other(run: Run) -> None:
    TurnDns(SWITCHES, THERE).do(run)
    outages.start(HERE.region, "s3", "error")
    try:
        assert switches(run).startswith("turned to us-west-2; what lies in us-east-1 is not seen: ")
    finally:
        outages.end()


@pytest.mark.parametrize(("name", "words"), [
    ({"region": "us-west-2"}, "users are sent to us-west-2, whose database only reads: writes are refused there"),
    ({"region": "us-east-1"}, "users are sent to us-east-1"),
    ({"region": None, "addresses": ["192.0.2.1"]}, "users are sent to no region that answers"),
    ({"region": None, "addresses": []}, ""), ({"not_seen": "no answer within 5 s"}, "")])
def test_what_users_get_while_the_writers_region_is_silent(name: dict[str, Any], words: str) -> None:
    assert what_users_get(["us-east-1"], "us-east-1", name) == words


def test_users_who_are_where_the_database_writes_are_served() -> None:
    """A silent standby, and a region that was lost once its failover is over."""
    assert what_users_get(["us-east-1"], "us-west-2", {"region": "us-west-2"}) == (
        "users are sent to us-west-2, whose database writes")
