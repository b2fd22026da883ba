"""What S3 replication tells CloudWatch of itself: what failed, at the source; how late what waits is, at the target."""

from __future__ import annotations

from typing import Any

from moto.cloudwatch.models import MetricDatum
from moto.core.common_models import CloudWatchMetricProvider
from moto.core.utils import utcnow
from moto.s3.models import FakeBucket, s3_backends

from drctl.lab.clock import CLOCK
from drctl.lab.replication import bucket_named, several, status_of
from drctl.lab.rules import is_on, layer_rule


class ReplicationMetrics(CloudWatchMetricProvider):
    """Counts of this moment: S3's own are those of a minute, so what has failed is told here as long as it is there."""

    @staticmethod
    def get_cloudwatch_metrics(account_id: str, region: str) -> list[MetricDatum]:
        """The datapoints of now."""
        backend = s3_backends[account_id]["aws"]
        return replication_metrics(list(backend.buckets.values()), region) if is_on("replication-metrics") else []


@layer_rule("replication-metrics")
def replication_metrics(buckets: list[FakeBucket], region: str) -> list[MetricDatum]:
    """OperationsFailedReplication comes from the source's region, ReplicationLatency from the destination's.

    Both only by rules with metrics. Source: S3 User Guide, "Monitoring replication with metrics, event notifications,
    and statuses".
    """
    return [datum for source in buckets for one in several(_configuration(source).get("Rule"))
            if (one["Destination"].get("Metrics") or {}).get("Status") == "Enabled"
            for datum in _of_rule(source, one, region)]


def _configuration(bucket: FakeBucket) -> dict[str, Any]:
    return getattr(bucket, "replication", None) or {}


def _of_rule(source: FakeBucket, one: Any, region: str) -> list[MetricDatum]:
    target = bucket_named(one["Destination"]["Bucket"].removeprefix("arn:aws:s3:::"))
    seen = [status_of(version) for name in source.keys for version in source.keys.getlist(name)]
    # In the order of S3's own documents: moto finds the datapoints of three dimensions in the order of a query alone.
    dimensions = [{"Name": "SourceBucket", "Value": source.name},
                  {"Name": "DestinationBucket", "Value": target.name if target else ""},
                  {"Name": "RuleId", "Value": one["ID"]}]
    found = []
    if source.region_name == region:
        failed = sum(status == "FAILED" for status, _ in seen)
        found.append(MetricDatum("AWS/S3", "OperationsFailedReplication", failed, dimensions, utcnow(), "Count"))
    if target is not None and target.region_name == region:
        late = max((CLOCK.now() - since for status, since in seen if status == "PENDING"), default=0.0)
        found.append(MetricDatum("AWS/S3", "ReplicationLatency", late, dimensions, utcnow(), "Seconds"))
    return found
