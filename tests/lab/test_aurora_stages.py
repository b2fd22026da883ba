"""What RDS shows late, shows meanwhile and shows at last, one rule at a time."""

from __future__ import annotations

from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from tests.lab.aurora_world import (
    EAST,
    WEST,
    arn,
    bare,
    cluster,
    delete_cluster,
    delete_instance,
    groups,
    headless,
    instance,
    make_global,
    make_instance,
    make_primary,
    members,
    messages,
    pair,
    pass_an_hour,
    pass_some_seconds,
    refusal,
    remove,
    single,
    world,
    writer,
)
from tests.lab.conftest import settle

rule = pytest.mark.rule
NAME: dict[str, Any] = {"DBClusterIdentifier": f"db-{EAST}"}
ONE: dict[str, Any] = {"DBInstanceIdentifier": f"db-{EAST}-1"}


# Late reads ----------------------------------------------------------------------------------------------------------


@rule("cluster-visible-late")
def test_a_cluster_just_made_is_not_found_for_seconds_and_then_creating(aws: Aws, clock: LabClock) -> None:
    groups(aws, EAST)
    make_primary(aws, GlobalClusterIdentifier=None)
    assert refusal(cluster, aws, EAST).startswith("DBClusterNotFoundFault: ")
    assert aws[EAST].rds.describe_db_clusters()["DBClusters"] == []
    assert refusal(make_instance, aws, EAST) == ""
    pass_some_seconds(clock)
    assert cluster(aws, EAST)["Status"] == "creating"


@rule("instance-visible-late")
def test_an_instance_just_made_is_not_found_for_seconds(aws: Aws, clock: LabClock) -> None:
    bare(aws, clock)
    make_instance(aws, EAST)
    of_the_cluster: list[Any] = [{"Name": "db-cluster-id", "Values": [f"db-{EAST}"]}]
    assert refusal(instance, aws, EAST).startswith("DBInstanceNotFound: ")
    assert aws[EAST].rds.describe_db_instances(Filters=of_the_cluster)["DBInstances"] == []
    pass_some_seconds(clock)
    assert instance(aws, EAST)["DBInstanceStatus"] == "creating"


@rule("global-cluster-visible-late")
def test_a_global_cluster_just_made_is_not_found_for_seconds(aws: Aws, clock: LabClock) -> None:
    make_global(aws)
    assert refusal(world, aws).startswith("GlobalClusterNotFoundFault: ")
    assert aws[WEST].rds.describe_global_clusters()["GlobalClusters"] == []
    pass_some_seconds(clock)
    assert world(aws, WEST)["Status"] == "creating"


@rule("subnet-group-visible-late")
def test_a_subnet_group_just_made_is_not_found_for_seconds(aws: Aws, clock: LabClock) -> None:
    groups(aws, EAST)
    look = aws[EAST].rds.describe_db_subnet_groups
    assert refusal(look, DBSubnetGroupName="inner").startswith("DBSubnetGroupNotFoundFault: ")
    pass_some_seconds(clock)
    assert look(DBSubnetGroupName="inner")["DBSubnetGroups"][0]["SubnetGroupStatus"] == "Complete"


@rule("cluster-parameter-group-visible-late")
def test_a_cluster_parameter_group_just_made_is_not_found_for_seconds(aws: Aws, clock: LabClock) -> None:
    groups(aws, EAST)
    rds, name = aws[EAST].rds, "ours"
    assert refusal(rds.describe_db_cluster_parameter_groups,
                   DBClusterParameterGroupName=name).startswith("DBParameterGroupNotFound: ")
    assert refusal(rds.describe_db_cluster_parameters,
                   DBClusterParameterGroupName=name).startswith("DBParameterGroupNotFound: ")
    pass_some_seconds(clock)
    assert rds.describe_db_cluster_parameters(DBClusterParameterGroupName=name)["Parameters"] == []


@rule("parameter-group-visible-late")
def test_a_parameter_group_just_made_is_not_found_for_seconds(aws: Aws, clock: LabClock) -> None:
    rds, name = aws[EAST].rds, "mine"
    rds.create_db_parameter_group(DBParameterGroupName=name, DBParameterGroupFamily="aurora-postgresql16",
                                  Description="mine")
    assert refusal(rds.describe_db_parameter_groups, DBParameterGroupName=name).startswith("DBParameterGroupNotFound: ")
    assert refusal(rds.describe_db_parameters, DBParameterGroupName=name).startswith("DBParameterGroupNotFound: ")
    pass_some_seconds(clock)
    assert refusal(rds.describe_db_parameters, DBParameterGroupName=name) == ""


