"""What RDS refuses, row by row: each with its code and words, and each held by the rule that it is marked with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from moto.rds.models import rds_backends

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab import aurora
from drctl.lab.clock import LabClock
from drctl.settings import LAB_ACCOUNT
from tests.lab.aurora_world import (
    EAST,
    VERSION,
    WEST,
    arn,
    bare,
    begin_a_change,
    build,
    cluster,
    delete_cluster,
    delete_instance,
    fail_over,
    groups,
    headless,
    make_global,
    make_instance,
    make_primary,
    make_secondary,
    pair,
    pass_an_hour,
    refusal,
    remove,
    single,
    switch_over,
)
from tests.lab.conftest import settle

rule = pytest.mark.rule
World = Callable[[Aws, LabClock], None]
Deed = Callable[[Aws, LabClock], Any]


def nothing(aws: Aws, clock: LabClock) -> None:
    """No database at all."""


def going(aws: Aws, clock: LabClock) -> None:
    """A single cluster whose instance is being deleted."""
    single(aws, clock)
    delete_instance(aws, EAST)


def coming(aws: Aws, clock: LabClock) -> None:
    """A cluster whose first instance is being created."""
    bare(aws, clock)
    make_instance(aws, EAST)


def guarded(aws: Aws, clock: LabClock) -> None:
    """A cluster with deletion protection."""
    bare(aws, clock, DeletionProtection=True)


def modifying(aws: Aws, clock: LabClock) -> None:
    """A cluster that is being changed."""
    bare(aws, clock)
    begin_a_change(aws, clock, EAST)


def switching(aws: Aws, clock: LabClock) -> None:
    """A global database right after a switchover was asked for."""
    pair(aws, clock)
    switch_over(aws)


def just_left(aws: Aws, clock: LabClock) -> None:
    """A former secondary without an instance that has just vanished from the list of members."""
    headless(aws, clock)
    remove(aws, WEST)
    clock.skip(seconds("global-member-remove") + 6)
    settle(clock)


def unlike(aws: Aws, clock: LabClock) -> None:
    """A global database whose secondary alone was upgraded."""
    pair(aws, clock)
    aws[WEST].rds.modify_db_cluster(DBClusterIdentifier=f"db-{WEST}", EngineVersion="16.8", ApplyImmediately=True)
    pass_an_hour(clock)
    assert cluster(aws, WEST)["EngineVersion"] == "16.8"


def failed_over(aws: Aws, clock: LabClock) -> None:
    """A global database whose old primary is being rebuilt."""
    pair(aws, clock)
    fail_over(aws)
    clock.skip(seconds("failover") + 15)
    settle(clock)


def half_changed(aws: Aws, clock: LabClock) -> None:
    """A global database whose primary is being changed."""
    pair(aws, clock)
    begin_a_change(aws, clock, EAST)


def busy_member(aws: Aws, clock: LabClock) -> None:
    """A global database whose secondary is being changed."""
    headless(aws, clock)
    begin_a_change(aws, clock, WEST)


def empty(aws: Aws, clock: LabClock) -> None:
    """A global cluster without members."""
    make_global(aws)
    pass_an_hour(clock)


def protected(aws: Aws, clock: LabClock) -> None:
    """A protected global cluster without members."""
    make_global(aws, DeletionProtection=True)
    pass_an_hour(clock)


def new(aws: Aws, clock: LabClock) -> None:
    """A global cluster that is being created."""
    make_global(aws)


def headless_primary(aws: Aws, clock: LabClock) -> None:
    """A global database whose primary has no instance yet."""
    empty(aws, clock)
    for region in (EAST, WEST):
        groups(aws, region)
    make_primary(aws)
    pass_an_hour(clock)


def full(kind: str) -> World:
    """A region in which the quota of something is used up."""
    def fill(aws: Aws, clock: LabClock) -> None:
        single(aws, clock)
        groups(aws, EAST)
        backend = rds_backends[LAB_ACCOUNT][EAST]
        there: dict[str, Any] = getattr(backend, kind)
        there.update({f"filler-{index}": next(iter(there.values())) for index in range(50)})
    return fill


def create(**given: Any) -> Deed:
    """Make a cluster of one's own in the east."""
    return lambda aws, clock: bare(aws, clock, **{"DBClusterIdentifier": "another", **given})


