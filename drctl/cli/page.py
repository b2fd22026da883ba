"""A run's report as one page that needs nothing else: for people, for paper, and for an auditor."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from drctl.cli.progress import span

Report = Mapping[str, Any]
#: Width of the picture and of its left margin, height of a row of bars and of the axis, in its own units.
WIDTH, MARGIN, ROW, AXIS = 1000, 92, 22, 26
#: Steps of the axis in AWS seconds: the first that gives ten or fewer.
TICKS = (5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600)
#: Room in units that a letter of a bar's label takes, on the average.
LETTER = 6.0
#: Phases in the order in which a move goes through them, with the part of the RTO planned for each. The division is our
#: own: half for finding out and deciding, which people do; of the rest most for Aurora, whose failover AWS gives as
#: minutes.
BUDGET = {"detect": 0.15, "decide": 0.35, "promote": 0.30, "dns": 0.15, "prove": 0.05}


def page(report: Report) -> str:
    """The report as HTML, with its styles and its picture in it."""
    return _environment().get_template("report.html.j2").render(
        report=report, picture=picture(report), figures=figures(report), phases=phases(report), title=title(report),
        began=_utc(report["started_at"]), ended=_utc((report["started_at"] or 0) + (report["wall_seconds"] or 0)))


@cache
def _environment() -> Environment:
    made = Environment(loader=PackageLoader("drctl.cli"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                       lstrip_blocks=True)
    made.filters["span"] = span
    return made


def _utc(seconds: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds)) if seconds else "unknown"


def title(report: Report) -> str:
    """What was done, in words."""
    move = f" from {report['from_region']} to {report['to_region']}" if "from_region" in report else ""
    mode = f" ({report['mode']})" if "mode" in report else ""
    return f"{str(report['command']).capitalize()}{mode} of {report['environment']}{move}"


def figures(report: Report) -> list[dict[str, Any]]:
    """The figures that were promised: name, value and objective in seconds, and whether it was met."""
    promised = report.get("objectives") or {}
    counted = report.get("rto_from", "the last write before the move")
    names = (("RTO", "rto_s", f"from {counted} to the first write after, and the name's answer"),
             ("Execution", "execution_rto_s", "from the decision to the first write after, and the name's answer"),
             ("RPO", "rpo_s", report.get("rpo_from", "span of acknowledged writes that are not there")),
             ("RTO of the way back", "back_rto_s", "from the last write before to the first after, on the way home"))
    found = []
    for name, key, text in names:
        if (value := report.get(key)) is not None:
            limit = promised.get(key.removeprefix("back_").removeprefix("execution_"))
            found.append({"name": name, "value": value, "objective": limit, "text": text,
                          "met": limit is None or value <= limit})
    return found


def phases(report: Report) -> list[dict[str, Any]]:
    """Time by phase of the way out beside the part of the RTO planned for it; only for what moves the stack."""
    limit = (report.get("objectives") or {}).get("rto_s")
    if limit is None:
        return []
    spent: dict[str, float] = {"detect": report["detect_s"]} if report.get("detect_s") else {}
    for action in report["actions"]:
        if action.get("phase") in BUDGET and action["outcome"] == "done" and not _is_way_back(report, action):
            spent[action["phase"]] = spent.get(action["phase"], 0.0) + action["aws_seconds"]
    return [{"phase": phase, "seconds": round(spent[phase], 1), "budget": round(limit * part),
             "part": min(spent[phase] / (limit * part), 1.0)} for phase, part in BUDGET.items() if phase in spent]


def _is_way_back(report: Report, action: Mapping[str, Any]) -> bool:
    """Whether a line belongs to the way home: it ended after the first move had."""
    out = [one["ended_aws"] for one in report["actions"] if one.get("phase") == "measure"]
    return bool(out) and action["ended_aws"] > min(out)


def picture(report: Report) -> dict[str, Any]:
    """The timeline in units of the picture: lanes with bars, and the axis."""
    lanes = report["timeline"]
    end = max([report["aws_seconds"], *(bar["end"] for lane in lanes for bar in lane["bars"])], default=0.0) or 1.0
    scale, top, drawn = (WIDTH - MARGIN - 8) / end, AXIS, []
    for lane in lanes:
        bars = [_drawn(bar, scale, top, lane["bars"]) for bar in lane["bars"]]
        height = lane["rows"] * ROW + 10
        drawn.append({"region": lane["region"], "y": top, "height": height, "bars": bars})
        top += height
    step = next((one for one in TICKS if end / one <= 10), TICKS[-1])
    axis = [{"x": round(MARGIN + at * scale, 1), "text": span(at)} for at in range(0, int(end) + 1, step)]
    return {"width": WIDTH, "height": top + 4, "margin": MARGIN, "lanes": drawn, "axis": axis,
            "gaps": [_gap(report, prefix, scale) for prefix in ("", "back_") if f"{prefix}gap_ended_s" in report]}


def _gap(report: Report, prefix: str, scale: float) -> dict[str, float]:
    """Where nobody's write was acknowledged; what lies before the run is left out."""
    begin = max(report[f"{prefix}gap_began_s"], 0.0)
    return {"x": round(MARGIN + begin * scale, 1),
            "width": round(max((report[f"{prefix}gap_ended_s"] - begin) * scale, 1.0), 1)}


def _drawn(bar: Mapping[str, Any], scale: float, top: int, others: list[dict[str, Any]]) -> dict[str, Any]:
    """A bar with the place of its label: inside where there is room, else after it up to the next bar of its row."""
    x, width = MARGIN + bar["begin"] * scale, max((bar["end"] - bar["begin"]) * scale, 2.0)
    following = [other["begin"] for other in others if other["row"] == bar["row"] and other["begin"] >= bar["end"]]
    free = (MARGIN + min(following) * scale if following else WIDTH) - (x + width) - 6
    inside = len(bar["label"]) * LETTER < width
    room = int((width if inside else free) / LETTER)
    label = bar["label"] if len(bar["label"]) <= room else bar["label"][:max(room - 1, 0)].rstrip() + "…"
    return {**bar, "x": round(x, 1), "y": top + 5 + bar["row"] * ROW, "width": round(width, 1), "inside": inside,
            "shown": label if room > 4 else "", "text_x": round(x + (4 if inside else width + 4), 1)}
