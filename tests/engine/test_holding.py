"""All leases of a run together: taken in one order, renewed, given back; and what a run does that has lost one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from drctl.aws.hooks import Call
from drctl.engine.clock import Clock
from drctl.engine.holding import BEATS, Holding, lasts
from drctl.engine.lease import Lease, LeaseLost, Terms
from drctl.errors import Refused
from tests.engine.fakes import refusal
from tests.engine.test_lease import ANN, BOB, FakeS3

CHANGE, LOOK = Call("us-east-1", "ec2", "CreateVpc", {}), Call("us-east-1", "ec2", "DescribeVpcs", {})
HEARTBEAT = Call("us-east-1", "lambda", "Invoke", {})
#: Seconds that a lease lasts here.
SHORT = 0.4


def two() -> tuple[FakeS3, FakeS3]:
    return FakeS3(), FakeS3()


def holding(*s3: FakeS3, owner: str = "ann", lasts_s: float = SHORT, clock: Clock | None = None) -> Holding:
    """A run's leases in as many regions."""
    leases = [Lease(one, "control", "1", f"region-{number}") for number, one in enumerate(s3)]
    terms = Terms(replace(ANN, name=owner), f"run of {owner}", "provision", "2031-05-01T12:00:00Z", lasts_s)
    return Holding(leases, terms, clock or Clock())


def until(look: Callable[[], object], within: float = 20) -> None:
    """Wait for another thread."""
    pause, end = threading.Event(), time.monotonic() + within
    while not look():
        assert time.monotonic() < end
        pause.wait(0.01)


def test_all_are_taken_renewed_and_given_back() -> None:
    regions = two()
    held = holding(*regions)
    held.begin()
    until(lambda: all(len(one.writes) > 3 for one in regions))
    held.refuse_when_lost(CHANGE)
    held.end()
    assert [one.writes[-1]["released"] for one in regions] == [True, True]
    assert held.lost is None
    beats = [one.writes for one in regions]
    until(lambda: True)
    assert [one.writes for one in regions] == beats


def test_who_cannot_have_the_second_gives_the_first_back() -> None:
    regions = two()
    other = holding(regions[1], owner="bob", lasts_s=600)
    other.begin()
    mine = holding(*regions)
    with pytest.raises(Refused):
        mine.begin()
    assert regions[0].writes[-1]["released"] is True
    assert regions[1].writes[-1]["owner"]["name"] == "bob"
    mine.refuse_when_lost(CHANGE)  # it holds nothing, so it has lost nothing
    other.end()


def test_a_renewal_that_meets_somebody_elses_lease_stops_the_run_for_good() -> None:
    regions, clock = two(), Clock()
    held = holding(*regions, clock=clock)
    held.begin()
    theirs = Terms(BOB, "run of bob", "drill", "2031-05-01T12:00:00Z", 600).as_json()
    regions[1].put_object(Body=theirs)
    until(lambda: held.lost)
    clock.resume()
    assert clock.stopped
    held.refuse_when_lost(LOOK)
    for call in (CHANGE, HEARTBEAT):
        with pytest.raises(LeaseLost):
            held.refuse_when_lost(call)
    held.end()
    assert regions[1].content == theirs
    assert regions[0].writes[-1]["released"] is False


def test_a_lease_that_cannot_be_renewed_in_time_is_lost() -> None:
    regions, clock = two(), Clock()
    held = holding(*regions, clock=clock)
    held.begin()

    def no() -> None:
        raise refusal("ServiceUnavailable", operation="PutObject")

    began = time.monotonic()
    regions[0].before = no
    until(lambda: held.lost)
    assert time.monotonic() - began > SHORT * (1 - 1 / BEATS) - 0.1  # one failed renewal is no loss
    assert "could not be renewed for" in str(held.lost)
    assert clock.stopped
    held.end()


def test_one_failed_renewal_is_made_up_for() -> None:
    region, failures = FakeS3(), [2]
    held = holding(region, lasts_s=2)
    held.begin()

    def at_first() -> None:
        if failures[0]:
            failures[0] -= 1
            raise refusal("SlowDown", operation="PutObject")

    region.before = at_first
    until(lambda: not failures[0] and len(region.writes) > 2)
    assert held.lost is None
    held.end()


