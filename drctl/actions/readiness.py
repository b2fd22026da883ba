"""The readiness metrics of both regions: one when a run, or all rules, have just shown that a failover can begin."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from drctl.aws.commands import Command
from drctl.engine.run import Run
from drctl.engine.runbook import Action
from drctl.steps.dashboard import NAMESPACE, READINESS, SCORE


def published(run: Run, *, ready: bool, score: int | None = None) -> Iterable[Command]:
    """The calls that tell both regions whether a failover could begin now; with the score, of 100, where it is known.
    """
    values = {READINESS: float(ready)} | ({} if score is None else {SCORE: float(score)})
    dimensions = [{"Name": "Environment", "Value": run.settings.environment}]
    for site in run.settings.sites:
        yield Command(site.region, "cloudwatch", "PutMetricData", {"Namespace": NAMESPACE, "MetricData": [
            {"MetricName": name, "Value": value, "Dimensions": dimensions} for name, value in values.items()]})


@dataclass(frozen=True, eq=False)
class PublishReadiness(Action):
    """The last line of a run whose proofs have all held; a run that changed nothing has nothing to tell."""

    why = "the dashboard shows when the stack was last known to be ready"
    typical_minutes = 0.1
    if_stuck = "nothing depends on it"
    phase: ClassVar[str] = "report"

    @property
    def title(self) -> str:
        return "publish readiness"

    def by_hand(self, run: Run) -> Iterable[Command]:
        return published(run, ready=True)

    def needless(self, run: Run) -> bool:
        return not any(run.events.changes.values())

    def do(self, run: Run) -> None:
        for command in self.by_hand(run):
            command.send(run.aws)
