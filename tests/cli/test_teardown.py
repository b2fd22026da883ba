"""Teardown to nothing from a state nobody planned: roles swapped, protection on, buckets full, strangers inside."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.configuration import packaged_lab
from drctl.engine.journal import read
from drctl.lab.server import Lab
from tests.cli.between import Reply, Request
from tests.cli.conftest import Result
from tests.cli.test_trouble import Place, place_in, until
from tests.cli.test_whole_job import Thing, everything

EAST, WEST = "us-east-1", "us-west-2"
DATA = "s3-data-us-west-2-lab-123456789012"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]})


@dataclass
class Messy:
    """A stack in a state that nobody planned, what was there before it, and the strangers inside it."""

    place: Place
    foreign: frozenset[Thing]
    strangers: dict[str, str]


@pytest.fixture(scope="module")
def messy(tmp_path_factory: pytest.TempPathFactory, lab_server: Lab) -> Iterator[Messy]:
    """Somebody else's 25 things beside the stack and two inside it; its roles swapped, protected, its bucket full."""
    with place_in(tmp_path_factory.mktemp("messy"), lab_server) as place:
        empty = everything(place.aws)
        make_foreign_things(place.aws)
        foreign = everything(place.aws) - empty
        built = place.drctl("provision", "--json")
        assert built.code == 0, built.err
        swap_roles(place)
        protect(place)
        fill(place)
        yield Messy(place, foreign, strangers_inside(place))


@pytest.fixture(scope="module")
def stopped(messy: Messy) -> Result:
    """A teardown that meets the strangers; AWS says yes to deleting topics, and does nothing."""
    with messy.place.deciding(yes_to_deleting_a_topic):
        return messy.place.drctl("teardown", "--yes", "--json")


@pytest.fixture(scope="module")
def unheard(messy: Messy, stopped: Result) -> Result:
    """The strangers have left; AWS still does nothing about the topics."""
    ec2: Any = messy.place.aws[WEST].ec2
    ec2.delete_network_interface(NetworkInterfaceId=messy.strangers["interface"])
    ec2.delete_security_group(GroupId=messy.strangers["group"])
    with messy.place.deciding(yes_to_deleting_a_topic):
        return messy.place.drctl("teardown", "--yes", "--json")


def test_protection_in_the_configuration_is_refused_and_nothing_is_called(messy: Messy, tmp_path: Path) -> None:
    config = tmp_path / "protected.yaml"
    config.write_text(packaged_lab().read_text().rstrip() + "\ndeletion_protection: true\n")
    before = len(messy.place.line.seen)
    end = messy.place.drctl("teardown", "--yes", "-c", str(config))
    assert end.code == 3
    assert "deletion_protection is true" in end.err
    assert len(messy.place.line.seen) == before


def test_strangers_inside_are_told_at_once_and_not_touched(messy: Messy, stopped: Result) -> None:
    assert stopped.code != 0
    for stranger in messy.strangers.values():
        assert stranger in stopped.err
    there = {name for _, name, _ in everything(messy.place.aws)}
    assert set(messy.strangers.values()) <= there
    journal = Path(messy.place.drctl.environment["DRCTL_HOME"]) / "runs" / stopped.json["run"] / "journal.jsonl"
    waits = Counter(record["sentence"] for record in read(journal)
                    if record["event"] == "waiting" and record["step"] in {"subnets us-west-2",
                                                                           "security groups us-west-2"})
    assert max(waits.values(), default=0) <= 3  # what does not leave by itself is not waited for


def test_a_delete_that_silently_does_nothing_turns_the_verdict_red(messy: Messy, unheard: Result) -> None:
    assert unheard.code == 4
    left = unheard.json["left"]
    assert len(left) == 2
    assert all("sns:topic" in line for line in left)
    assert "sns:topic" in unheard.err


def test_the_next_teardown_leaves_nothing_of_the_stack_and_all_of_the_others(messy: Messy, unheard: Result) -> None:
    end = messy.place.drctl("teardown", "--yes", "--json")
    assert (end.code, end.json["left"]) == (0, [])
    assert len(messy.foreign) >= 25
    left = everything(messy.place.aws)
    assert messy.foreign <= left
    assert not [thing for thing in left - messy.foreign if "-lab" in thing[1]]


def yes_to_deleting_a_topic(request: Request) -> Reply | None:
    """SNS says that the topic is deleted."""
    if request.operation == "DeleteTopic":
        return Reply(200, "<DeleteTopicResponse><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"
                          "</DeleteTopicResponse>")
    return None


def swap_roles(place: Place) -> None:
    """The writer moves to the standby region."""
    rds: Any = place.aws[EAST].rds
    cluster = rds.describe_global_clusters()["GlobalClusters"][0]
    target = next(one["DBClusterArn"] for one in cluster["GlobalClusterMembers"] if WEST in one["DBClusterArn"])
    rds.switchover_global_cluster(GlobalClusterIdentifier=cluster["GlobalClusterIdentifier"],
                                  TargetDbClusterIdentifier=target)
    until(lambda: is_settled(rds.describe_global_clusters()["GlobalClusters"][0], target), "the writer has moved")


