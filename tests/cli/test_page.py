"""The report as a page: whole in itself, with figures, picture and evidence of a run, of a failed one too."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from drctl.cli.page import BUDGET, MARGIN, WIDTH, page, picture
from drctl.engine.report import report_of

EAST, WEST = "us-east-1", "us-west-2"


def line(step: str, at: float, took: float, phase: str, region: str = "", **more: Any) -> list[dict[str, Any]]:
    """A line of a runbook that waited for something, as the journal has it."""
    place = {"step": step, **({"region": region} if region else {})}
    return [{"event": "waiting", "sentence": f"{step} is so", "seen": "yes & <so>", "aws": at - 1, **place},
            {"event": "action-ended", "outcome": "done", "phase": phase, "aws_seconds": took, "aws": at, **place,
             **more}]


def drill(*more: dict[str, Any], outcome: str = "done", **measures: Any) -> dict[str, Any]:
    """The report of a drill."""
    figures = {"mode": "live", "from_region": EAST, "to_region": WEST, "rto_s": 199.6, "rpo_s": 0.0, "lost_rows": 0,
               "acknowledged_rows": 55, "measured_by": "heartbeats of the probe function", "gap_began_s": 60.0,
               "gap_ended_s": 250.5, "objectives": {"rto_s": 900, "rpo_s": 900}, "met": True, **measures}
    records = [
        {"event": "run-started", "at": 1_790_000_000.0, "aws": 0.0, "command": "drill", "environment": "<b>prod</b>",
         "target": "lab", "version": "0.1.0", "versions": {"drctl": "0.1.0", "Python": "3.11"},
         "owner": {"name": "ann@laptop"}, "approval": "'prod' typed at the prompt"},
        *line("steady state", 40, 30, "steady state"),
        *line(f"switch the database over to {WEST}", 215, 174, "promote", WEST),
        *line("prove that the name answers", 330, 100, "dns", WEST), *line("move", 331, 300, "measure"),
        *line(f"switch the database over to {EAST}", 500, 150, "promote", EAST),
        {"event": "call", "to": EAST, "mutating": False, "aws": 1.0},
        {"event": "call", "to": WEST, "mutating": True, "aws": 2.0},
        *({"event": "measure", "name": name, "value": value, "aws": 510.0} for name, value in figures.items()), *more,
        {"event": "run-ended", "at": 1_790_000_020.0, "aws": 520.0, "outcome": outcome, "hash": "f250ea3a",
         "failures": [{"step": "balancer", "message": "AWS said <no>"}] if outcome == "failed" else []}]
    return report_of("20260921-000000-drill-aaaa", records)


class Seen(HTMLParser):
    """What a browser would find: the text, and whether everything is closed."""

    VOID = frozenset({"meta", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.words = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """`<line/>` is closed as it is opened."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.text += " "

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data


def test_it_is_one_file_that_reaches_nothing_and_is_closed_properly() -> None:
    text = page(drill())
    seen = Seen(text)
    assert seen.open == []
    assert not re.search(r"https?:|src=|href=|@import|url\(", text)
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_it_tells_figures_objectives_phases_checks_calls_approval_and_hash() -> None:
    words = Seen(page(drill())).words
    for told in ("Drill (live) of <b>prod</b> from us-east-1 to us-west-2", "199.6 s objective 900 s: met",
                 "0 lost of 55 acknowledged", "simulated: every figure was taken in the lab, not on AWS",
                 "promote 174.0 s 270 s", "dns 100.0 s 135 s", "steady state is so: yes & <so>", "us-west-2 1 1",
                 "ann@laptop", "'prod' typed at the prompt", "f250ea3a", "45 CFR 164.308(a)(7)(ii)(D)"):
        assert told in words, told


def test_nothing_that_a_run_says_becomes_markup() -> None:
    text = page(drill())
    assert "<b>prod" not in text
    assert "<so>" not in text


def test_a_missed_objective_and_a_failure_stand_out() -> None:
    text = page(drill(outcome="failed", rto_s=1200.0, met=False))
    assert "objective 900 s: MISSED" in Seen(text).words
    assert "balancer AWS said <no>" in Seen(text).words
    assert re.search(r'class="bad">1200\.0 s', text)


def test_a_run_without_figures_or_end_is_told_too() -> None:
    report = report_of("r", [{"event": "run-started", "at": 1.0, "aws": 0.0, "command": "provision",
                              "environment": "dev", "target": "aws", "version": "1"}])
    words = Seen(page(report)).words
    assert "interrupted" in words
    assert "simulated" not in words
    assert "objective" not in words


def test_every_bar_lies_in_the_picture_in_the_lane_of_its_region() -> None:
    drawn = picture(drill())
    assert [lane["region"] for lane in drawn["lanes"]] == [EAST, WEST, "both regions"]
    for lane in drawn["lanes"]:
        for bar in lane["bars"]:
            assert MARGIN <= bar["x"] <= bar["x"] + bar["width"] <= WIDTH
            assert lane["y"] <= bar["y"] < lane["y"] + lane["height"]


@pytest.mark.parametrize("seconds", [1.0, 59.0, 601.0, 3_700.0, 90_000.0])
def test_the_axis_has_a_handful_of_marks_however_long_a_run_took(seconds: float) -> None:
    report = {**drill(), "aws_seconds": seconds, "timeline": []}
    assert 1 <= len(picture(report)["axis"]) <= 11


def test_the_parts_of_the_budget_are_the_whole_of_it() -> None:
    assert sum(BUDGET.values()) == pytest.approx(1)


def test_the_time_without_an_acknowledged_write_is_shaded_in_the_picture_and_cut_in_parts() -> None:
    report = drill(lost_rows=2, lost_numbers="7-8")
    (gap,) = picture(report)["gaps"]
    scale = (WIDTH - MARGIN - 8) / 520
    assert gap["x"] == pytest.approx(MARGIN + 60 * scale, abs=0.1)
    assert gap["width"] == pytest.approx(190.5 * scale, abs=0.1)
    seen = Seen(page(report))
    assert "What the RTO was spent on promotion 155.0 s until the name answered" in seen.words
    assert "by heartbeats of the probe function; lost: 7-8" in seen.words


def test_an_outage_from_before_the_run_is_shaded_from_its_beginning() -> None:
    (gap,) = picture(drill(gap_began_s=-100.0))["gaps"]
    assert gap["x"] == MARGIN
