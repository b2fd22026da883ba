"""Looks are taken at once, each is heard that answers in time, and none that hangs or fails holds up the others."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar

import pytest

from drctl.engine.looks import Pending, Unanswered, first_of, look_all, look_in_groups

#: Seconds that a test may take at most where nothing is to be waited for, on a busy machine.
SOON = 5.0
#: Seconds that would be waited for if somebody waited.
LONG = 30.0

Hang = Callable[[], str]


@pytest.fixture
def hang() -> Iterator[Hang]:
    """A look that does not answer until the test is over."""
    over = threading.Event()

    def look() -> str:
        over.wait(LONG)
        return "late"

    yield look
    over.set()


def fail() -> str:
    raise ValueError("no such thing")


def fail_silently() -> str:
    raise ValueError


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def test_all_are_heard_as_soon_as_the_last_has_answered() -> None:
    assert seconds(lambda: look_all({"one": lambda: 1, "two": lambda: 2}, LONG)) < SOON
    assert look_all({"one": lambda: 1, "two": lambda: None}, LONG) == {"one": 1, "two": None}
    assert look_all({}, LONG) == {}


def test_looks_are_taken_at_the_same_time() -> None:
    both = threading.Barrier(2)
    assert look_all({"one": lambda: both.wait(SOON), "two": lambda: both.wait(SOON)}, LONG).keys() == {"one", "two"}
    assert not both.broken


def test_one_that_fails_tells_why_and_spoils_no_other() -> None:
    assert look_all({"bad": fail, "mute": fail_silently, "good": lambda: "fine"}, LONG) == {
        "bad": Unanswered("no such thing"), "mute": Unanswered("ValueError"), "good": "fine"}


def test_one_that_hangs_is_waited_for_no_longer_than_said(hang: Hang) -> None:
    began = time.monotonic()
    seen = look_all({"hangs": hang, "good": lambda: "fine"}, 0.05)
    assert 0.05 <= time.monotonic() - began < SOON
    assert seen == {"hangs": Unanswered(), "good": "fine"}


def test_after_those_that_are_needed_the_others_get_the_grace_and_no_more(hang: Hang) -> None:
    began = time.monotonic()
    seen = look_all({"needed": lambda: 1, "hangs": hang}, LONG, needed=("needed",), grace_s=0.05)
    assert 0.05 <= time.monotonic() - began < SOON
    assert seen == {"needed": 1, "hangs": Unanswered()}


def test_who_answers_in_the_grace_is_heard() -> None:
    asked = threading.Event()

    def soon() -> str:
        asked.wait(SOON)
        threading.Event().wait(0.02)
        return "in time"

    def needed() -> str:
        asked.set()
        return "here"

    assert look_all({"needed": needed, "soon": soon}, LONG, needed=("needed",), grace_s=LONG) == {
        "needed": "here", "soon": "in time"}


def test_one_that_is_needed_and_fails_has_answered_too(hang: Hang) -> None:
    seen = look_all({"needed": fail, "hangs": hang}, LONG, needed=("needed",), grace_s=0.0)
    assert seen == {"needed": Unanswered("no such thing"), "hangs": Unanswered()}


def test_the_grace_does_not_stretch_the_time_for_all(hang: Hang) -> None:
    assert seconds(lambda: look_all({"needed": lambda: 1, "hangs": hang}, 0.05, needed=("needed",),
                                    grace_s=LONG)) < SOON


def test_of_the_first_one_answer_is_enough(hang: Hang) -> None:
    assert first_of({"hangs": hang, "good": lambda: "fine"}, LONG) == {"hangs": Unanswered(), "good": "fine"}


def test_after_the_first_the_others_have_a_moment_and_no_more(hang: Hang) -> None:
    good = threading.Event()

    def second() -> str:
        good.wait(SOON)
        threading.Event().wait(0.05)
        return "soon"

    def first() -> str:
        good.set()
        return "fine"

    asked = {"good": first, "soon": second, "hangs": hang}
    assert first_of(asked, LONG, 1.0) == {"good": "fine", "soon": "soon", "hangs": Unanswered()}
    assert seconds(lambda: first_of({"good": first, "hangs": hang}, LONG, 0.1)) < SOON


def test_why_a_look_failed_is_kept_whole() -> None:
    failed = first_of({"bad": fail}, LONG)["bad"]
    assert isinstance(failed.error, ValueError)


def test_a_failure_is_not_the_first_answer() -> None:
    failed = threading.Event()

    def second() -> str:
        failed.wait(SOON)
        threading.Event().wait(0.05)
        return "fine"

    def first() -> str:
        failed.set()
        return fail()

    assert first_of({"bad": first, "good": second}, LONG) == {"bad": Unanswered("no such thing"), "good": "fine"}


def test_when_all_fail_nobody_waits_for_a_first(hang: Hang) -> None:
    assert seconds(lambda: first_of({"one": fail, "two": fail}, LONG)) < SOON
    assert first_of({"bad": fail, "hangs": hang}, 0.05) == {"bad": Unanswered("no such thing"),
                                                            "hangs": Unanswered()}


def test_no_answer_at_all_counts_as_one_when_it_is_none() -> None:
    assert first_of({"none": lambda: None}, LONG) == {"none": None}


def test_what_is_looked_at_belongs_to_whoever_asked() -> None:
    place: ContextVar[str] = ContextVar("place", default="nowhere")
    place.set("here")
    assert look_all({"place": place.get}, LONG) == {"place": "here"}


def test_one_that_is_pending_can_be_asked_again(hang: Hang) -> None:
    go_on = threading.Event()

    def look() -> str:
        go_on.wait(SOON)
        return "done"

    pending = Pending("one", look)
    assert (pending.wait(0.01), pending.ended) == (Unanswered(), False)
    go_on.set()
    assert (pending.wait(SOON), pending.ended) == ("done", True)
    assert pending.answer == "done"


def test_a_look_that_hangs_does_not_keep_the_process() -> None:
    text = ("import threading; from drctl.engine.looks import look_all, first_of, Pending; "
            f"hang = lambda: threading.Event().wait({LONG}); "
            "Pending('one', hang); first_of({'two': hang}, 0.01); print(look_all({'three': hang}, 0.01))")
    end = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False, timeout=LONG / 2)
    assert (end.returncode, end.stdout.strip()) == (0, "{'three': Unanswered(why='no answer yet')}")


# In groups -----------------------------------------------------------------------------------------------------------


def test_a_group_that_hangs_is_waited_for_a_little_once_another_has_told_everything(hang: Hang) -> None:
    told: dict[str, dict[str, object]] = {}
    groups: dict[str, dict[str, Callable[[], object]]] = {
        "east": {"one": lambda: 1, "two": lambda: 2}, "west": {"one": hang, "two": lambda: 3}}
    assert seconds(lambda: told.update(look_in_groups(groups, LONG, 0.2))) < SOON
    assert told == {"east": {"one": 1, "two": 2}, "west": {"one": Unanswered("no answer within 1 s"), "two": 3}}


def test_where_each_group_hangs_in_part_the_whole_ends_in_time(hang: Hang) -> None:
    groups: dict[str, dict[str, Callable[[], object]]] = {
        "east": {"one": hang, "two": lambda: 2}, "west": {"one": lambda: 1, "two": hang}}
    told: dict[str, dict[str, object]] = {}
    assert seconds(lambda: told.update(look_in_groups(groups, 0.3, LONG))) < SOON
    assert (told["east"]["two"], told["west"]["one"]) == (2, 1)
    assert isinstance(told["east"]["one"], Unanswered)


def test_groups_that_all_answer_are_not_waited_for_and_a_failure_is_an_answer() -> None:
    told = look_in_groups({"east": {"one": lambda: 1}, "west": {"one": fail}}, LONG, LONG)
    assert told == {"east": {"one": 1}, "west": {"one": Unanswered("no such thing")}}
    nothing: dict[str, dict[str, Callable[[], object]]] = {}
    assert look_in_groups(nothing, LONG, LONG) == {}
