"""The lag of global database members as CloudWatch shows it, computed when asked."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from moto.cloudwatch.models import CloudWatchBackend, MetricDatum
from moto.core.common_models import CloudWatchMetricProvider
from moto.core.utils import utcnow

from drctl.lab.aurora_store import GLOBALS, LOST, GlobalCluster, Member, cluster_of
from drctl.lab.clock import CLOCK
from drctl.lab.lag import LAG
from drctl.lab.rules import Wrapped, rule

METRICS = ("AuroraGlobalDBRPOLag", "AuroraGlobalDBReplicationLag", "AuroraGlobalDBProgressLag")


class GlobalDatabaseLag(CloudWatchMetricProvider):
    """Lag in milliseconds, one datapoint a minute, in the secondary's Region alone and only while it is connected.

    A datapoint of a minute that is over says what was measured last in it, whatever is set later; that of the running
    minute says what is measured now. While the primary's Region is lost nothing arrives: the lag grows by a second a
    second.

    Source: Aurora User Guide, Monitoring an Amazon Aurora global database; CloudWatch metrics for Aurora
    """

    @staticmethod
    def get_cloudwatch_metrics(account_id: str, region: str) -> list[MetricDatum]:
        """The datapoints of up to the last hour."""
        return [datum for known in list(GLOBALS.values()) for member in known.members
                if member.region == region and known.account == account_id for datum in _datapoints(known, member)]


@rule("lag-by-the-minute", CloudWatchBackend, "get_metric_data")
def lag_by_the_minute(proceed: Wrapped, self: CloudWatchBackend, **asked: Any) -> Any:
    """A datapoint of the lag bears the beginning of its minute, and there is one for each, in the lab's own time.

    moto counts periods in real seconds from the StartTime of the request: many a minute of a fast lab would be one.
    Source: CloudWatch API Reference, MetricDataResult; CloudWatch User Guide, Metrics concepts, Periods
    """
    answers = proceed(**asked)
    stats = {query["Id"]: query["MetricStat"] for query in asked["queries"] if "MetricStat" in query}
    for answer in answers:
        stat = stats.get(answer["id"])
        if stat and stat["Metric"]["MetricName"] in METRICS and int(stat["Period"]) == 60:
            points = sorted(_wanted(self, stat["Metric"], asked["start_time"], asked["end_time"]),
                            reverse=asked.get("scan_by") == "TimestampDescending")
            answer["timestamps"], answer["values"] = [at for at, _ in points], [value for _, value in points]
    return answers


def _wanted(backend: CloudWatchBackend, metric: Any, begin: datetime, end: datetime) -> list[tuple[datetime, float]]:
    named = {one["Value"] for one in metric.get("Dimensions", ())}
    return [(one.timestamp, one.value) for one in GlobalDatabaseLag.get_cloudwatch_metrics(
        backend.account_id, backend.region_name) if one.name == metric["MetricName"] and begin <= one.timestamp < end
        and {each.value for each in one.dimensions} == named]


def _datapoints(known: GlobalCluster, member: Member) -> list[MetricDatum]:
    cluster = cluster_of(member.arn)
    if member.is_writer or not member.is_connected or cluster is None or member.region in LOST:
        return []
    since = max(member.connected_at, member.reader_since)
    minute = utcnow() - timedelta(seconds=CLOCK.now() % 60 / CLOCK.speed)
    minutes = min(60, int((CLOCK.now() - since) // 60) + 1)
    dimensions = [{"Name": "DBClusterIdentifier", "Value": cluster.db_cluster_identifier}]
    return [MetricDatum("AWS/RDS", name, _lag_ms(known, _measured_at(ago)), dimensions,
                        minute - timedelta(seconds=60 * ago / CLOCK.speed), "Milliseconds")
            for ago in range(minutes) for name in METRICS]


def _measured_at(minutes_ago: int) -> float:
    """When the value of a minute was measured: now, or just before the minute was over."""
    now = CLOCK.now()
    return now if not minutes_ago else (now // 60 - minutes_ago + 1) * 60 - 0.001


def _lag_ms(known: GlobalCluster, moment: float) -> float:
    """The lag at a moment of the lab's clock."""
    lost_at = LOST.get(known.writer.region) if known.writer else None
    return LAG.at(moment) + (0.0 if lost_at is None else max(0.0, moment - lost_at) * 1000)
