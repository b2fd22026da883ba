"""A global database in two regions of the lab, made with plain calls as an operator would make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.aws.errors import code_of, message_of
from drctl.lab.clock import LabClock
from tests.lab.conftest import settle

EAST, WEST = "us-east-1", "us-west-2"
VERSION = "16.6"
HOUR = 3600.0


def pass_an_hour(clock: LabClock) -> None:
    """Everything that has begun is over."""
    clock.skip(HOUR)
    settle(clock)


def pass_some_seconds(clock: LabClock) -> None:
    """What was just made is to be seen."""
    clock.skip(seconds("database-visible"))


def arn(region: str) -> str:
    """The cluster's ARN in a region."""
    return f"arn:aws:rds:{region}:123456789012:cluster:db-{region}"


def groups(aws: Aws, region: str) -> None:
    """A subnet group and parameter groups in the default VPC."""
    subnets = aws[region].ec2.describe_subnets()["Subnets"]
    aws[region].rds.create_db_subnet_group(
        DBSubnetGroupName="inner", DBSubnetGroupDescription="inner", SubnetIds=[s["SubnetId"] for s in subnets[:3]])
    aws[region].rds.create_db_cluster_parameter_group(
        DBClusterParameterGroupName="ours", DBParameterGroupFamily="aurora-postgresql16", Description="ours")


def a_cluster(aws: Aws, region: str, **more: Any) -> dict[str, Any]:
    """The arguments of a cluster there, with a key of the region."""
    key = aws[region].kms.create_key()["KeyMetadata"]["Arn"]
    usual = {"DBClusterIdentifier": f"db-{region}", "Engine": "aurora-postgresql", "EngineVersion": VERSION,
             "StorageEncrypted": True, "KmsKeyId": key, "DBSubnetGroupName": "inner",
             "DBClusterParameterGroupName": "ours",
             "ServerlessV2ScalingConfiguration": {"MinCapacity": 0.5, "MaxCapacity": 4}}
    return {name: value for name, value in (usual | more).items() if value is not None}


def make_global(aws: Aws, **more: Any) -> None:
    """The global cluster."""
    aws[EAST].rds.create_global_cluster(
        GlobalClusterIdentifier="world", Engine="aurora-postgresql", EngineVersion=VERSION, StorageEncrypted=True,
        **more)


def make_primary(aws: Aws, **more: Any) -> None:
    """The first cluster, in the east."""
    aws[EAST].rds.create_db_cluster(**a_cluster(
        aws, EAST, **({"GlobalClusterIdentifier": "world", "MasterUsername": "dradmin",
                       "MasterUserPassword": "long-enough-1", "DatabaseName": "app"} | more)))


def make_secondary(aws: Aws, **more: Any) -> None:
    """The second cluster, in the west."""
    aws[WEST].rds.create_db_cluster(**a_cluster(
        aws, WEST, **({"GlobalClusterIdentifier": "world", "SourceRegion": EAST} | more)))


def make_instance(aws: Aws, region: str, number: int = 1, **more: Any) -> None:
    """An instance of the cluster there."""
    usual = {"DBInstanceIdentifier": f"db-{region}-{number}", "DBClusterIdentifier": f"db-{region}",
             "Engine": "aurora-postgresql", "DBInstanceClass": "db.serverless"}
    aws[region].rds.create_db_instance(**(usual | more))


def build(aws: Aws, clock: LabClock) -> None:
    """The whole global database, at rest and connected."""
    for region in (EAST, WEST):
        groups(aws, region)
    make_global(aws)
    pass_an_hour(clock)
    make_primary(aws)
    make_instance(aws, EAST)
    pass_an_hour(clock)
    make_secondary(aws)
    make_instance(aws, WEST)
    pass_an_hour(clock)


def world(aws: Aws, region: str = EAST) -> dict[str, Any]:
    """The global cluster as a region shows it."""
    found: dict[str, Any] = dict(
        aws[region].rds.describe_global_clusters(GlobalClusterIdentifier="world")["GlobalClusters"][0])
    return found


def members(aws: Aws) -> dict[str, dict[str, Any]]:
    """The rows of the members by region."""
    return {row["DBClusterArn"].split(":")[3]: row for row in world(aws)["GlobalClusterMembers"]}


def writer(aws: Aws) -> list[str]:
    """Regions of the members that write."""
    return [region for region, row in members(aws).items() if row["IsWriter"]]


