"""The readiness metric: one when a run has just proven that the stack can be failed over, seen in both regions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from drctl.aws.commands import Command
from drctl.engine.run import Run
from drctl.engine.runbook import Action
from drctl.steps.dashboard import NAMESPACE, READINESS


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
        for site in run.settings.sites:
            yield Command(site.region, "cloudwatch", "PutMetricData", {"Namespace": NAMESPACE, "MetricData": [{
                "MetricName": READINESS, "Value": 1.0,
                "Dimensions": [{"Name": "Environment", "Value": run.settings.environment}]}]})

    def needless(self, run: Run) -> bool:
        return not any(run.events.changes.values())

    def do(self, run: Run) -> None:
        for command in self.by_hand(run):
            command.send(run.aws)
