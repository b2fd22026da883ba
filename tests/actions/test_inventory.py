"""The inventory sees what stands, whoever made it under the stack's tag or name, and nothing of anybody else's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from drctl.actions.inventory import ProveEmpty, copy_inventory, inventory
from drctl.actions.isolated import ProveRemoved
from drctl.actions.ownership import is_stack_name
from drctl.aws.clients import Aws
from drctl.aws.tags import as_kms_list, as_list, specification
from drctl.engine.events import Record
from drctl.engine.run import Run
from drctl.errors import ChecksFailed
from drctl.settings import Settings

HOME, AWAY = Settings().sites
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})


def test_an_empty_account_has_an_empty_inventory(run: Run) -> None:
    assert inventory(run) == []
    ProveEmpty().do(run)
    assert run.measures["left"] == []


def test_what_is_left_turns_the_verdict_red_and_is_listed(run: Run, aws: Aws) -> None:
    """One of each way of telling ownership: a tag, a name, a tag asked for one by one, and what exists once."""
    vpc = aws[AWAY.region].ec2.create_vpc(CidrBlock="10.1.0.0/16", TagSpecifications=specification(
        "vpc", run.tags(AWAY)))["Vpc"]["VpcId"]
    key = aws[HOME.region].kms.create_key(Tags=as_kms_list(run.tags(HOME)))["KeyMetadata"]["Arn"]
    bucket = run.name("s3", "data", HOME)
    aws[HOME.region].s3.create_bucket(Bucket=bucket)
    aws[HOME.region].s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": as_list(run.tags(HOME))})
    queue = aws[AWAY.region].sqs.create_queue(
        QueueName=run.name("queue", "dead-letters", AWAY), tags=run.tags(AWAY))["QueueUrl"]
    role = aws[HOME.region].iam.create_role(RoleName=run.name("iam", "app", HOME), AssumeRolePolicyDocument=TRUST,
                                            Tags=as_list(run.tags(HOME)))["Role"]["Arn"]
    found = {(one.kind, one.id) for one in inventory(run)}
    assert found == {("ec2:vpc", vpc), ("kms:key", key), ("s3:bucket", bucket), ("sqs:queue", queue),
                     ("iam:role", role)}
    with pytest.raises(ChecksFailed, match="5 resource") as left:
        ProveEmpty().do(run)
    assert left.value.exit_code == 4
    assert f"ec2:vpc {vpc} (us-west-2)" in left.value.findings


def test_what_is_known_already_is_asked_for_once_and_what_is_not_is_told_all_the_same(
        run: Run, aws: Aws, records: list[Record]) -> None:
    at = aws[HOME.region].ec2
    vpc = at.create_vpc(CidrBlock="10.1.0.0/16", TagSpecifications=specification("vpc", run.tags(HOME)))["Vpc"]["VpcId"]

    def left() -> tuple[set[str], set[str]]:
        records.clear()
        found = {one.id for one in inventory(run, lambda _, item_id: item_id == vpc)}
        return found, {one["operation"] for one in records if one["event"] == "call" and one["service"] == "ec2"
                       and one["to"] == HOME.region} & {"DescribeTags", "DescribeVpcs", "DescribeSubnets"}

    assert left() == (set(), {"DescribeTags"})
    subnet = at.create_subnet(VpcId=vpc, CidrBlock="10.1.1.0/24", TagSpecifications=specification(
        "subnet", run.tags(HOME)))["Subnet"]["SubnetId"]
    assert left() == ({subnet}, {"DescribeTags", "DescribeVpcs", "DescribeSubnets"})


def test_other_peoples_things_are_not_ours(run: Run, aws: Aws) -> None:
    other = run.tags(HOME) | {"drctl:stack": "other"}
    aws[HOME.region].ec2.create_vpc(CidrBlock="10.9.0.0/16", TagSpecifications=specification("vpc", other))
    aws[HOME.region].kms.create_key(Tags=as_kms_list(other))
    aws[HOME.region].s3.create_bucket(Bucket="s3-data-us-east-1-other-123456789012")
    aws[HOME.region].sns.create_topic(Name="sns-alarms-us-east-1-laboratory", Tags=as_list(other))
    assert inventory(run) == []


def make_named_like_ours(run: Run, at: Any, tags: dict[str, str]) -> set[str]:
    """One thing of each service that is told by name and tags; the kinds made."""
    listed: Any = as_list(tags)
    at.sns.create_topic(Name=run.name("sns", "alarms", HOME), Tags=listed)
    at.sqs.create_queue(QueueName=run.name("queue", "dead-letters", HOME), tags=tags)
    at.iam.create_role(RoleName=run.name("iam", "app", HOME), AssumeRolePolicyDocument=TRUST, Tags=listed)
    bucket = run.name("s3", "data", HOME)
    at.s3.create_bucket(Bucket=bucket)
    if tags:
        at.s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": listed})
    at.logs.create_log_group(logGroupName=f"/aws/lambda/{run.name('lambda', 'app', HOME)}", tags=tags)
    at.events.create_event_bus(Name=run.name("bus", "events", HOME), Tags=listed)
    at.elbv2.create_target_group(Name=run.name("tg", "app", HOME), TargetType="lambda",
                                 **({"Tags": listed} if listed else {}))
    at.wafv2.create_ip_set(Name=run.name("waf", "checkers", HOME), Scope="REGIONAL", IPAddressVersion="IPV4",
                           Addresses=[], **({"Tags": listed} if listed else {}))
    at.cloudwatch.put_metric_alarm(AlarmName=run.name("alarm", "errors", HOME), MetricName="x", Namespace="y",
                                   Period=60, EvaluationPeriods=1, Statistic="Sum", Threshold=1,
                                   ComparisonOperator="GreaterThanThreshold", Tags=listed)
    at.backup.create_backup_vault(BackupVaultName=run.name("backup", "vault", HOME), BackupVaultTags=tags)
    at.rds.create_db_parameter_group(DBParameterGroupName=run.name("params", "database", HOME),
                                     DBParameterGroupFamily="aurora-postgresql16", Description="x", Tags=listed)
    at.secrets.create_secret(Name=run.name("secret", "database", HOME), SecretString="x", Tags=listed)
    return {"sns:topic", "sqs:queue", "iam:role", "s3:bucket", "logs:log-group", "events:event-bus",
            "elbv2:targetgroup", "wafv2:ipset", "cloudwatch:alarm", "backup:vault", "rds:pg", "secretsmanager:secret"}


def test_what_is_named_like_ours_counts_with_our_tag(run: Run, aws: Aws) -> None:
    kinds = make_named_like_ours(run, aws[HOME.region], run.tags(HOME))
    assert sorted(one.kind for one in inventory(run)) == sorted(kinds)


@pytest.mark.parametrize("stack", ["other", ""])
def test_what_another_team_named_like_ours_does_not_count(run: Run, aws: Aws, stack: str) -> None:
    make_named_like_ours(run, aws[HOME.region], {"drctl:stack": stack} if stack else {})
    assert inventory(run) == []


def test_the_log_of_our_database_counts_although_rds_gives_it_no_tag(run: Run, aws: Aws) -> None:
    logs, ours = aws[HOME.region].logs, f"/aws/rds/cluster/{run.name('aurora', 'cluster', HOME)}/postgresql"
    for name in (ours, f"/aws/rds/cluster/{run.name('aurora', 'theirs', HOME)}/postgresql"):
        logs.create_log_group(logGroupName=name)
    assert [(one.kind, ours in one.id) for one in inventory(run)] == [("logs:log-group", True)]


def test_snapshots_count_by_name_and_tag_and_those_that_others_make_of_our_cluster_do_not(run: Run, aws: Aws) -> None:
    rds, tags = aws[HOME.region].rds, run.tags(HOME)
    rds.create_db_cluster(DBClusterIdentifier="some", Engine="aurora-postgresql", EngineVersion="16.6", Tags=as_list(
        tags | {"drctl:stack": "other"}), MasterUsername="theirs", MasterUserPassword="long-enough-1")
    run.clock.sleep(300)
    for name in (run.name("snapshot", "isolated", HOME), "before-the-upgrade"):
        rds.create_db_cluster_snapshot(DBClusterIdentifier="some", DBClusterSnapshotIdentifier=name, Tags=as_list(tags))
    run.clock.sleep(300)
    assert [(one.kind, one.id.rpartition(":")[2]) for one in inventory(run)] == [
        ("rds:cluster-snapshot", "snapshot-isolated-us-east-1-lab")]


def test_of_a_copy_counts_what_bears_its_name(run: Run, aws: Aws) -> None:
    ec2 = aws[AWAY.region].ec2
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16", TagSpecifications=specification("vpc", run.tags(AWAY)))["Vpc"][
        "VpcId"]
    group = {}
    for purpose in ("isolated-app", "app"):
        name = run.name("security-group", purpose, AWAY)
        group[purpose] = ec2.create_security_group(
            GroupName=name, Description=purpose, VpcId=vpc, TagSpecifications=specification(
                "security-group", run.tags(AWAY, name)))["GroupId"]
    aws[HOME.region].iam.create_role(RoleName=run.name("iam", "isolated-app", AWAY), AssumeRolePolicyDocument=TRUST,
                                     Tags=as_list(run.tags(AWAY)))
    run.clock.sleep(60)
    assert [(one.kind, one.id.rpartition("/")[2]) for one in copy_inventory(run, "isolated")] == [
        ("iam:role", "iam-isolated-app-us-west-2-lab"), ("ec2:security-group", group["isolated-app"])]
    assert copy_inventory(run, "rescue") == []
    with pytest.raises(ChecksFailed, match="2 part"):
        ProveRemoved("isolated").do(run)


def test_a_key_that_does_not_let_us_ask_is_not_ours(run: Run, aws: Aws) -> None:
    aws[HOME.region].kms.create_key(Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:role/owner"}, "Action": "kms:*",
         "Resource": "*"}]}), BypassPolicyLockoutSafetyCheck=True)
    assert inventory(run) == []


def test_a_key_that_waits_for_its_deletion_is_not_left(run: Run, aws: Aws) -> None:
    kms = aws[HOME.region].kms
    key = kms.create_key(Tags=as_kms_list(run.tags(HOME)))["KeyMetadata"]["KeyId"]
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert inventory(run) == []


@pytest.mark.parametrize(("name", "ours"), [
    ("alb-app-us-east-1-lab", True), ("/aws/lambda/lambda-app-us-west-2-lab", True),
    ("s3-data-us-east-1-lab-123456789012", True), ("aurora-database-global-lab", True),
    ("alb-app-us-east-1-lab-a1b2c3", True), ("alb-app-us-east-1-labour", False), ("alb-app-eu-west-1-lab", False),
    ("lab", False)])
def test_names_of_the_stack_are_told_from_others(run: Run, name: str, ours: bool) -> None:
    assert is_stack_name(run, name) is ours
