"""What earlier runs of this home tell: how long moves take, the last drill, and what stopped on its way."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from statistics import median
from typing import Any

from drctl.actions.past_drills import MARK, as_drill
from drctl.actions.screen import Local
from drctl.cli.evidence import can_be_resumed, followed_by, report_in
from drctl.engine import rundir
from drctl.engine.looks import Unanswered
from drctl.engine.rundir import RunDirectory
from drctl.settings import Settings

Report = dict[str, Any]
#: Newest runs that are looked at: of those that move the stack, and of all.
EARLIER, NEWEST = 20, 30


def usual_minutes(settings: Settings) -> float | None:
    """Median of the minutes that this home's newest failovers and drills of the stack took; None without any."""
    took = [seconds for report in of_stack(_newest_moves(), settings) if (seconds := _execution_s(report)) is not None]
    return round(median(took) / 60, 1) if took else None


def of_stack(reports: Iterable[Report], settings: Settings) -> Iterator[Report]:
    """Those of the stack that the settings describe."""
    return (report for report in reports
            if report.get("environment") == settings.environment and report.get("target") == settings.target)


def _execution_s(report: Report) -> float | None:
    """What a move took from the decision on: all the time that nobody was served, where it was planned."""
    planned_move = str(report.get("mode", "")).startswith(("live", "planned"))
    return report.get("execution_rto_s", report.get("rto_s") if planned_move else None)


def _newest_moves() -> Iterator[Report]:
    moves = [one for one in rundir.all_runs() if "failover" in one.id or "drill" in one.id]
    return _written(moves[:EARLIER])


def _written(directories: Iterable[RunDirectory]) -> Iterator[Report]:
    for directory in directories:
        with suppress(OSError, ValueError):
            yield json.loads(directory.report.read_text(encoding="utf-8"))


def local(settings: Settings) -> Local:
    """What this machine knows of the stack without asking anybody."""
    return Local(last_drill(settings), tuple(stopped_or_under_way(settings)), usual_minutes(settings))


def known(answer: Local | Unanswered) -> Local:
    """The same where it may not have been read."""
    return answer if isinstance(answer, Local) else Local(unknown=answer.why)


def drills_here() -> frozenset[str]:
    """Ids of the drills that this machine knows itself."""
    return frozenset(one.id for one in rundir.all_runs() if MARK in one.id)


def last_drill(settings: Settings) -> Report | None:
    """The newest drill of the stack that this home knows, in short; None without any."""
    drills = (one for one in rundir.all_runs() if MARK in one.id)
    return next(filter(None, map(as_drill, of_stack(map(_told, drills), settings))), None)


def stopped_or_under_way(settings: Settings) -> list[dict[str, str]]:
    """The newest runs of the stack which this machine is at, or which stopped on their way and nobody has gone on with.
    """
    newest = [report for report, _ in zip(map(_told, rundir.all_runs()), range(NEWEST), strict=False)]
    known = [report | followed_by(report, newest) for report in of_stack(newest, settings)]
    return [{"run": one["run"], "command": one["command"], "outcome": one["outcome"],
             "next": f"drctl resume {one['run']}" if can_be_resumed(one) else ""}
            for one in known if one["outcome"] == "running" or can_be_resumed(one)]


def _told(directory: RunDirectory) -> Report:
    """The report that a run has written at its end; without one, what its journal tells."""
    return next(_written([directory]), None) or report_in(directory)
