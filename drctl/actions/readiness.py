"""The readiness metrics of both regions: one when a run, or all rules, have just shown that a failover can begin."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from drctl.aws.commands import Command
from drctl.engine.run import Run
from drctl.engine.runbook import Action
from drctl.settings import Site
from drctl.steps.dashboard import NAMESPACE, READINESS, SCORE

#: How far back is looked, in datapoints of an hour: those of a minute are kept for 15 days, those of an hour for longer
#: (Amazon CloudWatch User Guide, "Metrics concepts", Metrics retention).
LOOKED_BACK, HOUR = timedelta(days=63), 3600


def published(run: Run, *, ready: bool, score: int | None = None) -> Iterable[Command]:
    """The calls that tell both regions whether a failover could begin now; with the score, of 100, where it is known.
    """
    values = {READINESS: float(ready)} | ({} if score is None else {SCORE: float(score)})
    dimensions = [{"Name": "Environment", "Value": run.settings.environment}]
    for site in run.settings.sites:
        yield Command(site.region, "cloudwatch", "PutMetricData", {"Namespace": NAMESPACE, "MetricData": [
            {"MetricName": name, "Value": value, "Dimensions": dimensions} for name, value in values.items()]})


@dataclass(frozen=True)
class Published:
    """What was published last: the value, and the hour (seconds since 1970) in which it was; and the newest score of
    the readiness rules, of 100, where one was published."""

    value: float
    hour: float
    score: float | None = None


def last_published(run: Run, site: Site) -> Published | None:
    """The newest readiness that a region's CloudWatch knows, asked with one call; None when none was published."""
    now = datetime.now(UTC)
    answer = run.at(site).cloudwatch.get_metric_data(
        MetricDataQueries=[_newest(run, READINESS), _newest(run, SCORE)], ScanBy="TimestampDescending",
        StartTime=now.replace(minute=0, second=0, microsecond=0) - LOOKED_BACK, EndTime=now + timedelta(minutes=1))
    points: dict[str, list[tuple[float, float]]] = {READINESS.lower(): [], SCORE.lower(): []}
    for result in answer["MetricDataResults"]:
        points[result["Id"]] += [(stamp.timestamp(), value) for stamp, value in zip(
            result["Timestamps"], result["Values"], strict=True)]
    ready, scores = points[READINESS.lower()], points[SCORE.lower()]
    if not ready:
        return None
    hour, value = max(ready)
    return Published(value, hour, max(scores)[1] if scores else None)


def _newest(run: Run, metric: str) -> Any:
    """The query for a metric's datapoints; of an hour the worst counts."""
    return {"Id": metric.lower(), "ReturnData": True, "MetricStat": {"Stat": "Minimum", "Period": HOUR, "Metric": {
        "Namespace": NAMESPACE, "MetricName": metric,
        "Dimensions": [{"Name": "Environment", "Value": run.settings.environment}]}}}


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
