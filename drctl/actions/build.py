"""Building and removing the whole stack: the runner over all steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from drctl.engine import runner
from drctl.engine.run import Run
from drctl.engine.runbook import Action
from drctl.engine.step import Step


@dataclass(frozen=True, eq=False)
class Build(Action):
    """Ensure and verify every step, each as soon as what it needs is there."""

    steps: tuple[Step[Any], ...]
    why = "both regions get the same structure, side by side"
    typical_minutes = 27.0
    if_stuck = "drctl provision goes on from where it stopped"
    phase: ClassVar[str] = "build"

    @property
    def title(self) -> str:
        return "build both regions"

    def do(self, run: Run) -> None:
        _tell(run, runner.build(run, self.steps))


@dataclass(frozen=True, eq=False)
class Destroy(Action):
    """Destroy every step, dependents first."""

    steps: tuple[Step[Any], ...]
    why = "reverse order; only what carries the stack's tags"
    typical_minutes = 20.0
    if_stuck = "drctl teardown goes on from where it stopped"
    phase: ClassVar[str] = "destroy"

    @property
    def title(self) -> str:
        return "remove both regions"

    def do(self, run: Run) -> None:
        _tell(run, runner.destroy(run, self.steps))


def _tell(run: Run, outcomes: Iterable[runner.Outcome]) -> None:
    counts = Counter(outcome.result for outcome in outcomes)
    run.say(", ".join(f"{count} {result}" for result, count in sorted(counts.items())))
    run.measure("outcomes", dict(counts))
