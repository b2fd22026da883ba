"""When what happened in which region: bars in lanes, for pictures; times are AWS seconds since the run began."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Record = dict[str, Any]
Bar = dict[str, Any]
#: Lane of what belongs to no region.
BOTH = "both regions"
#: Phase of lines that only span others.
SPANNING = "measure"


def lanes(records: Iterable[Record]) -> list[dict[str, Any]]:
    """A lane for each region, then one for both: `region`, `rows` and `bars` (label, phase, outcome, begin, end, row).

    A runbook's lines are shown; the steps of a build or teardown too, but for those that changed nothing.
    """
    by_region: dict[str, list[Bar]] = {}
    for record in records:
        if bar := _bar(record):
            by_region.setdefault(record.get("region") or BOTH, []).append(bar)
    order = sorted(by_region, key=lambda region: (region == BOTH, region))
    return [{"region": region, "rows": _stack(by_region[region]), "bars": by_region[region]} for region in order]


def _bar(record: Record) -> Bar | None:
    kind, outcome = record["event"], record.get("outcome", "")
    line = kind == "action-ended" and record.get("phase") != SPANNING and outcome != "skipped"
    step = kind == "step-ended" and outcome not in {"kept", "absent"}
    if not (line or step):
        return None
    end, label = record["aws"], record.get("step", "")
    if step:
        label = label.removesuffix(f" {record.get('region')}")  # the lane says it
    return {"label": label, "phase": record.get("phase", "build"), "outcome": outcome,
            "begin": round(max(end - record["aws_seconds"], 0.0), 1), "end": round(end, 1)}


def _stack(bars: list[Bar]) -> int:
    """Give each bar the first row in which it meets no other; returns how many rows that takes."""
    free: list[float] = []
    for bar in sorted(bars, key=lambda one: (one["begin"], one["end"])):
        row = next((number for number, until in enumerate(free) if until <= bar["begin"]), len(free))
        free[row:row + 1] = [bar["end"]]
        bar["row"] = row
    bars.sort(key=lambda one: (one["row"], one["begin"]))
    return len(free)
