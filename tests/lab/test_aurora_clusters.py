"""Single clusters, instances and groups: refusals, stages, and what RDS offers."""

from __future__ import annotations

from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from tests.lab.aurora_world import (
    EAST,
    WEST,
    build,
    cluster,
    delete_cluster,
    groups,
    instance,
    make_instance,
    make_primary,
    pass_an_hour,
    pass_some_seconds,
)
from tests.lab.test_aurora_global import code


@pytest.fixture
def alone(aws: Aws, clock: LabClock) -> Aws:
    """A cluster in the east that is in no global cluster, with one instance."""
    groups(aws, EAST)
    make_primary(aws, GlobalClusterIdentifier=None)
    make_instance(aws, EAST)
    pass_an_hour(clock)
    return aws


def test_a_cluster_and_its_instance_are_creating_for_as_long_as_aws_takes(aws: Aws, clock: LabClock) -> None:
    groups(aws, EAST)
    make_primary(aws, GlobalClusterIdentifier=None)
    make_instance(aws, EAST)
    pass_some_seconds(clock)
    assert (cluster(aws, EAST)["Status"], instance(aws, EAST)["DBInstanceStatus"]) == ("creating", "creating")
    clock.skip(seconds("cluster-create"))
    assert (cluster(aws, EAST)["Status"], instance(aws, EAST)["DBInstanceStatus"]) == ("available", "creating")
    assert code(aws[EAST].rds.delete_db_instance, DBInstanceIdentifier=f"db-{EAST}-1") == "InvalidDBInstanceState"
    clock.skip(seconds("instance-create"))
    assert instance(aws, EAST)["DBInstanceStatus"] == "available"


def test_endpoint_names_carry_one_hash_a_region(aws: Aws, clock: LabClock) -> None:
    build(aws, clock)
    east, west = cluster(aws, EAST)["Endpoint"], cluster(aws, WEST)["ReaderEndpoint"]
    token = east.split(".")[1].removeprefix("cluster-")
    assert east == f"db-{EAST}.cluster-{token}.{EAST}.rds.amazonaws.com"
    assert cluster(aws, EAST)["ReaderEndpoint"] == f"db-{EAST}.cluster-ro-{token}.{EAST}.rds.amazonaws.com"
    assert instance(aws, EAST)["Endpoint"]["Address"] == f"db-{EAST}-1.{token}.{EAST}.rds.amazonaws.com"
    assert west.split(".")[1].removeprefix("cluster-ro-") != token


def test_a_change_shows_as_modifying_after_some_seconds_and_blocks_the_next(alone: Aws, clock: LabClock) -> None:
    rds = alone[EAST].rds
    change: dict[str, Any] = {"DBClusterIdentifier": f"db-{EAST}", "BackupRetentionPeriod": 9, "ApplyImmediately": True,
                              "CloudwatchLogsExportConfiguration": {"EnableLogTypes": ["postgresql"]}}
    rds.modify_db_cluster(**change)
    assert cluster(alone, EAST)["Status"] == "available"
    clock.skip(10)
    assert cluster(alone, EAST)["Status"] == "modifying"
    assert code(rds.modify_db_cluster, **change) == "InvalidDBClusterStateFault"
    assert code(delete_cluster, alone, EAST) == "InvalidDBClusterStateFault"
    pass_an_hour(clock)
    shown = cluster(alone, EAST)
    assert (shown["Status"], shown["BackupRetentionPeriod"], shown["EnabledCloudwatchLogsExports"]) == (
        "available", 9, ["postgresql"])
    rds.modify_db_instance(DBInstanceIdentifier=f"db-{EAST}-1", PromotionTier=2, ApplyImmediately=True)
    clock.skip(10)
    assert instance(alone, EAST)["DBInstanceStatus"] == "modifying"
    assert code(rds.modify_db_instance, DBInstanceIdentifier=f"db-{EAST}-1") == "InvalidDBInstanceState"
    assert code(rds.modify_db_cluster, DBClusterIdentifier="none") == "DBClusterNotFoundFault"


