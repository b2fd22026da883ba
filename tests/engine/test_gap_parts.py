"""The recovery time in parts: before the run, promotion, name, users' own caches; together they are the whole."""

from __future__ import annotations

from typing import Any

import pytest

from drctl.engine.gap_parts import parts


def line(phase: str, begin: float, end: float, outcome: str = "done") -> dict[str, Any]:
    return {"event": "action-ended", "phase": phase, "outcome": outcome, "aws": end, "aws_seconds": end - begin}


def told(began: float, rto: float, *lines: dict[str, Any]) -> dict[str, float]:
    """Seconds by part."""
    found = parts({"gap_began_s": began, "rto_s": rto}, lines)
    assert sum(one["seconds"] for one in found) == pytest.approx(rto, abs=0.3)
    assert sum(one["share"] for one in found) == pytest.approx(1, abs=0.01)
    return {one["part"]: one["seconds"] for one in found}


def test_an_outage_that_began_before_the_run_is_cut_where_run_promotion_and_answer_began_and_ended() -> None:
    assert told(-90, 300, line("promote", 20, 150), line("dns", 20, 35), line("dns", 150, 170)) == {
        "before the run": 90, "until the promotion began": 20, "promotion": 130, "until the name answered": 20,
        "until users wrote again": 40}


def test_a_switchover_under_way_when_the_last_write_came_is_counted_from_that_write() -> None:
    assert told(60, 80, line("promote", 30, 100), line("dns", 100, 130)) == {
        "promotion": 40, "until the name answered": 30, "until users wrote again": 10}


def test_lines_that_were_skipped_or_belong_to_the_way_back_cut_nothing() -> None:
    assert told(0, 50, line("promote", 0, 30), line("promote", 30, 40, "skipped"), line("promote", 200, 300)) == {
        "promotion": 30, "until users wrote again": 20}


def test_without_a_gap_seen_from_both_sides_there_are_no_parts() -> None:
    assert parts({"rto_s": 300}, [line("promote", 0, 30)]) == []
    assert parts({"gap_began_s": 3.0}, []) == []
