"""The judgement of a drill: the measured figures against what was promised."""

from __future__ import annotations

from drctl.engine.events import Record
from drctl.engine.run import Run


def judge(run: Run, measures: Record) -> None:
    """Record `objectives` and `met`; a figure that was not measured is not met."""
    promised = run.settings.objectives
    objectives = {"rto_s": promised.rto_minutes * 60, "rpo_s": promised.rpo_minutes * 60}
    run.measure("objectives", objectives)
    run.measure("met", all(name in measures and measures[name] <= limit for name, limit in objectives.items()))
