"""The record of what clients saw answers when writes were acknowledged, by whom, and when none were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from drctl.lab.traffic_record import Gap, Line, Record, Recorder

EAST, WEST = "us-east-1", "us-west-2"


def line(n: int, ended: float, outcome: str = "acknowledged", kind: str = "write", **other: Any) -> Line:
    """A request that took a tenth of a second."""
    given = {"status": None if outcome == "unanswered" else 201, "region": EAST, "address": "203.0.113.1",
             "id": f"id-{n}", **other}
    return Line(n, f"run-1-{n}", kind, round(ended - 0.1, 3), ended, outcome, **given)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "traffic/run.jsonl"


def recorded(path: Path, *lines: Line) -> Record:
    """The record of these lines."""
    recorder = Recorder(path)
    for one in lines:
        recorder.put(one)
    recorder.close()
    return Record(path)


def outage(path: Path) -> Record:
    """East acknowledges until 12, west from 15 on; a row in flight of the one ends among those of the other."""
    return recorded(path, line(1, 10), line(2, 11), line(4, 12), line(3, 11.5), line(5, 12.5, "unanswered"),
                    line(6, 13, "refused", status=503), line(7, 14, "refused", status=503),
                    line(8, 15, region=WEST), line(9, 16, region=WEST))


def numbers(record: Record) -> list[int]:
    return [one.n for one in record.acknowledged()]


def test_acknowledged_writes_come_in_the_order_of_their_acknowledgements(path: Path) -> None:
    record = outage(path)
    assert numbers(record) == [1, 2, 3, 4, 8, 9]
    first = record.acknowledged()[0]
    assert (first.row, first.id, first.at, first.region, first.address) == ("run-1-1", "id-1", 10, EAST, "203.0.113.1")


@pytest.mark.parametrize(("t", "region", "before", "after"), [
    (13, "", 4, 8), (12, "", 4, 8), (11.9, "", 3, 4), (9, "", None, 1), (16, "", 9, None), (15.5, EAST, 4, None),
    (11, WEST, None, 8),
])
def test_the_writes_around_a_moment_are_told_of_any_region_or_of_one(
        path: Path, t: float, region: str, before: int | None, after: int | None) -> None:
    record = outage(path)
    last, first = record.last_before(t, region), record.first_after(t, region)
    assert (last and last.n, first and first.n) == (before, after)


def test_a_gap_says_between_which_writes_and_what_was_tried_in_it(path: Path) -> None:
    record = outage(path)
    last, first = record.acknowledged()[3], record.acknowledged()[4]
    assert record.gaps() == [Gap(12, 15, last, first, refused=2, unanswered=1)]
    assert record.gaps()[0].seconds == 3
    assert record.gaps(3) == []


def test_the_time_before_the_first_and_after_the_last_write_is_a_gap_too(path: Path) -> None:
    record = recorded(path, line(1, 1, "refused"), line(2, 9), line(3, 12, "unanswered"))
    only = record.acknowledged()[0]
    assert record.gaps() == [Gap(0.9, 9, None, only, 1, 0), Gap(9, 12, only, None, 0, 1)]
    assert recorded(path.with_name("none"), line(1, 1, "refused"), line(2, 5, "refused")).gaps() == [
        Gap(0.9, 5, None, None, 2, 0)]
    assert recorded(path.with_name("empty")).gaps() == []


def test_a_refused_read_is_in_no_gap(path: Path) -> None:
    record = recorded(path, line(1, 1), line(1, 2, "refused", "read"), line(2, 4))
    assert [(gap.refused, gap.unanswered) for gap in record.gaps()] == [(0, 0)]


def test_totals_count_writes_and_reads_apart_and_name_who_answered_last(path: Path) -> None:
    reads = ("read", "missing", "missing", "wrong", "refused", "unanswered")
    record = recorded(path, line(1, 1), line(2, 2), line(3, 3, "refused"), line(4, 4, "unanswered"),
                      *(line(1, 5, outcome, "read", region=WEST) for outcome in reads),
                      line(5, 6, "unanswered", region=EAST))
    assert record.totals() == {"acknowledged": 2, "refused": 1, "unanswered": 2, "reads": 1, "missing": 2, "wrong": 1,
                               "reads_failed": 2, "last_acknowledged": 2, "region": WEST}


def test_a_growing_record_is_followed_and_a_line_that_is_cut_off_is_left(path: Path) -> None:
    recorder = Recorder(path)
    record = Record(path)
    recorder.put(line(1, 1))
    assert numbers(record) == []
    record.refresh()
    assert numbers(record) == [1]
    recorder.close()
    whole = path.read_text()
    with path.open("a") as file:
        file.write(whole.replace("run-1-1", "run-1-2").strip())
    record.refresh()
    assert numbers(record) == [1]
    with path.open("a") as file:
        file.write("\n")
    record.refresh()
    assert [one.row for one in record.acknowledged()] == ["run-1-1", "run-1-2"]


def test_a_record_is_never_written_over(path: Path) -> None:
    recorded(path, line(1, 1))
    with pytest.raises(FileExistsError):
        Recorder(path)