def create_global(**given: Any) -> Deed:
    """Make a global cluster."""
    usual = {"GlobalClusterIdentifier": "moon", "Engine": "aurora-postgresql", "EngineVersion": VERSION}
    return lambda aws, _: aws[EAST].rds.create_global_cluster(
        **{name: value for name, value in (usual | given).items() if value is not None})


def rds(operation: str, region: str = EAST, **given: Any) -> Deed:
    """A plain call."""
    return lambda aws, _: getattr(aws[region].rds, operation)(**given)


def parameters(method: str, *names: str) -> list[Any]:
    """Parameters to change."""
    return [{"ParameterName": name, "ParameterValue": "20", "ApplyMethod": method} for name in names]


def with_groups(aws: Aws, clock: LabClock) -> None:
    """A subnet group and a cluster parameter group."""
    groups(aws, EAST)


def settling(aws: Aws, clock: LabClock) -> None:
    """A parameter group that has just been changed."""
    groups(aws, EAST)
    aws[EAST].rds.modify_db_cluster_parameter_group(
        DBClusterParameterGroupName="ours", Parameters=parameters("immediate", "log_lock_waits"))


def used_groups(aws: Aws, clock: LabClock) -> None:
    """A subnet group and parameter groups that a cluster and its instance use."""
    groups(aws, EAST)
    aws[EAST].rds.create_db_parameter_group(DBParameterGroupName="mine", Description="mine",
                                            DBParameterGroupFamily="aurora-postgresql16")
    bare(aws, clock, DBSubnetGroupName="inner", DBClusterParameterGroupName="ours")
    make_instance(aws, EAST, DBParameterGroupName="mine")
    pass_an_hour(clock)


def subnet_group(name: str, *wanted: int, change: bool = False) -> Deed:
    """Make or change a subnet group with these of the default subnets."""
    def deed(aws: Aws, _: LabClock) -> None:
        found = aws[EAST].ec2.describe_subnets()["Subnets"]
        ids = [found[index]["SubnetId"] for index in wanted] or ["subnet-1", "subnet-2"]
        if change:
            aws[EAST].rds.modify_db_subnet_group(DBSubnetGroupName=name, SubnetIds=ids)
        else:
            aws[EAST].rds.create_db_subnet_group(DBSubnetGroupName=name, DBSubnetGroupDescription="x", SubnetIds=ids)
    return deed


def without_the_used_zone(aws: Aws, _: LabClock) -> None:
    used = aws[EAST].rds.describe_db_instances()["DBInstances"][0]["AvailabilityZone"]
    others = [subnet["SubnetId"] for subnet in aws[EAST].ec2.describe_subnets()["Subnets"]
              if subnet["AvailabilityZone"] != used]
    aws[EAST].rds.modify_db_subnet_group(DBSubnetGroupName="inner", SubnetIds=others[:2])


def create_pg(name: str = "mine", family: str = "aurora-postgresql16") -> dict[str, Any]:
    return {"DBParameterGroupName": name, "DBParameterGroupFamily": family, "Description": "x"}


def create_cpg(name: str = "mine", family: str = "aurora-postgresql16") -> dict[str, Any]:
    return {"DBClusterParameterGroupName": name, "DBParameterGroupFamily": family, "Description": "x"}


EAST_CLUSTER = {"DBClusterIdentifier": f"db-{EAST}"}
EAST_INSTANCE = {"DBInstanceIdentifier": f"db-{EAST}-1"}
STATE, COMBINATION, VALUE = "InvalidDBClusterStateFault", "InvalidParameterCombination", "InvalidParameterValue"
GLOBAL_STATE, INSTANCE_STATE = "InvalidGlobalClusterStateFault", "InvalidDBInstanceState"
FAMILY = "aurora-postgresql99"


def upgrade(region: str, version: str) -> Deed:
    """An upgrade of the cluster there, at once."""
    return rds("modify_db_cluster", region, DBClusterIdentifier=f"db-{region}", EngineVersion=version,
               ApplyImmediately=True)


def capacities(least: float, most: float) -> Deed:
    """Other limits of the cluster in the east."""
    return rds("modify_db_cluster", **EAST_CLUSTER, ServerlessV2ScalingConfiguration={
        "MinCapacity": least, "MaxCapacity": most})


