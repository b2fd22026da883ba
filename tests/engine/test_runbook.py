"""A runbook is played from top to bottom, skips what is done, and puts back whatever happened."""

from __future__ import annotations

import pytest

from drctl.engine.events import Record
from drctl.engine.runbook import Runbook, SideBySide, play
from drctl.errors import Interrupted, Refused, RunFailed, WaitTimeout
from tests.engine.fakes import Line, Turn, offline_run, refusal


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