# Coming --------------------------------------------------------------------------------------------------------------


@rule("cluster-states")
def test_a_cluster_is_creating_for_as_long_as_aws_takes(aws: Aws, clock: LabClock) -> None:
    groups(aws, EAST)
    make_primary(aws, GlobalClusterIdentifier=None)
    pass_some_seconds(clock)
    assert cluster(aws, EAST)["Status"] == "creating"
    clock.skip(seconds("cluster-create"))
    assert cluster(aws, EAST)["Status"] == "available"


@rule("instance-states")
def test_an_instance_is_creating_without_an_endpoint_for_as_long_as_aws_takes(aws: Aws, clock: LabClock) -> None:
    bare(aws, clock)
    make_instance(aws, EAST)
    pass_some_seconds(clock)
    assert instance(aws, EAST)["DBInstanceStatus"] == "creating"
    assert "Endpoint" not in instance(aws, EAST)
    clock.skip(seconds("instance-create"))
    assert instance(aws, EAST)["DBInstanceStatus"] == "available"


def test_a_cluster_has_its_identifier_in_lower_case_and_is_found_in_any_case(aws: Aws, clock: LabClock) -> None:
    bare(aws, clock, DBClusterIdentifier="Db-One")
    rds = aws[EAST].rds
    assert rds.describe_db_clusters(DBClusterIdentifier="DB-ONE")["DBClusters"][0]["DBClusterIdentifier"] == "db-one"
    rds.modify_db_cluster(DBClusterIdentifier="DB-One", BackupRetentionPeriod=3)
    assert "already exists" in refusal(bare, aws, clock, DBClusterIdentifier="DB-ONE")


def test_an_instance_has_its_identifier_in_lower_case(aws: Aws, clock: LabClock) -> None:
    bare(aws, clock)
    make_instance(aws, EAST, DBInstanceIdentifier="First-One")
    pass_an_hour(clock)
    found = aws[EAST].rds.describe_db_instances(DBInstanceIdentifier="first-one")["DBInstances"]
    assert found[0]["DBInstanceIdentifier"] == "first-one"


@rule("global-cluster-creation")
def test_a_global_cluster_is_creating_and_then_available_without_members(aws: Aws, clock: LabClock) -> None:
    make_global(aws)
    pass_some_seconds(clock)
    assert world(aws)["Status"] == "creating"
    pass_an_hour(clock)
    assert (world(aws)["Status"], world(aws)["GlobalClusterMembers"]) == ("available", [])


@rule("global-clusters-everywhere")
def test_global_clusters_are_found_by_name_and_by_the_arn_of_a_member(aws: Aws, clock: LabClock) -> None:
    headless(aws, clock)
    look = aws[WEST].rds.describe_global_clusters
    assert refusal(look, GlobalClusterIdentifier="moon").startswith("GlobalClusterNotFoundFault: ")
    assert look(Filters=[{"Name": "db-cluster-id", "Values": [arn("eu-west-1")]}])["GlobalClusters"] == []
    assert len(look(Filters=[{"Name": "db-cluster-id", "Values": [arn(EAST)]}])["GlobalClusters"]) == 1


@rule("joining-a-global-cluster")
def test_the_first_cluster_of_a_global_cluster_writes_and_the_next_reads(aws: Aws, clock: LabClock) -> None:
    headless(aws, clock)
    assert {region: row["IsWriter"] for region, row in members(aws).items()} == {EAST: True, WEST: False}


@rule("engine-versions")
def test_a_version_says_its_family_and_whether_it_can_be_in_a_global_database(aws: Aws) -> None:
    look = aws[EAST].rds.describe_db_engine_versions
    (version,) = look(Engine="aurora-postgresql", EngineVersion="16.6")["DBEngineVersions"]
    assert (version["DBParameterGroupFamily"], version["SupportsGlobalDatabases"]) == ("aurora-postgresql16", True)
    assert look(Engine="aurora-postgresql", EngineVersion="16.99")["DBEngineVersions"] == []


@rule("orderable-classes")
def test_a_t_class_is_offered_but_not_for_a_global_database(aws: Aws) -> None:
    look = aws[EAST].rds.describe_orderable_db_instance_options
    (found,) = look(Engine="aurora-postgresql", EngineVersion="16.6",
                    DBInstanceClass="db.t4g.medium")["OrderableDBInstanceOptions"]
    assert found["SupportsGlobalDatabases"] is False


