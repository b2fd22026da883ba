"""What happened when in which region, in lanes, so that no bar lies on another."""

from __future__ import annotations

from typing import Any

from drctl.engine.timeline import BOTH, lanes


def ended(step: str, at: float, took: float, region: str = "", kind: str = "step", **more: Any) -> dict[str, Any]:
    place = {"region": region} if region else {}
    return {"event": f"{kind}-ended", "step": step, "aws": at, "aws_seconds": took, "outcome": "created", **place,
            **more}


def test_each_region_has_a_lane_and_what_belongs_to_none_comes_last() -> None:
    found = lanes([ended("key us-west-2", 9, 4, "us-west-2"), ended("build", 20, 20, kind="action", phase="build"),
                   ended("key us-east-1", 8, 3, "us-east-1")])
    assert [lane["region"] for lane in found] == ["us-east-1", "us-west-2", BOTH]
    assert found[0]["bars"] == [
        {"label": "key", "phase": "build", "outcome": "created", "begin": 5, "end": 8, "row": 0}]


def test_bars_that_overlap_lie_in_different_rows_and_a_free_row_is_used_again() -> None:
    found = lanes([ended("a", 10, 10, "r"), ended("b", 8, 4, "r"), ended("c", 30, 15, "r"), ended("d", 30, 21, "r")])
    rows = {bar["label"]: bar["row"] for bar in found[0]["bars"]}
    assert found[0]["rows"] == 2
    assert rows == {"a": 0, "b": 1, "c": 0, "d": 1}
    for one in found[0]["bars"]:
        assert not [other for other in found[0]["bars"] if other is not one and other["row"] == one["row"]
                    and other["begin"] < one["end"] and one["begin"] < other["end"]]


def test_what_changed_nothing_and_what_only_spans_other_lines_is_left_out() -> None:
    assert lanes([ended("kept", 1, 1, "r", outcome="kept"), ended("gone", 1, 1, "r", outcome="absent"),
                  ended("skipped", 1, 1, kind="action", outcome="skipped", phase="dns"),
                  ended("move", 9, 9, kind="action", phase="measure"), {"event": "note", "text": "x", "aws": 1}]) == []
