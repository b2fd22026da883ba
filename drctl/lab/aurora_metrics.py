"""The lag of global database members as CloudWatch shows it, computed when asked."""

from __future__ import annotations

from datetime import timedelta

from moto.cloudwatch.models import MetricDatum
from moto.core.common_models import CloudWatchMetricProvider
from moto.core.utils import utcnow

from drctl.lab.aurora_store import GLOBALS, LOST, GlobalCluster, Member, cluster_of
from drctl.lab.clock import CLOCK

#: Lag of every secondary in milliseconds; a drill may set it.
LAG_MS = 80.0
METRICS = ("AuroraGlobalDBRPOLag", "AuroraGlobalDBReplicationLag", "AuroraGlobalDBProgressLag")


class GlobalDatabaseLag(CloudWatchMetricProvider):
    """Lag in milliseconds, one datapoint a minute, in the secondary's Region alone and only while it is connected.

    While the primary's Region is lost nothing arrives: the lag grows by a second a second.

    Source: Aurora User Guide, Monitoring an Amazon Aurora global database; CloudWatch metrics for Aurora
    """

    @staticmethod
    def get_cloudwatch_metrics(account_id: str, region: str) -> list[MetricDatum]:
        """The datapoints of up to the last hour."""
        return [datum for known in list(GLOBALS.values()) for member in known.members
                if member.region == region and known.account == account_id for datum in _datapoints(known, member)]


def _datapoints(known: GlobalCluster, member: Member) -> list[MetricDatum]:
    cluster = cluster_of(member.arn)
    if member.is_writer or not member.is_connected or cluster is None or member.region in LOST:
        return []
    since = max(member.connected_at, member.reader_since)
    minute = utcnow().replace(second=0, microsecond=0)
    minutes = min(60, int((CLOCK.now() - since) // 60) + 1)
    dimensions = [{"Name": "DBClusterIdentifier", "Value": cluster.db_cluster_identifier}]
    return [MetricDatum("AWS/RDS", name, _lag_ms(known, 60.0 * ago), dimensions, minute - timedelta(minutes=ago),
                        "Milliseconds") for ago in range(minutes) for name in METRICS]


def _lag_ms(known: GlobalCluster, ago_s: float) -> float:
    """The lag so many AWS seconds ago."""
    lost_at = LOST.get(known.writer.region) if known.writer else None
    return LAG_MS + (0.0 if lost_at is None else max(0.0, CLOCK.now() - ago_s - lost_at) * 1000)
