"""CloudWatch tells of replication what failed, where it was put, and how late it is, where it should arrive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.lab.clock import CLOCK
from tests.conftest import SPEED
from tests.lab.test_replication import HERE, SOURCE, TARGET, THERE, World, world

__all__ = ["world"]


def told(aws: Aws, region: str, metric: str) -> list[float]:
    """The datapoints of the last hour."""
    now, query = datetime.now(UTC), {"SourceBucket": SOURCE, "DestinationBucket": TARGET, "RuleId": "all"}
    wanted: Any = [{"Id": "one", "MetricStat": {"Stat": "Maximum", "Period": 60, "Metric": {
        "Namespace": "AWS/S3", "MetricName": metric,
        "Dimensions": [{"Name": name, "Value": value} for name, value in query.items()]}}}]
    answer = aws[region].cloudwatch.get_metric_data(
        MetricDataQueries=wanted, StartTime=now - timedelta(hours=1), EndTime=now + timedelta(minutes=1))
    return answer["MetricDataResults"][0]["Values"]


@pytest.mark.rule("replication-metrics")
def test_what_could_not_be_replicated_is_counted_in_the_source_region_until_it_is_gone(world: World) -> None:
    world.configure()
    world.allow(without="s3:ReplicateObject")
    version = world.put()
    assert world.settled() == "FAILED"
    assert told(world.aws, HERE, "OperationsFailedReplication") == [1.0]
    assert told(world.aws, THERE, "OperationsFailedReplication") == []
    world.aws[HERE].s3.delete_object(Bucket=SOURCE, Key="a", VersionId=version)
    assert told(world.aws, HERE, "OperationsFailedReplication") == [0.0]


@pytest.mark.rule("replication-metrics")
def test_what_is_on_its_way_is_late_in_the_destination_region(world: World) -> None:
    world.configure()
    CLOCK.set_speed(1.0)
    try:
        world.put()
        assert told(world.aws, THERE, "ReplicationLatency")[0] > 0
    finally:
        CLOCK.set_speed(SPEED)
    CLOCK.after(0, lambda: None)  # the clock's thread looks again
    world.settled()
    assert told(world.aws, THERE, "ReplicationLatency") == [0.0]


@pytest.mark.rule("replication-metrics")
def test_a_rule_without_metrics_tells_nothing(world: World) -> None:
    world.configure()
    assert told(world.aws, HERE, "OperationsFailedReplication") == [0.0]
    destination = {key: value for key, value in world.rule()["Destination"].items()
                   if key not in {"Metrics", "ReplicationTime"}}
    world.configure(Destination=destination)
    assert told(world.aws, HERE, "OperationsFailedReplication") == []
