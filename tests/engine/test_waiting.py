"""Every wait is a sentence, every look is seen, every wait has an end."""

from __future__ import annotations

import threading
import time

import pytest
from botocore.exceptions import ClientError

from drctl.aws.errors import Refusal
from drctl.engine.events import Record
from drctl.errors import Interrupted, WaitFailed, WaitTimeout
from tests.engine.fakes import offline_run, refusal


def test_a_wait_ends_when_what_it_looks_at_is_ready_and_every_look_is_an_event() -> None:
    records: list[Record] = []
    run = offline_run(records)
    states = iter(["pending", "pending", "available"])
    assert run.wait_until("nat-1 is available", lambda: next(states), lambda state: state == "available",
                          within=600) == "available"
    assert [(record["sentence"], record["seen"]) for record in records] == [
        ("nat-1 is available", "pending"), ("nat-1 is available", "pending"), ("nat-1 is available", "available")]


def test_a_timeout_says_what_was_last_seen_and_for_how_long() -> None:
    run = offline_run(speed=4000)
    with pytest.raises(WaitTimeout, match=r"nat-1 is available: not so after 1\d min; last seen: pending"):
        run.wait_until("nat-1 is available", lambda: "pending", lambda _: False, within=600)


def test_a_state_from_which_there_is_no_way_ends_the_wait_at_once() -> None:
    run = offline_run()
    looks: list[str] = []

    def look() -> str:
        looks.append("x")
        return "failed"

    with pytest.raises(WaitFailed, match="nat-1 is available: it failed: no free address"):
        run.wait_until("nat-1 is available", look, lambda _: False,
                       within=600, failed=lambda state: "it failed: no free address" if state == "failed" else None)
    assert looks == ["x"]


def test_a_stop_ends_a_wait_at_once() -> None:
    run = offline_run(speed=1)
    threading.Timer(0.05, run.clock.stop).start()
    began = time.monotonic()
    with pytest.raises(Interrupted, match="stopped while waiting until a long wait"):
        run.wait_until("a long wait", lambda: 0, bool, within=3600, every=600)
    assert time.monotonic() - began < 5


def test_only_the_named_answer_is_tried_again() -> None:
    run = offline_run()
    answers = iter([refusal("InvalidParameterValueException", "The role cannot be assumed by Lambda"), None])

    def call() -> str:
        if error := next(answers):
            raise error
        return "made"

    too_young = Refusal("InvalidParameterValueException", "cannot be assumed")
    assert run.retry("the role can be assumed", call, (too_young,), within=300) == "made"
    with pytest.raises(ClientError, match="wrong runtime"):
        run.retry("the role can be assumed", _raise(refusal("InvalidParameterValueException", "wrong runtime")),
                  (too_young,), within=300)


def test_a_retry_that_never_succeeds_tells_its_sentence_and_what_aws_said_last() -> None:
    with pytest.raises(ClientError, match=r"it is free: not so after \d+ (s|min); AWS said last: still in use"):
        offline_run().retry("it is free", _raise(refusal("DependencyViolation", "still in use")),
                            (Refusal("DependencyViolation"),), within=300)


def _raise(error: Exception):  # type: ignore[no-untyped-def]  # a lambda that raises
    def call() -> None:
        raise error

    return call