def test_deleting_takes_time_and_is_guarded(alone: Aws, clock: LabClock) -> None:
    rds = alone[EAST].rds
    name: dict[str, Any] = {"DBClusterIdentifier": f"db-{EAST}"}
    assert code(rds.delete_db_cluster, **name) == "InvalidParameterCombination"
    assert code(rds.delete_db_cluster, **name, SkipFinalSnapshot=True,
                FinalDBSnapshotIdentifier="last") == "InvalidParameterCombination"
    assert code(rds.delete_db_cluster, **name, SkipFinalSnapshot=True) == "InvalidDBClusterStateFault"
    rds.modify_db_cluster(**name, DeletionProtection=True, ApplyImmediately=True)
    pass_an_hour(clock)
    assert code(delete_cluster, alone, EAST) == "InvalidParameterCombination"
    rds.modify_db_cluster(**name, DeletionProtection=False, ApplyImmediately=True)
    pass_an_hour(clock)
    only: dict[str, Any] = {"DBInstanceIdentifier": f"db-{EAST}-1"}
    assert code(rds.delete_db_instance, **only, FinalDBSnapshotIdentifier="x") == "InvalidParameterCombination"
    rds.delete_db_instance(**only, SkipFinalSnapshot=True)
    assert instance(alone, EAST)["DBInstanceStatus"] == "deleting"
    assert code(rds.delete_db_instance, **only) == "InvalidDBInstanceState"
    pass_an_hour(clock)
    assert code(rds.delete_db_instance, **only) == "DBInstanceNotFound"
    rds.delete_db_cluster(**name, FinalDBSnapshotIdentifier="last")
    assert cluster(alone, EAST)["Status"] == "deleting"
    assert code(delete_cluster, alone, EAST) == "InvalidDBClusterStateFault"
    assert code(rds.delete_db_subnet_group, DBSubnetGroupName="inner") == "InvalidDBSubnetGroupStateFault"
    assert code(rds.delete_db_cluster_parameter_group,
                DBClusterParameterGroupName="ours") == "InvalidDBParameterGroupState"
    pass_an_hour(clock)
    assert code(delete_cluster, alone, EAST) == "DBClusterNotFoundFault"
    assert [snapshot["DBClusterSnapshotIdentifier"]
            for snapshot in rds.describe_db_cluster_snapshots()["DBClusterSnapshots"]] == ["last"]
    make_primary(alone, GlobalClusterIdentifier=None)


def test_when_the_writer_is_deleted_another_instance_writes(alone: Aws, clock: LabClock) -> None:
    make_instance(alone, EAST, 2)
    pass_an_hour(clock)
    zones = {found["AvailabilityZone"] for found in alone[EAST].rds.describe_db_instances()["DBInstances"]}
    assert len(zones) == 2
    alone[EAST].rds.delete_db_instance(DBInstanceIdentifier=f"db-{EAST}-1")
    assert {row["DBInstanceIdentifier"]: row["IsClusterWriter"] for row in cluster(alone, EAST)["DBClusterMembers"]
            } == {f"db-{EAST}-1": False, f"db-{EAST}-2": True}


@pytest.mark.parametrize(("changed", "expected"), [
    ({"DBInstanceClass": "db.t4g.medium"}, "InvalidParameterCombination"),
    ({"DBInstanceClass": "db.m5.large"}, "InvalidParameterCombination"),
    ({"DBInstanceClass": "db.r6g.large"}, ""),
    ({"MasterUserPassword": "long-enough-1"}, "InvalidParameterCombination"),
    ({"EngineVersion": "17.5"}, "InvalidParameterCombination"),
    ({"DBClusterIdentifier": "none"}, "DBClusterNotFoundFault"),
    ({"DBInstanceIdentifier": f"db-{EAST}-1"}, "DBInstanceAlreadyExists"),
])
def test_an_instance_of_a_global_database_is_refused_for_what_aws_refuses_it(
        aws: Aws, clock: LabClock, changed: dict[str, Any], expected: str) -> None:
    build(aws, clock)
    assert code(make_instance, aws, EAST, 2, **changed) == expected


def test_serverless_needs_limits_and_a_t_class_is_fine_outside_a_global_database(aws: Aws, clock: LabClock) -> None:
    groups(aws, EAST)
    make_primary(aws, GlobalClusterIdentifier=None, ServerlessV2ScalingConfiguration=None)
    assert code(make_instance, aws, EAST) == "InvalidParameterValue"
    assert code(make_instance, aws, EAST, DBInstanceClass="db.t4g.medium") == ""


