"""The old primary's app is stopped if its region answers, and nobody waits for a region that does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from drctl.actions.aftermath import NoteAftermath, aftermath_in
from drctl.actions.fencing import ANSWERS_S, Fence, FenceIfItAnswers, NoteFencing, Unfence, is_fenced
from drctl.actions.loss import NoteLoss
from drctl.aws.clients import Aws
from drctl.engine.events import Record
from drctl.engine.run import Aside, Run
from drctl.engine.runbook import perform
from drctl.lab import outages
from drctl.settings import Settings
from drctl.steps.control_bucket import ControlBucket
from tests.conftest import ensure_with_needs
from tests.engine.fakes import refusal
from tests.steps.edge import SmallFunction

HOME, THERE = Settings().sites
NAME = "lambda-app-us-east-1-lab"
IF_IT_ANSWERS, NOTE, FENCE, UNFENCE = FenceIfItAnswers(HOME), NoteFencing(HOME), Fence(HOME), Unfence(HOME)


@pytest.fixture(autouse=True)
def app(run: Run) -> Iterator[None]:
    """An app in the region that is to be lost."""
    ensure_with_needs(run, SmallFunction(HOME))
    yield
    outages.end()


@pytest.fixture
def aside(make_run: Callable[..., Run]) -> Callable[..., Run]:
    """A run that takes the region for lost, and has a way to it all the same."""
    def make(*, answers: bool = False) -> Run:
        run = make_run()
        run.lost, run.aside = HOME.region, Aside(make_run().aws, answers=answers)
        return run

    return make


def notes(records: list[Record]) -> list[str]:
    return [record["text"] for record in records if record["event"] == "note"]


def test_a_region_that_answers_stops_its_app(aside: Callable[..., Run], run: Run, records: list[Record]) -> None:
    failing = aside(answers=True)
    perform(failing, IF_IT_ANSWERS)
    assert is_fenced(run, HOME)
    perform(failing, NOTE)
    assert failing.measures["fenced"] is True
    assert notes(records) == ["the app in us-east-1 is stopped: nothing writes there"]


def test_the_app_is_stopped_before_the_next_line_once_the_region_has_answered_anything(
        aside: Callable[..., Run], aws: Aws) -> None:
    failing = aside(answers=True)
    perform(failing, IF_IT_ANSWERS)
    assert failing.aside is not None
    assert failing.aside.fencing is not None
    assert failing.aside.fencing.ended


@pytest.mark.parametrize("mode", ["hang", "refuse", "error"])
def test_a_region_that_is_silent_is_not_waited_for(aside: Callable[..., Run], records: list[Record], mode: str) -> None:
    failing = aside()
    outages.start(HOME.region, "", mode)
    began = time.monotonic()
    perform(failing, IF_IT_ANSWERS)
    assert time.monotonic() - began < ANSWERS_S
    perform(failing, NOTE)
    assert failing.measures["fenced"] is False
    assert notes(records)[0].startswith("the app in us-east-1 could not be stopped (")
    assert notes(records)[0].endswith("): pending, failback does it once the region is back")


def test_a_call_that_hangs_until_the_region_is_back_stops_the_app_late(aside: Callable[..., Run], run: Run) -> None:
    failing = aside()
    outages.start(HOME.region, "", "hang")
    perform(failing, IF_IT_ANSWERS)
    outages.end()
    assert failing.aside is not None
    assert failing.aside.fencing is not None
    failing.aside.fencing.wait(10)
    assert is_fenced(run, HOME)
    perform(failing, NOTE)
    assert failing.measures["fenced"] is True


def test_without_a_way_to_the_region_nothing_is_tried(make_run: Callable[..., Run], records: list[Record]) -> None:
    failing = make_run()
    perform(failing, IF_IT_ANSWERS)
    perform(failing, NOTE)
    assert failing.measures["fenced"] is False
    assert "it was not tried" in notes(records)[0]


def test_a_stopped_app_is_stopped_once_and_started_once(run: Run, make_run: Callable[..., Run], aws: Aws) -> None:
    at = aws[HOME.region].lambda_
    perform(run, FENCE)
    assert at.get_function_concurrency(FunctionName=NAME)["ReservedConcurrentExecutions"] == 0
    again = make_run()
    perform(again, FENCE)
    assert again.events.changes == {}
    perform(run, UNFENCE)
    assert "ReservedConcurrentExecutions" not in at.get_function_concurrency(FunctionName=NAME)
    again = make_run()
    perform(again, UNFENCE)
    assert again.events.changes == {}


def test_a_reservation_that_is_not_zero_is_no_fence_and_stays(run: Run, aws: Aws) -> None:
    at = aws[HOME.region].lambda_
    at.put_function_concurrency(FunctionName=NAME, ReservedConcurrentExecutions=5)
    assert not is_fenced(run, HOME)
    perform(run, UNFENCE)
    assert at.get_function_concurrency(FunctionName=NAME)["ReservedConcurrentExecutions"] == 5


def test_an_app_that_is_not_there_needs_no_stopping_and_is_not_told_as_stopped(run: Run) -> None:
    absent = Fence(THERE)
    assert absent.needless(run)
    assert not is_fenced(run, THERE)
    assert Unfence(THERE).needless(run)


def test_by_hand_it_is_the_same_calls(run: Run) -> None:
    put = f"aws lambda put-function-concurrency --function-name {NAME} --reserved-concurrent-executions"
    assert [str(call) for action in (IF_IT_ANSWERS, FENCE, UNFENCE) for call in action.by_hand(run)] == [
        *[f"aws lambda get-function-concurrency --function-name {NAME} --region us-east-1",
          f"{put} 0 --region us-east-1"] * 2,
        f"aws lambda delete-function-concurrency --function-name {NAME} --region us-east-1",
        "# where aftermath.json in the control bucket of us-west-2 tells what was \"reserved\" before, instead: "
        f"{put} RESERVED --region us-east-1"]


# What an operator had reserved ---------------------------------------------------------------------------------------

AFTERMATH = NoteAftermath(HOME, THERE)


@pytest.fixture
def reserved(run: Run, aws: Aws) -> Callable[[], int | None]:
    """Tells what is reserved for the app, which is 50 to begin with; there is a bucket for the note."""
    ensure_with_needs(run, ControlBucket(THERE))
    at = aws[HOME.region].lambda_
    at.put_function_concurrency(FunctionName=NAME, ReservedConcurrentExecutions=50)
    return lambda: at.get_function_concurrency(FunctionName=NAME).get("ReservedConcurrentExecutions")


def noted(run: Run) -> int | None:
    """What the note tells."""
    note = aftermath_in(run, THERE)
    assert note is not None
    return note.reserved


def test_what_was_reserved_for_the_app_is_noted_before_it_is_stopped_and_put_back_in_the_end(
        aside: Callable[..., Run], make_run: Callable[..., Run], reserved: Callable[[], int | None]) -> None:
    failing = aside(answers=True)
    for action in (IF_IT_ANSWERS, AFTERMATH, NoteFencing(HOME, AFTERMATH)):
        perform(failing, action)
    assert (reserved(), noted(failing)) == (0, 50)
    perform(make_run(), FENCE)  # is skipped, and does not forget it
    perform(make_run(), UNFENCE)
    assert reserved() == 50


def test_what_is_learned_once_the_failover_was_noted_is_added_to_the_note(
        aside: Callable[..., Run], reserved: Callable[[], int | None], records: list[Record]) -> None:
    failing = aside()
    perform(failing, AFTERMATH)
    assert noted(failing) is None
    perform(failing, IF_IT_ANSWERS)
    assert failing.aside is not None
    assert failing.aside.fencing is not None
    failing.aside.fencing.wait(10)
    perform(failing, NoteFencing(HOME, AFTERMATH))
    assert (reserved(), noted(failing)) == (0, 50)
    assert len(notes(records)) == 1, "that of the fence"


def test_a_failover_that_is_gone_on_with_does_not_take_its_own_fence_for_what_was_reserved(
        aside: Callable[..., Run], reserved: Callable[[], int | None]) -> None:
    for _ in range(2):
        failing = aside(answers=True)
        for action in (IF_IT_ANSWERS, AFTERMATH, NoteFencing(HOME, AFTERMATH)):
            perform(failing, action)
    assert noted(failing) == 50


def test_an_app_that_only_failback_can_stop_keeps_what_was_reserved_too(
        run: Run, make_run: Callable[..., Run], reserved: Callable[[], int | None]) -> None:
    perform(run, NoteLoss(HOME, THERE))
    perform(run, FENCE)
    assert (reserved(), noted(run)) == (0, 50)
    perform(make_run(), UNFENCE)
    assert reserved() == 50


def test_an_app_for_which_nothing_was_reserved_has_nothing_reserved_again(
        run: Run, aws: Aws, reserved: Callable[[], int | None]) -> None:
    aws[HOME.region].lambda_.delete_function_concurrency(FunctionName=NAME)
    for action in (NoteLoss(HOME, THERE), FENCE, UNFENCE):
        perform(run, action)
    assert reserved() is None


def test_a_failover_back_serves_without_asking_the_region_that_holds_the_note(
        run: Run, make_run: Callable[..., Run], reserved: Callable[[], int | None], records: list[Record]) -> None:
    for action in (NoteLoss(HOME, THERE), FENCE):
        perform(run, action)
    back = make_run()
    back.lost = THERE.region
    mark = len(records)
    perform(back, UNFENCE)
    assert reserved() is None
    assert {record["to"] for record in records[mark:] if record["event"] == "call"} == {HOME.region}
    assert notes(records)[-1].startswith("the app in us-east-1 serves again without a reserved concurrency: ")


@pytest.mark.parametrize("mode", ["error", "hang"])
def test_a_region_that_fell_silent_is_waited_for_no_longer_because_more_is_asked_of_it(
        aside: Callable[..., Run], mode: str) -> None:
    failing = aside(answers=True)
    outages.start(HOME.region, "", mode)
    began = time.monotonic()
    perform(failing, IF_IT_ANSWERS)
    assert time.monotonic() - began < ANSWERS_S + 0.5


class Half:
    """A region whose functions can be stopped, and not be looked at."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.lambda_ = self

    def __getitem__(self, region: str) -> Half:
        return self

    def get_function_concurrency(self, **_: str) -> None:
        raise refusal("ServiceException")

    def put_function_concurrency(self, **_: str) -> None:
        self.stopped.set()


def test_an_app_whose_reserved_concurrency_cannot_be_read_is_stopped_all_the_same(run: Run) -> None:
    half = Half()
    run.aside = Aside(cast(Aws, half), answers=True)
    perform(run, IF_IT_ANSWERS)
    assert half.stopped.is_set()
    assert run.aside.reserved is None
    perform(run, NOTE)
    assert run.measures["fenced"] is True