# Changing ------------------------------------------------------------------------------------------------------------


@rule("cluster-modifying")
def test_a_changed_cluster_is_available_for_seconds_before_it_is_modifying(aws: Aws, clock: LabClock) -> None:
    bare(aws, clock)
    aws[EAST].rds.modify_db_cluster(**NAME, CopyTagsToSnapshot=True, ApplyImmediately=True)
    assert cluster(aws, EAST)["Status"] == "available"
    clock.skip(10)
    assert cluster(aws, EAST)["Status"] == "modifying"
    clock.skip(seconds("cluster-modify"))
    assert cluster(aws, EAST)["Status"] == "available"


@rule("cluster-change-pending")
def test_what_is_not_made_yet_is_in_the_pending_values_of_a_cluster(aws: Aws, clock: LabClock) -> None:
    bare(aws, clock)
    aws[EAST].rds.modify_db_cluster(**NAME, BackupRetentionPeriod=9, MasterUserPassword="another-one-2",
                                    ApplyImmediately=True)
    shown = cluster(aws, EAST)
    assert (shown["BackupRetentionPeriod"], shown["PendingModifiedValues"]) == (
        1, {"BackupRetentionPeriod": 9, "MasterUserPassword": "****"})
    pass_an_hour(clock)
    assert cluster(aws, EAST)["BackupRetentionPeriod"] == 9
    assert not cluster(aws, EAST).get("PendingModifiedValues")


@rule("cluster-change-pending")
def test_a_later_change_takes_the_place_of_one_that_is_not_made_yet(aws: Aws, clock: LabClock) -> None:
    bare(aws, clock)
    aws[EAST].rds.modify_db_cluster(**NAME, BackupRetentionPeriod=9, ApplyImmediately=True)
    aws[EAST].rds.modify_db_cluster(**NAME, BackupRetentionPeriod=1, ApplyImmediately=True)
    assert cluster(aws, EAST)["PendingModifiedValues"] == {"BackupRetentionPeriod": 1}
    pass_an_hour(clock)
    assert cluster(aws, EAST)["BackupRetentionPeriod"] == 1
    assert not cluster(aws, EAST).get("PendingModifiedValues")


@rule("cluster-change-pending")
def test_another_version_waits_for_the_maintenance_window_unless_it_is_wanted_now(aws: Aws, clock: LabClock) -> None:
    single(aws, clock)
    aws[EAST].rds.modify_db_cluster(**NAME, EngineVersion="16.8")
    pass_an_hour(clock)
    shown = cluster(aws, EAST)
    assert (shown["EngineVersion"], shown["PendingModifiedValues"]) == ("16.6", {"EngineVersion": "16.8"})
    aws[EAST].rds.modify_db_cluster(**NAME, EngineVersion="16.8", ApplyImmediately=True)
    pass_an_hour(clock)
    assert cluster(aws, EAST)["EngineVersion"] == "16.8"


@rule("instance-modifying")
def test_a_changed_instance_is_available_for_seconds_before_it_is_modifying(aws: Aws, clock: LabClock) -> None:
    single(aws, clock)
    aws[EAST].rds.modify_db_instance(**ONE, PromotionTier=2, ApplyImmediately=True)
    assert instance(aws, EAST)["DBInstanceStatus"] == "available"
    clock.skip(10)
    assert instance(aws, EAST)["DBInstanceStatus"] == "modifying"
    clock.skip(seconds("cluster-modify"))
    assert instance(aws, EAST)["DBInstanceStatus"] == "available"


@rule("instance-change-pending")
def test_another_class_is_pending_until_it_is_made(aws: Aws, clock: LabClock) -> None:
    single(aws, clock)
    aws[EAST].rds.modify_db_instance(**ONE, DBInstanceClass="db.r6g.large")
    pass_an_hour(clock)
    shown = instance(aws, EAST)
    assert (shown["DBInstanceClass"], shown["PendingModifiedValues"]) == (
        "db.serverless", {"DBInstanceClass": "db.r6g.large"})
    aws[EAST].rds.modify_db_instance(**ONE, DBInstanceClass="db.r6g.large", ApplyImmediately=True)
    assert instance(aws, EAST)["DBInstanceClass"] == "db.serverless"
    pass_an_hour(clock)
    assert (instance(aws, EAST)["DBInstanceClass"], instance(aws, EAST)["PendingModifiedValues"]) == (
        "db.r6g.large", {})


