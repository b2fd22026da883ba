"""A runbook is played from top to bottom, skips what is done, and puts back whatever happened."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from drctl.engine.events import Record
from drctl.engine.run import Run
from drctl.engine.runbook import Action, NotPutBack, Runbook, SideBySide, perform, play
from drctl.errors import ChecksFailed, ConfigurationError, Interrupted, Refused, RunFailed, WaitTimeout
from tests.engine.fakes import Line, Turn, offline_run, refusal


@dataclass(frozen=True, eq=False)
class During(Action):
    """A line that plays others one after the other."""

    lines: tuple[Action, ...]
    log: list[str]
    why: ClassVar[str] = "because"
    typical_minutes: ClassVar[float] = 0
    if_stuck: ClassVar[str] = "pull"

    @property
    def title(self) -> str:
        return "during"

    @property
    def parts(self) -> tuple[Action, ...]:
        return self.lines

    def with_parts(self, parts: tuple[Action, ...]) -> During:
        return replace(self, lines=parts)

    def do(self, run: Run) -> None:
        self.log.append("begin")
        for line in self.lines:
            perform(run, line)
        self.log.append("end")


@dataclass(frozen=True, eq=False)
class Decision(Line):
    """A line at which somebody decides."""

    decides: ClassVar[bool] = True


def counted(book: Runbook) -> list[tuple[int, str, tuple[int, ...]]]:
    """The lines as people count them."""
    return [(one.number, one.action.title, one.beside) for one in book.numbered()]


def test_lines_are_done_in_order_and_what_is_done_is_skipped() -> None:
    log: list[str] = []
    records: list[Record] = []
    state = {"two"}
    play(offline_run(records), Runbook("r", (Turn("one", state), Turn("two", state), Line("three", log))))
    assert (log, state) == (["three"], {"one", "two"})
    assert [record["outcome"] for record in records if record["event"] == "action-ended"] == [
        "done", "skipped", "done"]


def test_a_failing_line_ends_the_run_and_is_put_back() -> None:
    log: list[str] = []
    book = Runbook("r", (Line("one", log, refusal("Boom", "bang")), Line("two", log)), (Line("back", log),))
    with pytest.raises(RunFailed, match="one: ") as end:
        play(offline_run(), book)
    assert log == ["one", "back"]
    assert end.value.failures[0].code == "Boom"
    assert end.value.next_step == "pull"


def test_a_line_that_aws_does_not_show_done_failed() -> None:
    with pytest.raises(RunFailed, match="AWS does not show it done"):
        play(offline_run(), Runbook("r", (Turn("one", set(), stuck=True),)))


def test_a_refusal_passes_as_it_is_and_a_stop_puts_back_too() -> None:
    log: list[str] = []
    with pytest.raises(Refused, match="not ready"):
        play(offline_run(), Runbook("r", (Line("gate", log, Refused("not ready")),)))
    run = offline_run()
    run.clock.stop()
    with pytest.raises(Interrupted):
        play(run, Runbook("r", (Line("one", log),), (Line("back", log),)))
    assert log == ["gate", "back"]
    assert not run.clock.stopped


def test_a_gate_that_refuses_leaves_everything_as_it_is() -> None:
    log: list[str] = []
    gate = (Line("gate", log, Refused("not ready")),)
    with pytest.raises(Refused, match=r"^not ready$"):
        play(offline_run(), Runbook("r", (Line("one", log),), (Line("back", log),), gate))
    assert log == ["gate"]


def test_an_error_tells_whether_everything_is_put_back() -> None:
    log: list[str] = []
    boom, stuck = Line("one", log, refusal("Boom", "bang")), Line("back", log, refusal("Stuck"))
    with pytest.raises(RunFailed) as end:
        play(offline_run(), Runbook("r", (boom,), (Line("back", log),)))
    assert end.value.message.endswith("bang; everything is put back")
    with pytest.raises(RunFailed) as end:
        play(offline_run(), Runbook("r", (boom,), (stuck,)))
    assert end.value.message.startswith("NOT PUT BACK: back: ")
    assert "(after: one: " in end.value.message


def test_a_run_that_could_not_put_things_back_has_failed_whatever_refused_and_tells_the_way_of_its_runbook() -> None:
    stuck = Line("back", [], ChecksFailed("something is left", findings=("a clone",)))
    run = offline_run()
    with pytest.raises(NotPutBack) as end:
        play(run, Runbook("r", (Line("one", []),), (stuck,), if_not_put_back="remove it: drctl resume {run}"))
    assert (end.value.exit_code, end.value.findings) == (1, ("a clone",))
    assert end.value.next_step == f"remove it: drctl resume {run.id}"


def test_no_start_at_a_later_line_skips_a_decision() -> None:
    log: list[str] = []
    book = Runbook("r", (Line("two", log), Line("three", log)), gate=(Decision("one", log),))
    play(offline_run(), book.starting_at(3))
    assert log == ["one", "three"]


def test_every_end_of_a_line_has_a_next_step() -> None:
    with pytest.raises(WaitTimeout) as late:
        play(offline_run(), Runbook("r", (Line("one", [], WaitTimeout("never")),)))
    with pytest.raises(Interrupted) as stop:
        play(offline_run(), Runbook("r", (Line("one", [], Interrupted("stopped")),)))
    assert (late.value.next_step, stop.value.next_step) == ("pull", "the same command again goes on from there")


def test_lines_side_by_side_are_all_done_and_one_failure_fails_the_line() -> None:
    log: list[str] = []
    play(offline_run(), Runbook("r", (SideBySide((Line("a", log), Line("b", log))),)))
    assert sorted(log) == ["a", "b"]
    with pytest.raises(RunFailed, match="b: "):
        play(offline_run(), Runbook("r", (SideBySide((Line("a", log), Line("b", log, refusal("Boom")))),)))


def test_several_failures_side_by_side_are_told_together_with_each_of_their_causes() -> None:
    lines = tuple(Line(name, [], refusal(code, text)) for name, code, text in (
        ("a", "Boom", "bang"), ("b", "Crash", "crack")))
    with pytest.raises(RunFailed) as end:
        play(offline_run(), Runbook("r", (SideBySide((*lines, Line("c", []))),)))
    assert "a: " in end.value.message
    assert "; b: " in end.value.message
    assert [(failure.step, failure.code) for failure in end.value.failures] == [("a", "Boom"), ("b", "Crash")]
    assert end.value.next_step == "pull"


@pytest.mark.parametrize(("error", "text"), [(Refused("not ready", findings=("why",)), "not ready"),
                                             (Interrupted("stopped"), "stopped")])
def test_a_refusal_or_a_stop_among_failures_is_told_as_it_is(error: Refused | Interrupted, text: str) -> None:
    with pytest.raises(type(error), match=f"^{text}$") as end:
        play(offline_run(), Runbook("r", (SideBySide((Line("a", [], refusal("Boom")), Line("b", [], error))),)))
    assert end.value is error


def test_a_line_side_by_side_that_fails_stops_no_other() -> None:
    state: set[str] = set()
    with pytest.raises(RunFailed):
        play(offline_run(), Runbook("r", (SideBySide((Line("a", [], refusal("Boom")), Turn("b", state))),)))
    assert state == {"b"}


# Numbers -------------------------------------------------------------------------------------------------------------


LOG: list[str] = []
A, B, C, D, E = (Line(name, LOG) for name in "abcde")
NESTED = Runbook("r", (During((SideBySide((B, C)), D), LOG), E), gate=(A,))


@pytest.fixture(autouse=True)
def nothing_logged() -> None:
    LOG.clear()


def test_gate_and_lines_are_numbered_by_their_parts_and_those_side_by_side_tell_each_other() -> None:
    assert counted(NESTED) == [(1, "a", ()), (2, "b", (3,)), (3, "c", (2,)), (4, "d", ()), (5, "e", ())]


def test_lines_that_follow_each_other_beside_others_are_not_beside_each_other() -> None:
    assert counted(Runbook("r", (SideBySide((A, During((B, C), LOG), SideBySide((D, E)))),))) == [
        (1, "a", (2, 3, 4, 5)), (2, "b", (1, 4, 5)), (3, "c", (1, 4, 5)), (4, "d", (1, 2, 3, 5)),
        (5, "e", (1, 2, 3, 4))]


@pytest.mark.parametrize(("number", "played"), [
    (1, ["a", "begin", "b", "c", "d", "end", "e"]), (2, ["begin", "b", "c", "d", "end", "e"]),
    (3, ["begin", "c", "d", "end", "e"]), (4, ["begin", "d", "end", "e"]), (5, ["e"])])
def test_from_a_line_on_the_earlier_ones_are_left_out_and_what_surrounds_them_stays(
        number: int, played: list[str]) -> None:
    play(offline_run(), NESTED.starting_at(number))
    assert sorted(LOG) == sorted(played)
    assert [name for name in LOG if name not in "bc"] == [name for name in played if name not in "bc"]


def test_what_is_left_out_is_put_back_all_the_same() -> None:
    book = Runbook("r", (A, Line("boom", [], refusal("Boom"))), put_back=(E,)).starting_at(2)
    with pytest.raises(RunFailed) as end:
        play(offline_run(), book)
    assert end.value.message.endswith("everything is put back")
    assert LOG == ["e"]


@pytest.mark.parametrize("number", [0, 6])
def test_a_number_that_no_line_has_is_refused_with_those_that_there_are(number: int) -> None:
    with pytest.raises(ConfigurationError, match=f"there is no line {number}; the lines are 1 to 5") as end:
        NESTED.starting_at(number)
    assert end.value.next_step == "--show lists them"


# Staying -------------------------------------------------------------------------------------------------------------


def test_a_runbook_that_stays_puts_back_only_what_went_wrong() -> None:
    play(offline_run(), Runbook("r", (A,), put_back=(E,), stays=True))
    assert LOG == ["a"]
    with pytest.raises(RunFailed):
        play(offline_run(), Runbook("r", (A, Line("boom", [], refusal("Boom"))), put_back=(E,), stays=True))
    assert LOG == ["a", "a", "e"]
    play(offline_run(), Runbook("r", (A,), put_back=(E,)))
    assert LOG == ["a", "a", "e", "a", "e"]