def test_who_wakes_up_after_the_leases_time_asks_before_changing_anything() -> None:
    region = FakeS3()
    held = holding(region, lasts_s=600)
    held.begin()
    held._held[0].written -= 601  # as if the machine had slept that long
    region.put_object(Body=Terms(BOB, "run of bob", "drill", "2031-05-01T12:00:00Z", 600).as_json())
    held.refuse_when_lost(LOOK)
    with pytest.raises(LeaseLost):
        held.refuse_when_lost(CHANGE)
    held.end()


def test_who_wakes_up_and_still_has_it_goes_on() -> None:
    region = FakeS3()
    held = holding(region, lasts_s=600)
    held.begin()
    held._held[0].written -= 601
    held.refuse_when_lost(CHANGE)
    assert len(region.writes) == 2
    held.end()


def test_what_is_begun_is_in_every_lease_before_it_begins_and_gone_when_settled() -> None:
    regions = two()
    held = holding(*regions, lasts_s=600)
    held.begin()
    held.begins(command="drill", home="us-east-1")
    assert [one.writes[-1]["unfinished"] for one in regions] == [{"command": "drill", "home": "us-east-1"}] * 2
    held.settle()
    held.end()
    assert [one.writes[-1]["unfinished"] for one in regions] == [{}, {}]


def test_what_an_earlier_run_left_is_inherited_from_whichever_lease_tells_it() -> None:
    regions = two()
    earlier = holding(*regions, owner="bob", lasts_s=600)
    earlier.begin()
    earlier.begins(command="drill", home="us-west-2")
    earlier.leave()
    regions[0].content = None  # one region's lease was lost
    mine = holding(*regions)
    mine.begin("bob")
    assert mine.inherited == {"command": "drill", "home": "us-west-2"}
    mine.end()


def test_what_the_newest_run_left_is_inherited_though_the_other_lease_tells_of_an_older_one() -> None:
    """A drill died, then its home was lost and failed over away from: the survivor's lease alone knows that."""
    regions = two()
    drill, failover = holding(*regions, owner="bob", lasts_s=600), holding(regions[1], owner="cid", lasts_s=600)
    drill.begin()
    drill.begins(command="drill", home="region-0")
    drill.leave()
    failover.terms = replace(failover.terms, since="2031-05-01T12:30:00Z")
    failover.begin("bob")
    failover.begins(command="failover", source="region-0")
    failover.settle()
    failover.end()
    mine = holding(*regions)
    mine.terms = replace(mine.terms, since="2031-05-01T13:00:00Z")
    mine.begin("bob")
    assert mine.inherited == {}
    mine.end()
    assert [one.writes[-1]["unfinished"] for one in regions] == [{}, {}]


def test_who_cannot_have_the_second_leaves_in_the_first_what_is_unfinished() -> None:
    regions = two()
    earlier = holding(*regions, owner="bob", lasts_s=600)
    earlier.begin()
    earlier.begins(command="drill", home="region-0")
    earlier.leave()
    other = holding(regions[1], owner="cid", lasts_s=600)
    other.begin("bob")
    mine = holding(*regions)
    mine.terms = replace(mine.terms, since="2031-05-01T13:00:00Z")
    with pytest.raises(Refused):
        mine.begin("bob")
    left = regions[0].writes[-1]
    assert (left["released"], left["since"]) == (True, "2031-05-01T12:00:00Z")
    assert left["unfinished"] == {"command": "drill", "home": "region-0"}
    other.end()


def test_who_leaves_writes_no_more() -> None:
    region = FakeS3()
    held = holding(region)
    held.begin()
    held.leave()
    written = len(region.writes)
    held.refuse_when_lost(CHANGE)
    held.end()
    assert len(region.writes) == written


def test_a_fast_labs_lease_lasts_as_long_as_a_busy_machine_needs() -> None:
    assert (lasts(1), lasts(60), lasts(100_000)) == (120, 10, 10)