@rule("global-cluster-change")
def test_protection_and_name_of_a_global_cluster_are_changed(aws: Aws, clock: LabClock) -> None:
    make_global(aws)
    pass_an_hour(clock)
    aws[WEST].rds.modify_global_cluster(GlobalClusterIdentifier="world", DeletionProtection=True,
                                        NewGlobalClusterIdentifier="Earth")
    (found,) = aws[EAST].rds.describe_global_clusters()["GlobalClusters"]
    assert (found["GlobalClusterIdentifier"], found["DeletionProtection"]) == ("earth", True)


@rule("parameters-reach-their-clusters")
def test_new_parameters_keep_the_clusters_of_the_group_busy_for_a_while(aws: Aws, clock: LabClock) -> None:
    groups(aws, EAST)
    bare(aws, clock, DBClusterParameterGroupName="ours")
    aws[EAST].rds.modify_db_cluster_parameter_group(DBClusterParameterGroupName="ours", Parameters=[
        {"ParameterName": "log_lock_waits", "ParameterValue": "1", "ApplyMethod": "immediate"}])
    clock.skip(10)
    assert "modifying" in refusal(aws[EAST].rds.modify_db_cluster, **NAME, BackupRetentionPeriod=3)
    pass_an_hour(clock)
    assert refusal(aws[EAST].rds.modify_db_cluster, **NAME, BackupRetentionPeriod=3) == ""


@rule("reset-cluster-parameters")
def test_a_parameter_that_is_reset_is_set_no_more(aws: Aws, clock: LabClock) -> None:
    groups(aws, EAST)
    rds: Any = aws[EAST].rds
    ours, one = {"DBClusterParameterGroupName": "ours"}, {"ParameterName": "log_lock_waits", "ApplyMethod": "immediate"}
    rds.modify_db_cluster_parameter_group(**ours, Parameters=[{**one, "ParameterValue": "1"}])
    pass_an_hour(clock)
    rds.reset_db_cluster_parameter_group(**ours, Parameters=[one])
    assert rds.describe_db_cluster_parameters(**ours)["Parameters"] == []


@rule("subnet-group-stays")
def test_a_changed_subnet_group_has_its_new_subnets(aws: Aws, clock: LabClock) -> None:
    groups(aws, EAST)
    pass_some_seconds(clock)
    rds, subnets = aws[EAST].rds, [one["SubnetId"] for one in aws[EAST].ec2.describe_subnets()["Subnets"]]
    rds.modify_db_subnet_group(DBSubnetGroupName="inner", SubnetIds=subnets[:2])
    (group,) = rds.describe_db_subnet_groups(DBSubnetGroupName="inner")["DBSubnetGroups"]
    assert {subnet["SubnetIdentifier"] for subnet in group["Subnets"]} == set(subnets[:2])


# Tags and events -----------------------------------------------------------------------------------------------------


@pytest.fixture
def tagged(aws: Aws, clock: LabClock) -> str:
    """The ARN of a global cluster with one tag."""
    make_global(aws, Tags=[{"Key": "Stack", "Value": "one"}])
    pass_an_hour(clock)
    return str(world(aws)["GlobalClusterArn"])


@rule("global-cluster-tags")
def test_the_tags_of_a_global_cluster_are_listed_by_its_arn(aws: Aws, tagged: str) -> None:
    assert aws[WEST].rds.list_tags_for_resource(ResourceName=tagged)["TagList"] == [{"Key": "Stack", "Value": "one"}]
    assert refusal(aws[EAST].rds.list_tags_for_resource,
                   ResourceName=arn(EAST)).startswith("DBClusterNotFoundFault: ")


@rule("global-cluster-tagging")
def test_a_global_cluster_is_tagged_from_any_region(aws: Aws, tagged: str) -> None:
    aws[WEST].rds.add_tags_to_resource(ResourceName=tagged, Tags=[{"Key": "Role", "Value": "dr"}])
    assert {tag["Key"] for tag in world(aws)["TagList"]} == {"Stack", "Role"}


@rule("global-cluster-untagging")
def test_a_tag_of_a_global_cluster_is_taken_away_from_any_region(aws: Aws, tagged: str) -> None:
    aws[WEST].rds.remove_tags_from_resource(ResourceName=tagged, TagKeys=["Stack"])
    assert world(aws)["TagList"] == []


