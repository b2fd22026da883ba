"""Drills of the past, in short: when, how, what came of it, and the times that were measured."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from drctl.engine.copies import Shelf

#: How the ids of drills look, and how many are looked into until one is found that was no look alone.
MARK, FEW = "-drill-", 3
#: Outcomes of drills that have not begun to move anything.
NOT_BEGUN = frozenset({"refused", "problems found"})
KEYS = ("run", "started_at", "mode", "outcome", "rto_s", "rpo_s", "met", "simulated")

Drill = dict[str, Any]


def as_drill(report: Mapping[str, Any]) -> Drill | None:
    """The report of a drill in short; None for one that a guard has refused, and for one that only looked: neither has
    rehearsed anything."""
    if report.get("outcome") in NOT_BEGUN or report.get("mode") == "tabletop":
        return None
    return {key: report.get(key) for key in KEYS}


def newest_of_others(shelf: Shelf, known: Collection[str]) -> Drill | None:
    """The newest drill that a control bucket tells of and this machine does not know; None when all are known.

    One without a report, for it is under way or its process died, is told by its id alone.
    """
    last = max(known, default="")
    for run_id in [one for one in shelf.runs() if MARK in one and one not in known and one > last][:FEW]:
        report = shelf.report(run_id)
        drill = {"run": run_id, "outcome": "not known"} if report is None else as_drill(report)
        if drill is not None:
            return drill
    return None