#: Rule, what stands, what is done, the code and words of the refusal.
ROWS: list[tuple[str, World, Deed, str, str]] = [
    # how clusters go
    ("cluster-with-instances", single, lambda aws, _: delete_cluster(aws, EAST), STATE, "still contains DB instances"),
    ("cluster-available-to-delete", modifying, lambda aws, _: delete_cluster(aws, EAST), STATE,
     "not currently in the available state"),
    ("cluster-in-a-global-cluster", headless, lambda aws, _: delete_cluster(aws, WEST), STATE, "part of a global"),
    ("membership-cleared-late", just_left, lambda aws, _: delete_cluster(aws, WEST), STATE, "part of a global cluster"),
    ("primary-after-its-secondaries", headless, lambda aws, _: delete_cluster(aws, EAST), GLOBAL_STATE,
     "primary member"),
    ("cluster-protection", guarded, lambda aws, _: delete_cluster(aws, EAST), COMBINATION, "deletion protection"),
    ("cluster-snapshot-choice", bare, rds("delete_db_cluster", **EAST_CLUSTER), COMBINATION, "is required"),
    ("cluster-snapshot-choice", bare, rds("delete_db_cluster", **EAST_CLUSTER, SkipFinalSnapshot=True,
                                          FinalDBSnapshotIdentifier="last"), COMBINATION, "can not be specified"),
    ("member-not-stopped", headless, rds("stop_db_cluster", **EAST_CLUSTER), STATE, "global"),
    # how instances go
    ("last-instance-of-a-source", headless, lambda aws, _: delete_instance(aws, EAST), STATE, "Delete the replica"),
    ("instance-still-coming", coming, lambda aws, _: delete_instance(aws, EAST), INSTANCE_STATE, "creating"),
    ("instance-going-already", going, lambda aws, _: delete_instance(aws, EAST), INSTANCE_STATE,
     "already being deleted"),
    ("instance-without-snapshot", single, rds("delete_db_instance", **EAST_INSTANCE, FinalDBSnapshotIdentifier="x"),
     COMBINATION, "cluster instance"),
    # how a global database ends
    ("member-by-arn", headless, rds("remove_from_global_cluster", GlobalClusterIdentifier="world",
                                    DbClusterIdentifier=f"db-{WEST}"), VALUE, "Malformed db cluster arn"),
    ("only-members-leave", empty, lambda aws, _: remove(aws, WEST), VALUE, "is not found in global cluster"),
    ("writer-leaves-last", headless, lambda aws, _: remove(aws, EAST), GLOBAL_STATE, "read-only members"),
    ("nobody-leaves-meanwhile", switching, lambda aws, _: remove(aws, WEST), GLOBAL_STATE, "not available"),
    ("member-available-to-leave", busy_member, lambda aws, _: remove(aws, WEST), STATE, "modifying"),
    ("global-cluster-not-empty", headless, rds("delete_global_cluster", GlobalClusterIdentifier="world"), GLOBAL_STATE,
     "is not empty"),
    ("global-cluster-protection", protected, rds("delete_global_cluster", GlobalClusterIdentifier="world"),
     COMBINATION, "deletion protection"),
    ("global-cluster-at-rest-to-delete", new, rds("delete_global_cluster", GlobalClusterIdentifier="world"),
     GLOBAL_STATE, "creating"),
    # how a global cluster begins and changes
    ("global-cluster-once", new, create_global(GlobalClusterIdentifier="World"), "GlobalClusterAlreadyExistsFault", ""),
    ("global-cluster-identifier", nothing, create_global(GlobalClusterIdentifier="two--hyphens"), VALUE, "identifier"),
    ("global-cluster-version", nothing, create_global(EngineVersion="16.99"), VALUE, "not found"),
    ("global-cluster-version", nothing, create_global(Engine=None), VALUE, "engineName"),
    ("global-source-decides", bare, create_global(SourceDBClusterIdentifier=arn(EAST)), COMBINATION, "inherited"),
    ("global-source-ready", headless, create_global(SourceDBClusterIdentifier=arn(EAST), Engine=None,
                                                    EngineVersion=None), STATE, "already in a global cluster"),
    ("global-cluster-at-rest-to-change", new, rds("modify_global_cluster", GlobalClusterIdentifier="world",
                                                  DeletionProtection=True), GLOBAL_STATE, "creating"),
    ("global-upgrade", empty, rds("modify_global_cluster", GlobalClusterIdentifier="world", EngineVersion="17.5"),
     COMBINATION, "AllowMajorVersionUpgrade"),
    ("global-upgrade", empty, rds("modify_global_cluster", GlobalClusterIdentifier="world", EngineVersion="16.4"),
     VALUE, "Cannot upgrade"),
    # changes of roles
    ("data-loss-or-switchover", pair, rds("failover_global_cluster", WEST, GlobalClusterIdentifier="world",
                                          TargetDbClusterIdentifier=arn(WEST), AllowDataLoss=True, Switchover=True),
     COMBINATION, "together"),
    ("target-by-arn", pair, rds("switchover_global_cluster", GlobalClusterIdentifier="world",
                                TargetDbClusterIdentifier=f"db-{WEST}"), "DBClusterNotFoundFault", "not found"),
    ("role-change-region", pair, lambda aws, _: switch_over(aws, at=WEST), VALUE, EAST),
    ("role-change-region", pair, rds("failover_global_cluster", EAST, GlobalClusterIdentifier="world",
                                     TargetDbClusterIdentifier=arn(WEST), AllowDataLoss=True), VALUE, WEST),
    ("one-change-of-roles", switching, lambda aws, _: switch_over(aws), GLOBAL_STATE, "cannot change roles now"),
    ("target-is-no-writer", pair, lambda aws, _: switch_over(aws, to=EAST), STATE, "primary already"),
    ("headless-target", headless, lambda aws, _: switch_over(aws), STATE, "no available instance"),
    ("headless-target", headless, lambda aws, _: fail_over(aws), STATE, "no available instance"),
    ("healthy-members", half_changed, lambda aws, _: switch_over(aws), STATE, "not in a healthy state"),
    ("connected-target", failed_over, lambda aws, _: switch_over(aws, at=WEST, to=EAST), STATE, "not synchronized"),
    ("one-version-to-change-roles", unlike, lambda aws, _: switch_over(aws), STATE, "Versions differ"),
    # how clusters begin and change
    ("cluster-once", bare, create(DBClusterIdentifier=f"db-{EAST}"), "DBClusterAlreadyExistsFault", ""),
    ("cluster-identifier", nothing, create(DBClusterIdentifier="two--hyphens"), VALUE, "identifier"),
    ("cluster-identifier", nothing, create(DBClusterIdentifier="a" * 64), VALUE, "identifier"),
    ("cluster-available-to-modify", modifying, rds("modify_db_cluster", **EAST_CLUSTER, BackupRetentionPeriod=9),
     STATE, "modifying"),
    ("database-name", nothing, create(DatabaseName="admin"), VALUE, "reserved word"),
    ("database-name", nothing, create(DatabaseName="1st"), VALUE, "must begin with a letter"),
    ("master-username", nothing, create(MasterUsername="admin"), VALUE, "reserved word"),
    ("master-username", nothing, create(MasterUsername="rdsadmin"), VALUE, "reserved word"),
    ("master-username", nothing, create(MasterUsername="pg_dba"), VALUE, "pg_"),
    ("master-password", nothing, create(MasterUserPassword="x" * 42), VALUE, "longer than 41"),
    ("master-password", nothing, create(MasterUserPassword="with@sign-1"), VALUE, "printable ASCII"),
    ("master-password", bare, rds("modify_db_cluster", **EAST_CLUSTER, MasterUserPassword="short"), VALUE, "shorter"),
    ("cluster-quota", full("clusters"), create(), "DBClusterQuotaExceededFault", ""),
    ("primary-credentials", empty, create(GlobalClusterIdentifier="world", StorageEncrypted=True,
                                          MasterUserPassword=None), VALUE, "MasterUserPassword"),
    ("primary-encrypted-alike", empty, create(GlobalClusterIdentifier="world"), COMBINATION, "StorageEncrypted"),
    ("member-once-a-region", headless, create(GlobalClusterIdentifier="world", MasterUsername=None,
                                              MasterUserPassword=None), VALUE, "already has a member"),
    ("global-cluster-ready", new, create(GlobalClusterIdentifier="world", StorageEncrypted=True), GLOBAL_STATE,
     "creating"),
    ("secondary-after-writer", headless_primary, lambda aws, _: make_secondary(aws), STATE,
     "not valid for physical replication"),
    # instances
    ("instance-quota", full("databases"), lambda aws, _: make_instance(aws, EAST, 2), "InstanceQuotaExceeded", ""),
    ("instance-in-a-living-cluster", bare, lambda aws, _: make_instance(aws, EAST, EngineVersion="17.5"), COMBINATION,
     "does not match"),
    ("instance-settings-of-the-cluster", bare, lambda aws, _: make_instance(aws, EAST, BackupRetentionPeriod=3),
     COMBINATION, "DB Cluster"),
    ("instance-settings-of-the-cluster", bare, lambda aws, _: make_instance(aws, EAST, DeletionProtection=True),
     COMBINATION, "DB Cluster"),
    ("instance-settings-of-the-cluster-later", single, rds("modify_db_instance", **EAST_INSTANCE,
                                                           DeletionProtection=True), COMBINATION, "DB Cluster"),
    ("no-burstable-members", headless, lambda aws, _: make_instance(aws, EAST, 2, DBInstanceClass="db.t4g.medium"),
     COMBINATION, "global database"),
    ("no-burstable-members-later", headless, rds("modify_db_instance", **EAST_INSTANCE,
                                                 DBInstanceClass="db.t3.medium"), COMBINATION, "global database"),
    ("instance-available-to-modify", coming, rds("modify_db_instance", **EAST_INSTANCE, PromotionTier=3),
     INSTANCE_STATE, "creating"),
    # how a cluster is changed
    ("upgrade-secondaries-first", pair, upgrade(EAST, "16.8"), VALUE, "upgrade global replicas first"),
    ("upgrade-with-an-instance", headless, upgrade(WEST, "16.8"), STATE, "without a primary instance"),
    ("upgrade-upwards", pair, upgrade(WEST, "16.4"), COMBINATION, "Cannot upgrade"),
    ("upgrade-upwards", pair, upgrade(WEST, "17.5"), COMBINATION, "AllowMajorVersionUpgrade"),
    ("capacity-bounds", bare, capacities(0.7, 4), VALUE, "increments"),
    ("capacity-bounds", bare, capacities(4, 2), VALUE, "not less than the minimum"),
    ("capacity-bounds", bare, capacities(0.5, 0.5), VALUE, "at least 1.0"),
    ("capacity-bounds", bare, capacities(0.5, 300), VALUE, "between 0.5 and 256"),
    ("password-at-the-primary", pair, rds("modify_db_cluster", WEST, DBClusterIdentifier=f"db-{WEST}",
                                          MasterUserPassword="another-long-one"), COMBINATION, "secondary"),
    # groups
    ("subnet-group-zones", with_groups, subnet_group("one", 0), "DBSubnetGroupDoesNotCoverEnoughAZs", "coverage"),
    ("subnet-group-once", with_groups, subnet_group("inner", 0, 1), "DBSubnetGroupAlreadyExists", ""),
    ("subnet-group-subnets", with_groups, subnet_group("none"), "InvalidSubnet", ""),
    ("subnet-group-quota", full("subnet_groups"), subnet_group("one-more", 0, 1), "DBSubnetGroupQuotaExceeded", ""),
    ("subnet-in-use", used_groups, without_the_used_zone, "SubnetAlreadyInUse", "in use"),
    ("subnet-group-in-use", used_groups, rds("delete_db_subnet_group", DBSubnetGroupName="inner"),
     "InvalidDBSubnetGroupStateFault", ""),
    ("cluster-parameter-group-in-use", used_groups, rds("delete_db_cluster_parameter_group",
                                                        DBClusterParameterGroupName="ours"),
     "InvalidDBParameterGroupState", "members"),
    ("parameter-group-in-use", used_groups, rds("delete_db_parameter_group", DBParameterGroupName="mine"),
     "InvalidDBParameterGroupState", "members"),
    ("parameter-group-quota", full("db_cluster_parameter_groups"), rds("create_db_cluster_parameter_group",
                                                                       **create_cpg()),
     "DBParameterGroupQuotaExceeded", ""),
    ("cluster-parameter-family", nothing, rds("create_db_cluster_parameter_group", **create_cpg(family=FAMILY)), VALUE,
     "family"),
    ("parameter-family", nothing, rds("create_db_parameter_group", **create_pg(family=FAMILY)), VALUE, "family"),
    ("group-names", nothing, rds("create_db_parameter_group", **create_pg("two--hyphens")), VALUE, "identifier"),
    ("group-names", nothing, subnet_group("default", 0, 1), VALUE, "identifier"),
    ("parameter-group-by-name", nothing, rds("describe_db_parameter_groups", DBParameterGroupName="none"),
     "DBParameterGroupNotFound", ""),
    ("missing-group-has-no-tags", nothing, rds("list_tags_for_resource",
                                               ResourceName=f"arn:aws:rds:{EAST}:123456789012:subgrp:none"), VALUE,
     "Unable to find"),
    ("twenty-parameters-a-call", with_groups, rds(
        "modify_db_cluster_parameter_group", DBClusterParameterGroupName="ours",
        Parameters=parameters("pending-reboot", *(f"p{index}" for index in range(21)))), VALUE, "maximum of 20"),
    ("static-parameters-later", with_groups, rds(
        "modify_db_cluster_parameter_group", DBClusterParameterGroupName="ours",
        Parameters=parameters("immediate", "max_replication_slots")), COMBINATION, "static parameter"),
    ("parameter-group-settles", settling, rds(
        "modify_db_cluster_parameter_group", DBClusterParameterGroupName="ours",
        Parameters=parameters("immediate", "log_statement")), "InvalidDBParameterGroupState", "pending changes"),
    ("parameter-group-settles", settling, rds("delete_db_cluster_parameter_group", DBClusterParameterGroupName="ours"),
     "InvalidDBParameterGroupState", "pending changes"),
]


