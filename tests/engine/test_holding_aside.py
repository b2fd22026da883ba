"""The lease of an unplanned failover: a control bucket that is silent holds it up for a moment, and never stops it."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from drctl.engine.clock import Clock
from drctl.engine.holding_aside import TAKE_S, WRITE_S, HoldingAside
from drctl.engine.lease import Lease, LeaseLost, Terms
from drctl.errors import Refused
from tests.engine.fakes import refusal
from tests.engine.test_holding import CHANGE, LOOK, SHORT, holding, until
from tests.engine.test_lease import ANN, BOB, FakeS3


class Silence:
    """What keeps an S3 from answering; `end` lets everything that waits go on."""

    def __init__(self, s3: FakeS3) -> None:
        self._over = threading.Event()
        s3.before = s3.before_a_look = lambda: self._over.wait(60)

    def end(self) -> None:
        self._over.set()


def aside(s3: FakeS3, told: list[str] | None = None, lasts_s: float = 600, clock: Clock | None = None) -> HoldingAside:
    """The lease of a failover in one region."""
    terms = Terms(replace(ANN, name="ann"), "run of ann", "failover", "2031-05-01T12:00:00Z", lasts_s)
    return HoldingAside([Lease(s3, "control", "1", "us-west-2")], terms, clock or Clock(),
                        ([] if told is None else told).append)


def test_a_bucket_that_answers_holds_the_lease_as_ever() -> None:
    region, told = FakeS3(), list[str]()
    held = aside(region, told)
    assert held.begin() == ()
    held.begins(command="failover", source="us-east-1")
    assert region.writes[-1]["unfinished"] == {"command": "failover", "source": "us-east-1"}
    held.refuse_when_lost(CHANGE)
    held.settle()
    held.end()
    assert (region.writes[-1]["released"], region.writes[-1]["unfinished"]) == (True, {})
    assert told == []


def test_what_is_refused_in_time_is_raised() -> None:
    region = FakeS3()
    other = holding(region, owner="bob", lasts_s=600)
    other.begin()
    with pytest.raises(Refused, match="bob holds the lease"):
        aside(region).begin()
    other.end()


def test_silence_is_waited_for_once_and_told_once() -> None:
    region, told = FakeS3(), list[str]()
    silence, held = Silence(region), aside(region, told)
    began = time.monotonic()
    assert held.begin() == ()
    assert TAKE_S - 0.1 < time.monotonic() - began < TAKE_S + 0.8
    began = time.monotonic()
    held.begins(command="failover", source="us-east-1")
    held.refuse_when_lost(CHANGE)
    held.end()
    assert time.monotonic() - began < 0.3
    assert held.silent
    assert [text.partition(":")[0] for text in told] == ["NO LEASE"]
    silence.end()


def test_a_lease_that_is_had_late_tells_what_was_begun_meanwhile_and_is_given_back() -> None:
    region = FakeS3()
    silence, held = Silence(region), aside(region)
    held.begin()
    held.begins(command="failover", source="us-east-1")
    silence.end()
    until(lambda: not held.silent)
    assert region.writes[-1]["unfinished"] == {"command": "failover", "source": "us-east-1"}
    held.settle()
    held.end()
    assert (region.writes[-1]["released"], region.writes[-1]["unfinished"]) == (True, {})


def test_a_lease_that_turns_out_late_to_be_somebody_elses_stops_the_run_at_its_next_change() -> None:
    region, clock = FakeS3(), Clock()
    region.put_object(Body=Terms(BOB, "run of bob", "failover", "2031-05-01T12:00:00Z", 600).as_json())
    silence, held = Silence(region), aside(region, clock=clock)
    held.begin()
    held.refuse_when_lost(CHANGE)
    silence.end()
    until(lambda: held.lost)
    assert clock.stopped
    held.refuse_when_lost(LOOK)
    with pytest.raises(LeaseLost, match="bob@office holds the lease"):
        held.refuse_when_lost(CHANGE)
    held.end()


def test_a_lease_that_comes_after_the_end_is_given_back() -> None:
    region = FakeS3()
    silence, held = Silence(region), aside(region)
    held.begin()
    held.end()
    silence.end()
    until(lambda: region.writes and region.writes[-1]["released"])


def test_a_bucket_that_falls_silent_after_the_lease_was_had_loses_nothing_and_holds_nothing_up() -> None:
    region, clock, told = FakeS3(), Clock(), list[str]()
    held = aside(region, told, lasts_s=SHORT, clock=clock)
    held.begin()
    silence, began = Silence(region), time.monotonic()
    until(held._overdue)
    for _ in range(5):
        held.refuse_when_lost(CHANGE)
    held.end()
    assert time.monotonic() - began < SHORT + WRITE_S + 0.8
    assert (held.lost, clock.stopped, len(told)) == (None, False, 1)
    silence.end()


def test_a_bucket_that_refuses_after_the_lease_was_had_loses_nothing_and_is_asked_again() -> None:
    region, clock, refused = FakeS3(), Clock(), list[int]()
    held = aside(region, lasts_s=SHORT, clock=clock)
    held.begin()

    def no() -> None:
        refused.append(1)
        raise refusal("ServiceUnavailable", operation="PutObject")

    region.before = no
    until(lambda: len(refused) > 6)
    assert (held.lost, clock.stopped, held.silent) == (None, False, True)
    region.before = lambda: None
    until(lambda: not held.silent)
    held.end()


def test_who_wakes_up_after_the_leases_time_and_finds_somebody_elses_stops() -> None:
    region = FakeS3()
    held = aside(region)
    held.begin()
    held._held[0].written -= 601  # as if the machine had slept that long
    region.put_object(Body=Terms(BOB, "run of bob", "drill", "2031-05-01T12:00:00Z", 600).as_json())
    with pytest.raises(LeaseLost):
        held.refuse_when_lost(CHANGE)
    held.end()