def test_groups_are_checked_against_zones_families_and_names(aws: Aws, clock: LabClock) -> None:
    groups(aws, EAST)
    rds, subnets = aws[EAST].rds, aws[EAST].ec2.describe_subnets()["Subnets"]

    def of(*wanted: int) -> dict[str, Any]:
        return {"DBSubnetGroupDescription": "x", "SubnetIds": [subnets[index]["SubnetId"] for index in wanted]}

    assert code(rds.create_db_subnet_group, DBSubnetGroupName="inner", **of(0, 1)) == "DBSubnetGroupAlreadyExists"
    assert code(rds.create_db_subnet_group, DBSubnetGroupName="one", **of(0)) == "DBSubnetGroupDoesNotCoverEnoughAZs"
    assert code(rds.create_db_subnet_group, DBSubnetGroupName="none", DBSubnetGroupDescription="x",
                SubnetIds=["subnet-1", "subnet-2"]) == "InvalidSubnet"
    assert code(rds.create_db_cluster_parameter_group, DBClusterParameterGroupName="odd", Description="x",
                DBParameterGroupFamily="aurora-postgresql99") == "InvalidParameterValue"
    assert code(rds.describe_db_parameter_groups, DBParameterGroupName="none") == "DBParameterGroupNotFound"


def test_static_parameters_wait_for_a_reboot_and_twenty_fit_a_call(aws: Aws) -> None:
    groups(aws, EAST)

    def change(method: str, *names: str) -> str:
        return code(aws[EAST].rds.modify_db_cluster_parameter_group, DBClusterParameterGroupName="ours", Parameters=[
            {"ParameterName": name, "ParameterValue": "20", "ApplyMethod": method} for name in names])

    assert change("immediate", "max_replication_slots") == "InvalidParameterCombination"
    assert change("pending-reboot", "max_replication_slots") == ""
    assert change("pending-reboot", *(f"p{index}" for index in range(21))) == "InvalidParameterValue"


def test_a_used_zone_cannot_be_taken_out_of_a_subnet_group(alone: Aws) -> None:
    rds = alone[EAST].rds
    used = instance(alone, EAST)["AvailabilityZone"]
    others = [subnet["SubnetId"] for subnet in alone[EAST].ec2.describe_subnets()["Subnets"]
              if subnet["AvailabilityZone"] != used]
    assert code(rds.modify_db_subnet_group, DBSubnetGroupName="inner", SubnetIds=others[:2]) == "SubnetAlreadyInUse"


def test_a_new_version_needs_a_parameter_group_of_its_family(alone: Aws) -> None:
    assert code(make_primary, alone, DBClusterIdentifier="two", GlobalClusterIdentifier=None,
                EngineVersion="17.5") == "InvalidParameterCombination"


def test_versions_and_classes_are_offered_as_rds_lists_them(aws: Aws) -> None:
    rds = aws[EAST].rds
    (version,) = rds.describe_db_engine_versions(Engine="aurora-postgresql", EngineVersion="16.6")["DBEngineVersions"]
    assert (version["DBParameterGroupFamily"], version["SupportsGlobalDatabases"]) == ("aurora-postgresql16", True)
    assert rds.describe_db_engine_versions(Engine="aurora-postgresql", EngineVersion="16.99")["DBEngineVersions"] == []
    offered = {
        option["DBInstanceClass"]: option["SupportsGlobalDatabases"]
        for page in rds.get_paginator("describe_orderable_db_instance_options").paginate(
            Engine="aurora-postgresql", EngineVersion="16.6")
        for option in page["OrderableDBInstanceOptions"]}
    assert (offered["db.serverless"], offered["db.r7g.large"], offered["db.t4g.medium"]) == (True, True, False)
    assert "db.m5.large" not in offered
    (one,) = rds.describe_orderable_db_instance_options(
        Engine="aurora-postgresql", EngineVersion="16.6", DBInstanceClass="db.serverless")["OrderableDBInstanceOptions"]
    assert {"Name": f"{EAST}a"} in one["AvailabilityZones"]


def test_only_a_free_security_group_can_be_deleted_while_an_instance_stands(alone: Aws, clock: LabClock) -> None:
    ec2 = alone[EAST].ec2
    group = ec2.create_security_group(GroupName="db", Description="db")["GroupId"]
    alone[EAST].rds.modify_db_cluster(
        DBClusterIdentifier=f"db-{EAST}", VpcSecurityGroupIds=[group], ApplyImmediately=True)
    assert code(ec2.delete_security_group, GroupId=group) == "DependencyViolation"
    pass_an_hour(clock)
    alone[EAST].rds.delete_db_instance(DBInstanceIdentifier=f"db-{EAST}-1")
    pass_an_hour(clock)
    assert code(ec2.delete_security_group, GroupId=group) == ""