@rule("events-of-the-last-hour")
def test_events_are_asked_for_by_category(aws: Aws, clock: LabClock) -> None:
    bare(aws, clock)
    assert messages(aws, EAST) == ["DB cluster created."]
    found = aws[EAST].rds.describe_events(SourceType="db-cluster", EventCategories=["failure"])["Events"]
    assert found == []


# Going ---------------------------------------------------------------------------------------------------------------


@rule("cluster-deletion")
def test_a_deleted_cluster_is_deleting_for_minutes_and_then_gone(aws: Aws, clock: LabClock) -> None:
    bare(aws, clock)
    delete_cluster(aws, EAST)
    assert cluster(aws, EAST)["Status"] == "deleting"
    pass_an_hour(clock)
    assert refusal(cluster, aws, EAST).startswith("DBClusterNotFoundFault: ")
    assert refusal(delete_cluster, aws, EAST).startswith("DBClusterNotFoundFault: ")


@rule("instance-deletion")
def test_a_deleted_instance_is_deleting_for_minutes_and_then_gone(aws: Aws, clock: LabClock) -> None:
    single(aws, clock)
    delete_instance(aws, EAST)
    assert instance(aws, EAST)["DBInstanceStatus"] == "deleting"
    pass_an_hour(clock)
    assert refusal(delete_instance, aws, EAST).startswith("DBInstanceNotFound: ")


@rule("global-member-removal")
def test_a_member_that_leaves_is_listed_until_its_promotion_is_over(aws: Aws, clock: LabClock) -> None:
    headless(aws, clock)
    remove(aws, WEST)
    clock.skip(10)
    assert (cluster(aws, WEST)["Status"], sorted(members(aws))) == ("promoting", [EAST, WEST])
    clock.skip(seconds("global-member-remove"))
    settle(clock)
    assert (cluster(aws, WEST)["Status"], sorted(members(aws))) == ("available", [EAST])
    assert "part of a global cluster" in refusal(delete_cluster, aws, WEST)
    clock.skip(seconds("membership-clear"))
    assert refusal(delete_cluster, aws, WEST) == ""


@rule("global-cluster-deletion")
def test_a_deleted_global_cluster_is_deleting_for_seconds_and_then_gone(aws: Aws, clock: LabClock) -> None:
    make_global(aws)
    pass_an_hour(clock)
    aws[WEST].rds.delete_global_cluster(GlobalClusterIdentifier="world")
    assert world(aws)["Status"] == "deleting"
    pass_an_hour(clock)
    assert refusal(world, aws).startswith("GlobalClusterNotFoundFault: ")


@rule("switchover")
def test_a_switchover_changes_the_writer(aws: Aws, clock: LabClock) -> None:
    pair(aws, clock)
    aws[EAST].rds.switchover_global_cluster(GlobalClusterIdentifier="world", TargetDbClusterIdentifier=arn(WEST))
    assert (writer(aws), world(aws).get("FailoverState")) == ([EAST], None)
    pass_an_hour(clock)
    assert writer(aws) == [WEST]


@rule("failover")
def test_a_failover_changes_the_writer_and_leaves_the_old_one_to_be_rebuilt(aws: Aws, clock: LabClock) -> None:
    pair(aws, clock)
    aws[WEST].rds.failover_global_cluster(GlobalClusterIdentifier="world", TargetDbClusterIdentifier=arn(WEST),
                                          AllowDataLoss=True)
    clock.skip(seconds("failover") + 15)
    settle(clock)
    assert (writer(aws), members(aws)[EAST]["SynchronizationStatus"]) == ([WEST], "pending-resync")


@rule("cluster-upgrading")
def test_members_are_upgraded_one_by_one_and_the_global_cluster_has_the_version_of_its_primary(
        aws: Aws, clock: LabClock) -> None:
    pair(aws, clock)
    for region, version in ((WEST, "16.6"), (EAST, "16.8")):
        aws[region].rds.modify_db_cluster(DBClusterIdentifier=f"db-{region}", EngineVersion="16.8",
                                          ApplyImmediately=True)
        clock.skip(60)
        settle(clock)
        assert (cluster(aws, region)["Status"], cluster(aws, region)["EngineVersion"]) == ("upgrading", "16.6")
        assert instance(aws, region)["DBInstanceStatus"] == "upgrading"
        pass_an_hour(clock)
        assert {cluster(aws, region)["EngineVersion"], instance(aws, region)["EngineVersion"]} == {"16.8"}
        assert world(aws)["EngineVersion"] == version