def cluster(aws: Aws, region: str) -> dict[str, Any]:
    """The cluster there."""
    return dict(aws[region].rds.describe_db_clusters(DBClusterIdentifier=f"db-{region}")["DBClusters"][0])


def instance(aws: Aws, region: str) -> dict[str, Any]:
    """The first instance there."""
    found = aws[region].rds.describe_db_instances(DBInstanceIdentifier=f"db-{region}-1")
    return dict(found["DBInstances"][0])


def messages(aws: Aws, region: str) -> list[str]:
    """What the cluster there has told of itself."""
    events = aws[region].rds.describe_events(SourceType="db-cluster", SourceIdentifier=f"db-{region}")["Events"]
    return [event["Message"] for event in events]


def refusal(call: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """Code and words with which a call is refused; empty when it is not."""
    try:
        call(*args, **kwargs)
    except ClientError as error:
        return f"{code_of(error)}: {message_of(error)}"
    return ""


def bare(aws: Aws, clock: LabClock, **more: Any) -> None:
    """A cluster in the east in no global cluster, without groups, key or instance: what many rules need no more of."""
    plain = {"DBClusterIdentifier": f"db-{EAST}", "Engine": "aurora-postgresql", "EngineVersion": VERSION,
             "MasterUsername": "dradmin", "MasterUserPassword": "long-enough-1",
             "ServerlessV2ScalingConfiguration": {"MinCapacity": 0.5, "MaxCapacity": 4}}
    aws[EAST].rds.create_db_cluster(**{name: value for name, value in (plain | more).items() if value is not None})
    pass_an_hour(clock)


def single(aws: Aws, clock: LabClock) -> None:
    """A bare cluster with one instance."""
    bare(aws, clock)
    make_instance(aws, EAST)
    pass_an_hour(clock)


def headless(aws: Aws, clock: LabClock) -> None:
    """A global database whose secondary has no instance, unencrypted and without groups."""
    aws[EAST].rds.create_global_cluster(
        GlobalClusterIdentifier="world", Engine="aurora-postgresql", EngineVersion=VERSION)
    pass_an_hour(clock)
    bare(aws, clock, GlobalClusterIdentifier="world")
    make_instance(aws, EAST)
    pass_an_hour(clock)
    aws[WEST].rds.create_db_cluster(
        DBClusterIdentifier=f"db-{WEST}", Engine="aurora-postgresql", GlobalClusterIdentifier="world",
        ServerlessV2ScalingConfiguration={"MinCapacity": 0.5, "MaxCapacity": 4})
    pass_an_hour(clock)


def pair(aws: Aws, clock: LabClock) -> None:
    """A global database with an instance in both regions, connected, unencrypted and without groups."""
    headless(aws, clock)
    make_instance(aws, WEST)
    pass_an_hour(clock)


def remove(aws: Aws, region: str, at: str = EAST) -> None:
    """Take a member out."""
    aws[at].rds.remove_from_global_cluster(GlobalClusterIdentifier="world", DbClusterIdentifier=arn(region))


def delete_cluster(aws: Aws, region: str) -> None:
    """Delete the cluster there without a snapshot."""
    aws[region].rds.delete_db_cluster(DBClusterIdentifier=f"db-{region}", SkipFinalSnapshot=True)


def delete_instance(aws: Aws, region: str, number: int = 1) -> None:
    """Delete an instance there."""
    aws[region].rds.delete_db_instance(DBInstanceIdentifier=f"db-{region}-{number}")


def switch_over(aws: Aws, at: str = EAST, to: str = WEST) -> None:
    """Ask the primary's region for a switchover."""
    aws[at].rds.switchover_global_cluster(GlobalClusterIdentifier="world", TargetDbClusterIdentifier=arn(to))


def fail_over(aws: Aws, to: str = WEST) -> None:
    """Ask the target's region for a failover that may lose data."""
    aws[to].rds.failover_global_cluster(
        GlobalClusterIdentifier="world", TargetDbClusterIdentifier=arn(to), AllowDataLoss=True)


def begin_a_change(aws: Aws, clock: LabClock, region: str) -> None:
    """The cluster there is modifying."""
    aws[region].rds.modify_db_cluster(DBClusterIdentifier=f"db-{region}", CopyTagsToSnapshot=True,
                                      ApplyImmediately=True)
    clock.skip(10)
