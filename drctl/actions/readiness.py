"""The readiness metric: one when a run has just proven that the stack can be failed over, seen in both regions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from drctl.aws.commands import Command
from drctl.engine.run import Run
from drctl.engine.runbook import Action
from drctl.settings import Site
from drctl.steps.dashboard import NAMESPACE, READINESS

#: How far back is looked, in datapoints of an hour: those of a minute are kept for 15 days, those of an hour for longer
#: (Amazon CloudWatch User Guide, "Metrics concepts", Metrics retention).
LOOKED_BACK, HOUR = timedelta(days=63), 3600


@dataclass(frozen=True)
class Published:
    """What was published last: the value, and the hour (seconds since 1970) in which it was."""

    value: float
    hour: float


def last_published(run: Run, site: Site) -> Published | None:
    """The newest readiness that a region's CloudWatch knows, asked with one call; None when none was published."""
    now = datetime.now(UTC)
    query: Any = [{"Id": "ready", "ReturnData": True, "MetricStat": {"Stat": "Minimum", "Period": HOUR, "Metric": {
        "Namespace": NAMESPACE, "MetricName": READINESS,
        "Dimensions": [{"Name": "Environment", "Value": run.settings.environment}]}}}]
    answer = run.at(site).cloudwatch.get_metric_data(
        MetricDataQueries=query, StartTime=now.replace(minute=0, second=0, microsecond=0) - LOOKED_BACK,
        EndTime=now + timedelta(minutes=1), ScanBy="TimestampDescending")
    results: list[Any] = answer["MetricDataResults"][:1]
    points = [Published(value, stamp.timestamp()) for result in results
              for stamp, value in zip(result["Timestamps"], result["Values"], strict=True)]
    return max(points, key=lambda one: one.hour, default=None)


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
