"""A glance changes nothing, asks nobody again who has left a call unanswered, and sends nothing once it is over."""

from __future__ import annotations

import threading

import pytest

from drctl.aws.hooks import Answer, Call
from drctl.engine.clock import Clock
from drctl.engine.events import Events
from drctl.engine.glance import glance_at, only_glance, was_silent
from drctl.engine.looks import Unanswered
from drctl.engine.survey import Silent, WouldChange

EAST, WEST = "us-east-1", "us-west-2"
UNANSWERED = Answer(0, "NoAnswer", "", 1.0)


@pytest.fixture
def events() -> Events:
    """A run's events, whose calls are those of glances."""
    found = Events(Clock(1.0))
    only_glance(found)
    return found


def read(region: str = EAST, service: str = "s3") -> Call:
    return Call(region, service, "GetObject", {})


def test_no_call_leaves_that_could_change_aws(events: Events) -> None:
    with pytest.raises(WouldChange):
        events.sending(Call(EAST, "s3", "PutObject", {}))
    told = glance_at({EAST: {"put": lambda: events.leaving(Call(EAST, "s3", "DeleteObject", {}))}})
    assert isinstance(told[EAST]["put"], Unanswered)
    assert isinstance(told[EAST]["put"].error, WouldChange)


def test_a_service_that_was_silent_is_not_asked_again_in_its_region_and_others_are(events: Events) -> None:
    def chain() -> str:
        events.answered(read(), UNANSWERED)
        events.sending(read(WEST))
        events.sending(read(EAST, "rds"))
        events.sending(read())
        return "asked again"

    told = glance_at({EAST: {"chain": chain}})[EAST]["chain"]
    assert isinstance(told, Unanswered)
    assert isinstance(told.error, Silent)
    assert told.why == "s3 in us-east-1 has left another call unanswered"
    assert was_silent(told.error)


def test_an_answer_that_is_an_error_is_no_silence(events: Events) -> None:
    def chain() -> str:
        events.answered(read(), Answer(503, "ServiceUnavailable", "", 1.0))
        events.sending(read())
        return "asked again"

    assert glance_at({EAST: {"chain": chain}}) == {EAST: {"chain": "asked again"}}


def test_what_was_silent_in_one_glance_is_asked_in_the_next(events: Events) -> None:
    glance_at({EAST: {"silent": lambda: events.answered(read(), UNANSWERED)}})
    assert glance_at({EAST: {"again": lambda: events.sending(read())}}) == {EAST: {"again": None}}


def test_nothing_is_sent_for_a_glance_that_is_over(events: Events) -> None:
    over, ended, late = threading.Event(), threading.Event(), list[Exception]()

    def hang() -> None:
        over.wait(30)
        try:
            events.leaving(read())
        except Silent as error:
            late.append(error)
        ended.set()

    told = glance_at({EAST: {"hangs": hang}}, 0.05, 0.05)
    assert isinstance(told[EAST]["hangs"], Unanswered)
    over.set()
    assert ended.wait(30)
    assert [str(error) for error in late] == ["nobody waits for it any more"]