def is_settled(world: Any, target: str) -> bool:
    """Whether the target writes and nothing is under way."""
    writers = [one["DBClusterArn"] for one in world["GlobalClusterMembers"] if one["IsWriter"]]
    return bool(writers == [target] and world["Status"] == "available")


def protect(place: Place) -> None:
    """Deletion protection at every level, put on by hand."""
    for region in (EAST, WEST):
        rds: Any = place.aws[region].rds
        elbv2: Any = place.aws[region].elbv2
        for cluster in rds.describe_db_clusters()["DBClusters"]:
            rds.modify_db_cluster(DBClusterIdentifier=cluster["DBClusterIdentifier"], DeletionProtection=True,
                                  ApplyImmediately=True)
        for balancer in elbv2.describe_load_balancers()["LoadBalancers"]:
            elbv2.modify_load_balancer_attributes(LoadBalancerArn=balancer["LoadBalancerArn"], Attributes=[
                {"Key": "deletion_protection.enabled", "Value": "true"}])
    world = place.aws[EAST].rds.describe_global_clusters()["GlobalClusters"][0]["GlobalClusterIdentifier"]
    place.aws[EAST].rds.modify_global_cluster(GlobalClusterIdentifier=world, DeletionProtection=True)


def fill(place: Place) -> None:
    """Somebody else's objects in our bucket, with old versions and a delete marker."""
    s3: Any = place.aws[WEST].s3
    for number in range(20):
        for content in (b"one", b"two"):
            s3.put_object(Bucket=DATA, Key=f"theirs/{number}.bin", Body=content)
    s3.delete_object(Bucket=DATA, Key="theirs/0.bin")


def strangers_inside(place: Place) -> dict[str, str]:
    """Somebody else's interface in our subnet, and somebody else's group that names ours."""
    ec2: Any = place.aws[WEST].ec2
    ours = [{"Name": "tag:Environment", "Values": ["lab"]}]
    vpc = ec2.describe_vpcs(Filters=ours)["Vpcs"][0]["VpcId"]
    subnet = ec2.describe_subnets(Filters=[*ours, {"Name": "vpc-id", "Values": [vpc]}])["Subnets"][0]["SubnetId"]
    group = ec2.describe_security_groups(Filters=[*ours, {"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"][0]
    theirs = ec2.create_security_group(GroupName="theirs", Description="not of the stack", VpcId=vpc)["GroupId"]
    until(lambda: bool(ec2.describe_security_groups(Filters=[{"Name": "group-id", "Values": [theirs]}])[
        "SecurityGroups"]), "the group is seen")
    ec2.authorize_security_group_ingress(GroupId=theirs, IpPermissions=[{
        "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": group["GroupId"]}]}])
    interface = ec2.create_network_interface(SubnetId=subnet, Groups=[theirs], Description="their appliance")
    return {"group": theirs, "interface": interface["NetworkInterface"]["NetworkInterfaceId"]}


def make_foreign_things(aws: Aws) -> None:
    """Things of the stack's kinds that are not of the stack, some named much like it, in both regions."""
    for region in (EAST, WEST):
        at: Any = aws[region]
        vpc = at.ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
        at.ec2.create_subnet(VpcId=vpc, CidrBlock="10.77.1.0/24", AvailabilityZone=f"{region}a")
        at.ec2.create_security_group(GroupName="theirs", Description="x", VpcId=vpc)
        at.ec2.create_route_table(VpcId=vpc)
        place: Any = {} if region == EAST else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        at.s3.create_bucket(Bucket=f"s3-data-{region}-labour-1", **place)
        at.sqs.create_queue(QueueName=f"queue-letters-{region}-labour")
        at.sns.create_topic(Name=f"sns-alarms-{region}-labour")
        at.logs.create_log_group(logGroupName=f"/drctl/{region}/labour")
        at.secrets.create_secret(Name=f"secret-{region}-labour", SecretString="x")
        at.cloudwatch.put_metric_alarm(
            AlarmName=f"alarm-cpu-{region}-labour", MetricName="m", Namespace="n", Period=60, EvaluationPeriods=1,
            Threshold=1, ComparisonOperator="GreaterThanThreshold", Statistic="Sum")
        at.acm.request_certificate(DomainName="www.example.org", ValidationMethod="DNS")
    first: Any = aws[EAST]
    first.iam.create_role(RoleName="iam-app-us-east-1-labour", AssumeRolePolicyDocument=TRUST)
    first.route53.create_hosted_zone(Name="example.com.", CallerReference="theirs")
    first.route53.create_health_check(CallerReference="theirs", HealthCheckConfig={
        "Type": "HTTPS", "FullyQualifiedDomainName": "www.example.org", "Port": 443, "ResourcePath": "/"})