@pytest.mark.parametrize(("stands", "deed", "code", "words"), [
    pytest.param(stands, deed, code, words, marks=rule(name), id=f"{name}: {words or code}")
    for name, stands, deed, code, words in ROWS])
def test_rds_refuses(aws: Aws, clock: LabClock, stands: World, deed: Deed, code: str, words: str) -> None:
    stands(aws, clock)
    said = refusal(deed, aws, clock)
    assert said.startswith(f"{code}: ")
    assert words in said


@rule("serverless-scaling")
def test_a_serverless_instance_needs_limits_on_its_cluster(aws: Aws, clock: LabClock) -> None:
    bare(aws, clock, ServerlessV2ScalingConfiguration=None)
    assert refusal(make_instance, aws, EAST).startswith("InvalidParameterValue: ")
    assert refusal(make_instance, aws, EAST, DBInstanceClass="db.t4g.medium") == ""


def test_the_same_final_snapshot_cannot_be_made_twice(aws: Aws, clock: LabClock) -> None:
    bare(aws, clock)
    aws[EAST].rds.create_db_cluster_snapshot(DBClusterIdentifier=f"db-{EAST}", DBClusterSnapshotIdentifier="last")
    said = refusal(aws[EAST].rds.delete_db_cluster, DBClusterIdentifier=f"db-{EAST}", FinalDBSnapshotIdentifier="last")
    assert said.startswith("DBClusterSnapshotAlreadyExistsFault")
    assert cluster(aws, EAST)["Status"] == "available"


def test_protection_of_a_cluster_does_not_guard_its_last_instance(aws: Aws, clock: LabClock) -> None:
    guarded(aws, clock)
    make_instance(aws, EAST)
    pass_an_hour(clock)
    assert refusal(delete_instance, aws, EAST) == ""


def test_a_password_of_seven_signs_is_too_short(aws: Aws, clock: LabClock) -> None:
    assert "shorter than 8" in refusal(bare, aws, clock, MasterUserPassword="secret1")


def test_an_instance_identifier_keeps_the_rules(aws: Aws, clock: LabClock) -> None:
    bare(aws, clock)
    for name in ("two--hyphens", "1st", "ends-", "a" * 64):
        assert refusal(make_instance, aws, EAST, DBInstanceIdentifier=name).startswith("InvalidParameterValue: ")


def test_a_failover_goes_while_the_primarys_region_is_lost_and_a_switchover_does_not(
        aws: Aws, clock: LabClock) -> None:
    build(aws, clock)
    aurora.lose(EAST)
    assert "not in a healthy state" in refusal(switch_over, aws)
    assert refusal(fail_over, aws) == ""
