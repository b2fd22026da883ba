"""The old primary's app is stopped if its region answers, and nobody waits for a region that does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from drctl.actions.fencing import ANSWERS_S, Fence, FenceIfItAnswers, NoteFencing, Unfence, is_fenced
from drctl.aws.clients import Aws
from drctl.engine.events import Record
from drctl.engine.run import Aside, Run
from drctl.engine.runbook import perform
from drctl.lab import outages
from drctl.settings import Settings
from tests.conftest import ensure_with_needs
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
    assert [str(call) for action in (IF_IT_ANSWERS, FENCE, UNFENCE) for call in action.by_hand(run)] == [
        *[f"aws lambda put-function-concurrency --function-name {NAME} --reserved-concurrent-executions 0 "
          "--region us-east-1"] * 2,
        f"aws lambda delete-function-concurrency --function-name {NAME} --region us-east-1"]
