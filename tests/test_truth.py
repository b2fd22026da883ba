"""A sample of `make truth`, and that it can fail: a report that is off, or keeps a lost row to itself, is told."""

from __future__ import annotations

import re
from typing import Any

import pytest

from drctl.lab.lag import USUAL_MS
from tests.truth import EAST, WEST, Case, Told, _move, _nothing_silent, _same_rows, draw, live, numbers, place

CASE = Case(seed=1, kind="unplanned", lag_ms=240_000.0, clients=4, rate=40.0, mode="refuse")


def test_a_failover_under_a_lag_and_its_failback_are_told_as_the_record_and_the_databases_have_them() -> None:
    with place(speed=300.0) as stack:
        told = live(stack, CASE)
    assert told.wrong == []
    assert told.lost > 0, "what four minutes of lag held is gone, or nothing was tried"
    assert told.acknowledged > told.lost


class Seen:
    """A place whose record and databases are written down: a write in each region, and one that was lost."""

    speed = 60.0
    lines = (
        {"n": 1, "row": "t-1", "id": "a", "region": EAST, "ended": 10.0},
        {"n": 2, "row": "t-2", "id": "b", "region": EAST, "ended": 11.0},
        {"n": 3, "row": "t-3", "id": "c", "region": WEST, "ended": 16.0},
    )

    def record(self, _: str) -> list[dict[str, Any]]:
        return list(self.lines)

    def held(self, region: str, _: str) -> set[str]:
        return {"t-1", "t-3"}


def report(**other: Any) -> dict[str, Any]:
    """What is true of it, but for what is given."""
    return {"rto_s": 300.0, "started_at": 0.0, "wall_seconds": 20.0, "lost_numbers": "2", "lost_rows": 1,
            "reconciliation": [{"kind": "rows", "items": ["patients/b"]}], **other}


def compared(said: dict[str, Any]) -> list[str]:
    told, seen = Told(CASE), Seen()
    place_: Any = seen
    _move(place_, told, said, EAST, WEST, 12.0)
    _same_rows(place_, told, said, WEST)
    _nothing_silent(place_, told, said)
    return told.wrong


def test_a_report_that_is_true_passes() -> None:
    assert compared(report()) == []


@pytest.mark.parametrize(("other", "words"), [
    ({"rto_s": 302.0}, "RTO 302.0 s in the report, 300.0 s in the record"),
    ({"lost_numbers": "", "lost_rows": 0}, r"lost rows in the report \[\], in the database \[2\]"),
    ({"lost_numbers": "2-3", "lost_rows": 2}, r"lost rows in the report \[2, 3\], in the database \[2\]"),
    ({"lost_rows": 2}, "lost rows in the report"),
    ({"unread_numbers": "3"}, "lost rows in the report"),
    ({"reconciliation": []}, r"not there and not listed: \[2\]"),
])
def test_a_report_that_is_not_is_told(other: dict[str, Any], words: str) -> None:
    (wrong,) = compared(report(**other))
    assert re.search(words, wrong), wrong


def test_cases_are_the_same_again_and_lags_of_all_kinds_are_drawn() -> None:
    assert draw(7, "unplanned") == draw(7, "unplanned")
    assert {draw(seed, "unplanned").lag_ms for seed in range(30)} == {USUAL_MS, 5_000.0, 20_000.0, 60_000.0}
    assert {draw(seed, "planned").lag_ms for seed in range(5)} == {USUAL_MS}


def test_ranges_of_numbers_are_read() -> None:
    assert numbers("4, 7-9") == {4, 7, 8, 9}
    assert numbers("") == set()
