"""Global clusters and their members come, show themselves and go as AWS documents it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.aws.errors import code_of
from drctl.lab import aurora
from drctl.lab.clock import CLOCK, LabClock
from tests.conftest import SPEED
from tests.lab.aurora_world import (
    EAST,
    WEST,
    arn,
    build,
    cluster,
    delete_cluster,
    groups,
    instance,
    make_global,
    make_instance,
    make_primary,
    make_secondary,
    members,
    pass_an_hour,
    pass_some_seconds,
    remove,
    world,
    writer,
)
from tests.lab.conftest import eventually, settle

rule = pytest.mark.rule


def code(call: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """The code with which a call is refused; empty when it is not."""
    try:
        call(*args, **kwargs)
    except ClientError as error:
        return code_of(error)
    return ""


def test_a_global_cluster_is_the_same_from_every_region(aws: Aws, clock: LabClock) -> None:
    make_global(aws, Tags=[{"Key": "Stack", "Value": "one"}])
    pass_some_seconds(clock)
    assert world(aws)["Status"] == "creating"
    pass_an_hour(clock)
    shown = world(aws, WEST)
    assert shown == world(aws, EAST)
    assert (shown["GlobalClusterArn"], shown["Status"]) == ("arn:aws:rds::123456789012:global-cluster:world",
                                                           "available")
    assert shown["Endpoint"].startswith("world.global-")
    assert "FailoverState" not in shown
    assert code(aws[WEST].rds.describe_global_clusters, GlobalClusterIdentifier="moon") == "GlobalClusterNotFoundFault"
    assert code(make_global, aws) == "GlobalClusterAlreadyExistsFault"
    named = shown["GlobalClusterArn"]
    aws[WEST].rds.add_tags_to_resource(ResourceName=named, Tags=[{"Key": "Role", "Value": "dr"}])
    aws[EAST].rds.remove_tags_from_resource(ResourceName=named, TagKeys=["Stack"])
    assert aws[EAST].rds.list_tags_for_resource(ResourceName=named)["TagList"] == [{"Key": "Role", "Value": "dr"}]
    assert world(aws)["TagList"] == [{"Key": "Role", "Value": "dr"}]


def test_protection_and_name_of_a_global_cluster_can_be_changed(aws: Aws, clock: LabClock) -> None:
    rds = aws[EAST].rds
    make_global(aws, DeletionProtection=True)
    pass_an_hour(clock)
    assert code(rds.delete_global_cluster, GlobalClusterIdentifier="world") == "InvalidParameterCombination"
    rds.modify_global_cluster(GlobalClusterIdentifier="world", DeletionProtection=False,
                              NewGlobalClusterIdentifier="Earth")
    rds.delete_global_cluster(GlobalClusterIdentifier="earth")
    assert rds.describe_global_clusters()["GlobalClusters"][0]["Status"] == "deleting"
    pass_an_hour(clock)
    assert rds.describe_global_clusters()["GlobalClusters"] == []


def test_members_are_shown_with_their_roles_and_connect_late(aws: Aws, clock: LabClock) -> None:
    for region in (EAST, WEST):
        groups(aws, region)
    make_global(aws)
    pass_an_hour(clock)
    make_primary(aws)
    make_instance(aws, EAST)
    pass_an_hour(clock)
    make_secondary(aws)
    make_instance(aws, WEST)
    clock.skip(seconds("secondary-create") + 1)
    assert (cluster(aws, WEST)["Status"], instance(aws, WEST)["DBInstanceStatus"]) == ("available", "creating")
    assert "Endpoint" not in instance(aws, WEST)
    clock.skip(seconds("instance-create"))
    assert instance(aws, WEST)["DBInstanceStatus"] == "available"
    assert members(aws)[WEST]["SynchronizationStatus"] == "pending-resync"
    clock.skip(seconds("secondary-connect"))
    assert members(aws) == {
        EAST: {"DBClusterArn": arn(EAST), "IsWriter": True, "Readers": [arn(WEST)],
               "SynchronizationStatus": "connected"},
        WEST: {"DBClusterArn": arn(WEST), "IsWriter": False, "Readers": [], "SynchronizationStatus": "connected",
               "GlobalWriteForwardingStatus": "disabled"}}
    found = aws[WEST].rds.describe_global_clusters(Filters=[{"Name": "db-cluster-id", "Values": [arn(EAST)]}])
    assert len(found["GlobalClusters"]) == 1
    assert cluster(aws, WEST)["MasterUsername"] == "dradmin"


def test_a_running_cluster_can_become_the_first_member(aws: Aws, clock: LabClock) -> None:
    groups(aws, EAST)
    make_primary(aws, GlobalClusterIdentifier=None)
    make_instance(aws, EAST)
    pass_an_hour(clock)
    rds = aws[EAST].rds
    assert code(rds.create_global_cluster, GlobalClusterIdentifier="world", SourceDBClusterIdentifier=arn(EAST),
                Engine="aurora-postgresql") == "InvalidParameterCombination"
    rds.create_global_cluster(GlobalClusterIdentifier="world", SourceDBClusterIdentifier=arn(EAST))
    pass_an_hour(clock)
    assert (writer(aws), world(aws)["EngineVersion"], world(aws)["StorageEncrypted"]) == ([EAST], "16.6", True)
    assert code(rds.create_global_cluster, GlobalClusterIdentifier="two",
                SourceDBClusterIdentifier=arn(EAST)) == "InvalidDBClusterStateFault"


def test_a_detached_secondary_looks_available_then_promoting_and_leaves_the_list_late(
        aws: Aws, clock: LabClock) -> None:
    build(aws, clock)
    assert code(remove, aws, EAST) == "InvalidGlobalClusterStateFault"
    assert code(aws[WEST].rds.remove_from_global_cluster, GlobalClusterIdentifier="world",
                DbClusterIdentifier=f"db-{WEST}") == "InvalidParameterValue"
    remove(aws, WEST, at=WEST)
    assert cluster(aws, WEST)["Status"] == "available"
    clock.skip(10)
    assert (cluster(aws, WEST)["Status"], sorted(members(aws))) == ("promoting", [EAST, WEST])
    pass_an_hour(clock)
    assert (cluster(aws, WEST)["Status"], list(members(aws))) == ("available", [EAST])
    assert "GlobalClusterIdentifier" not in cluster(aws, WEST)
    assert aurora.is_writer(WEST, f"db-{WEST}")
    assert code(remove, aws, WEST) == "InvalidParameterValue"


def test_the_documented_life_cycle_from_creation_to_the_last_trace(aws: Aws, clock: LabClock) -> None:
    build(aws, clock)
    aws[EAST].rds.switchover_global_cluster(GlobalClusterIdentifier="world", TargetDbClusterIdentifier=arn(WEST))
    pass_an_hour(clock)
    aws[EAST].rds.failover_global_cluster(
        GlobalClusterIdentifier="world", TargetDbClusterIdentifier=arn(EAST), AllowDataLoss=True)
    pass_an_hour(clock)
    assert writer(aws) == [EAST]
    assert code(delete_cluster, aws, EAST) == "InvalidGlobalClusterStateFault"
    assert code(delete_cluster, aws, WEST) == "InvalidDBClusterStateFault"
    assert code(aws[EAST].rds.delete_db_instance, DBInstanceIdentifier=f"db-{EAST}-1") == "InvalidDBClusterStateFault"
    for region in (WEST, EAST):
        remove(aws, region)
        pass_an_hour(clock)
        aws[region].rds.delete_db_instance(DBInstanceIdentifier=f"db-{region}-1")
        pass_an_hour(clock)
        delete_cluster(aws, region)
        pass_an_hour(clock)
        aws[region].rds.delete_db_subnet_group(DBSubnetGroupName="inner")
        aws[region].rds.delete_db_cluster_parameter_group(DBClusterParameterGroupName="ours")
        assert aws[region].rds.describe_db_clusters()["DBClusters"] == []
        assert aws[region].rds.describe_db_cluster_snapshots()["DBClusterSnapshots"] == []
        assert aws[region].ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    aws[WEST].rds.delete_global_cluster(GlobalClusterIdentifier="world")
    pass_an_hour(clock)
    assert code(world, aws) == "GlobalClusterNotFoundFault"


def test_the_life_cycle_is_the_same_at_the_speed_of_tests(aws: Aws, clock: LabClock) -> None:
    build(aws, clock)
    CLOCK.set_speed(SPEED)
    remove(aws, WEST)
    assert eventually(lambda: list(members(aws)) == [EAST] and cluster(aws, WEST)["Status"] == "available")
    aws[WEST].rds.delete_db_instance(DBInstanceIdentifier=f"db-{WEST}-1")
    assert eventually(lambda: code(instance, aws, WEST) == "DBInstanceNotFound")
    delete_cluster(aws, WEST)
    assert eventually(lambda: code(cluster, aws, WEST) == "DBClusterNotFoundFault")


def test_a_global_cluster_with_members_is_not_deleted(aws: Aws, clock: LabClock) -> None:
    build(aws, clock)
    assert code(aws[EAST].rds.delete_global_cluster,
                GlobalClusterIdentifier="world") == "InvalidGlobalClusterStateFault"


def test_an_upgrade_of_the_global_cluster_takes_all_members_along(aws: Aws, clock: LabClock) -> None:
    build(aws, clock)
    modify = aws[EAST].rds.modify_global_cluster
    assert code(modify, GlobalClusterIdentifier="world", EngineVersion="99.1") == "InvalidParameterValue"
    assert code(modify, GlobalClusterIdentifier="world", EngineVersion="17.5") == "InvalidParameterCombination"
    modify(GlobalClusterIdentifier="world", EngineVersion="16.8")
    clock.skip(10)
    assert (world(aws)["Status"], cluster(aws, WEST)["Status"]) == ("upgrading", "upgrading")
    pass_an_hour(clock)
    assert {cluster(aws, region)["EngineVersion"] for region in (EAST, WEST)} == {"16.8"}


def lag(aws: Aws, region: str, member: str) -> list[float]:
    """What CloudWatch of a region says of the lag of the cluster of a region in the last five minutes."""
    now = datetime.now(tz=UTC)
    found = aws[region].cloudwatch.get_metric_data(
        StartTime=now - timedelta(minutes=5), EndTime=now + timedelta(seconds=1), MetricDataQueries=[{
            "Id": "lag", "MetricStat": {"Period": 60, "Stat": "Maximum", "Metric": {
                "Namespace": "AWS/RDS", "MetricName": "AuroraGlobalDBRPOLag",
                "Dimensions": [{"Name": "DBClusterIdentifier", "Value": f"db-{member}"}]}}}])
    return found["MetricDataResults"][0]["Values"]


@pytest.mark.rule("lag-by-the-minute")
@pytest.mark.parametrize("speed", [1.0, 120.0])
def test_a_datapoint_of_the_lag_bears_the_beginning_of_its_minute_in_the_labs_time(
        aws: Aws, clock: LabClock, speed: float) -> None:
    build(aws, clock)
    clock.skip(600)
    clock.set_speed(speed)
    asked = datetime.now(tz=UTC)
    found = aws[WEST].cloudwatch.get_metric_data(
        StartTime=asked - timedelta(minutes=5), EndTime=asked + timedelta(minutes=1), MetricDataQueries=[{
            "Id": "lag", "MetricStat": {"Period": 60, "Stat": "Maximum", "Metric": {
                "Namespace": "AWS/RDS", "MetricName": "AuroraGlobalDBRPOLag",
                "Dimensions": [{"Name": "DBClusterIdentifier", "Value": f"db-{WEST}"}]}}}])["MetricDataResults"][0]
    stamps, minute = found["Timestamps"], 60 / speed
    assert len(stamps) == len(found["Values"]) >= 4
    assert -5 <= (asked - stamps[0]).total_seconds() <= minute
    assert {round((one - next_).total_seconds(), 2) for one, next_ in itertools.pairwise(stamps)} == {minute}


def test_lag_is_published_in_the_secondarys_region_alone_and_moves_with_the_roles(aws: Aws, clock: LabClock) -> None:
    build(aws, clock)
    clock.skip(600)
    assert set(lag(aws, WEST, WEST)) == {80.0}
    assert (lag(aws, EAST, EAST), lag(aws, EAST, WEST)) == ([], [])
    aurora.set_lag_ms(2500)
    now = datetime.now(tz=UTC)
    found = aws[WEST].cloudwatch.get_metric_statistics(
        Namespace="AWS/RDS", MetricName="AuroraGlobalDBReplicationLag", Period=60, Statistics=["Average"],
        StartTime=now - timedelta(minutes=5), EndTime=now + timedelta(seconds=1),
        Dimensions=[{"Name": "DBClusterIdentifier", "Value": f"db-{WEST}"}])
    shown = [point["Average"] for point in sorted(found["Datapoints"], key=lambda point: point["Timestamp"])]
    assert (set(shown[:-1]), shown[-1]) == ({80.0}, 2500.0)
    aws[EAST].rds.switchover_global_cluster(GlobalClusterIdentifier="world", TargetDbClusterIdentifier=arn(WEST))
    pass_an_hour(clock)
    assert (lag(aws, WEST, WEST), set(lag(aws, EAST, EAST))) == ([], {2500.0})


def test_what_happens_to_a_detached_secondary_is_told_to_the_lab(aws: Aws, clock: LabClock) -> None:
    build(aws, clock)
    heard: list[tuple[str, str]] = []

    def listen(global_id: str, member: str) -> None:
        heard.append((global_id, member))

    aurora.ON_DETACH.append(listen)
    try:
        remove(aws, WEST)
        clock.skip(100)
        settle(clock)
    finally:
        aurora.ON_DETACH.remove(listen)
    assert heard == [("world", arn(WEST))]


@pytest.mark.parametrize(("changed", "expected"), [
    pytest.param({"MasterUsername": "dradmin"}, "InvalidParameterCombination", marks=rule("secondary-credentials")),
    pytest.param({"MasterUserPassword": "long-enough-1"}, "InvalidParameterCombination",
                 marks=rule("secondary-credentials")),
    pytest.param({"DatabaseName": "app"}, "InvalidParameterCombination", marks=rule("secondary-credentials")),
    pytest.param({"ManageMasterUserPassword": True}, "InvalidParameterCombination", marks=rule("no-managed-password")),
    pytest.param({"SourceRegion": None}, "InvalidParameterCombination", marks=rule("secondary-presigned-url")),
    pytest.param({"SourceRegion": "eu-west-1"}, "InvalidParameterValue", marks=rule("secondary-presigned-url")),
    pytest.param({"KmsKeyId": None}, "InvalidParameterCombination", marks=rule("secondary-local-key")),
    pytest.param({"KmsKeyId": "arn:aws:kms:us-east-1:123456789012:key/1-2"}, "KMSKeyNotAccessibleFault",
                 marks=rule("cluster-kms-key")),
    pytest.param({"EngineVersion": "16.8"}, "InvalidParameterValue", marks=rule("member-version")),
    pytest.param({"EngineVersion": "16.99"}, "InvalidParameterCombination", marks=rule("known-engine-version")),
    pytest.param({"DBClusterIdentifier": f"db-{EAST}"}, "InvalidParameterValue", marks=rule("member-identifier")),
    ({"GlobalClusterIdentifier": "moon"}, "GlobalClusterNotFoundFault"),
    ({"GlobalClusterIdentifier": None}, "InvalidParameterValue"),
    pytest.param({"DBSubnetGroupName": "outer"}, "DBSubnetGroupNotFoundFault", marks=rule("cluster-subnet-group")),
    pytest.param({"DBClusterParameterGroupName": "theirs"}, "DBClusterParameterGroupNotFound",
                 marks=rule("cluster-parameter-group")),
    pytest.param({"VpcSecurityGroupIds": ["sg-00000000000000000"]}, "InvalidParameterValue",
                 marks=rule("cluster-security-groups")),
    ({}, ""),
])
def test_a_secondary_is_refused_for_what_aws_refuses_it(
        aws: Aws, clock: LabClock, changed: dict[str, Any], expected: str) -> None:
    for region in (EAST, WEST):
        groups(aws, region)
    make_global(aws)
    pass_an_hour(clock)
    make_primary(aws)
    make_instance(aws, EAST)
    pass_an_hour(clock)
    assert code(make_secondary, aws, **changed) == expected


def test_a_secondary_has_to_wait_for_the_primarys_writer(aws: Aws, clock: LabClock) -> None:
    for region in (EAST, WEST):
        groups(aws, region)
    make_global(aws)
    assert code(make_primary, aws) == "InvalidGlobalClusterStateFault"
    pass_an_hour(clock)
    assert code(make_primary, aws, MasterUsername=None) == "InvalidParameterValue"
    assert code(make_primary, aws, StorageEncrypted=None, KmsKeyId=None) == "InvalidParameterCombination"
    make_primary(aws)
    assert code(make_primary, aws) == "DBClusterAlreadyExistsFault"
    assert code(make_primary, aws, DBClusterIdentifier="another") == "InvalidParameterValue"
    pass_an_hour(clock)
    assert code(make_secondary, aws) == "InvalidDBClusterStateFault"
    make_instance(aws, EAST)
    assert code(make_secondary, aws) == "InvalidDBClusterStateFault"
    pass_an_hour(clock)
    assert code(make_secondary, aws) == ""
