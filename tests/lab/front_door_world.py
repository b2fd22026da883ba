"""A balancer with a function behind it in each region, a zone, and a switch bucket, made through plain boto3."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from drctl.aws.clients import Aws
from tests.lab.conftest import eventually

HERE: Final = "us-east-1"
THERE: Final = "us-west-2"
BUCKET, KEY = "switch-bucket", "switch/on"
ZONE_IDS = {HERE: "Z35SXDOTRQ7X7K", THERE: "Z1H1FL5HABSF5"}


def until(done: Callable[[], bool]) -> None:
    """Wait for the lab."""
    assert eventually(done), "it did not happen"


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]})


@dataclass(frozen=True)
class Balancer:
    """What stands behind one name."""

    arn: str
    host: str
    listener: str
    group: str
    target_group: str
    function: str


def answering(status: int) -> str:
    """A program that answers every request alike."""
    return f"def go(event, context):\n    return {{'statusCode': {status}, 'body': 'fine'}}\n"


def _code(program: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", program)
    return packed.getvalue()


def _function(aws: Aws, region: str, program: str) -> str:
    iam = aws[region].iam
    if not [one for one in iam.list_roles()["Roles"] if one["RoleName"] == "runs"]:
        iam.create_role(RoleName="runs", AssumeRolePolicyDocument=policy(
            {"Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}))
    lambda_ = aws[region].lambda_
    arn = lambda_.create_function(FunctionName="app", Runtime="python3.12", Handler="app.go", Timeout=5,
                                  Role="arn:aws:iam::123456789012:role/runs", Code={"ZipFile": _code(program)})[
                                      "FunctionArn"]
    until(lambda: lambda_.get_function(FunctionName="app")["Configuration"]["State"] == "Active")
    return arn


def balancer(aws: Aws, region: str, status: int = 200, program: str = "") -> Balancer:
    """An active balancer that sends HTTP on port 80 to a function, whose program (`go` in it) may be given, else
    answers `status`; its group admits the checkers."""
    ec2, elbv2, lambda_ = aws[region].ec2, aws[region].elbv2, aws[region].lambda_
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{region}{zone}")[
        "Subnet"]["SubnetId"] for n, zone in enumerate("ab")]
    group = ec2.create_security_group(GroupName="door", Description="door", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=admitting(aws, region))
    made = elbv2.create_load_balancer(Name="door", Subnets=subnets, SecurityGroups=[group])["LoadBalancers"][0]
    arn = made["LoadBalancerArn"]
    until(lambda: elbv2.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"][0]["State"]["Code"]
          == "active")
    function = _function(aws, region, program or answering(status))
    target_group = elbv2.create_target_group(Name="app", TargetType="lambda", HealthCheckEnabled=True)[
        "TargetGroups"][0]["TargetGroupArn"]
    lambda_.add_permission(FunctionName="app", StatementId="door", Action="lambda:InvokeFunction",
                           Principal="elasticloadbalancing.amazonaws.com", SourceArn=target_group)
    elbv2.register_targets(TargetGroupArn=target_group, Targets=[{"Id": function}])
    listener = elbv2.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=[
        {"Type": "forward", "TargetGroupArn": target_group}])["Listeners"][0]["ListenerArn"]
    return Balancer(arn, made["DNSName"], listener, group, target_group, function)


def admitting(aws: Aws, region: str) -> Any:
    """Ingress for Route 53's checkers on port 80."""
    found = aws[region].ec2.describe_managed_prefix_lists(Filters=[
        {"Name": "prefix-list-name", "Values": [f"com.amazonaws.{region}.route53-healthchecks"]}])["PrefixLists"]
    return [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80,
             "PrefixListIds": [{"PrefixListId": found[0]["PrefixListId"]}]}]


def switch_bucket(aws: Aws) -> str:
    """A bucket whose one object the checkers may read; answers its regional host."""
    s3 = aws[THERE].s3
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": THERE})
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration={
        "BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True})
    ranges = aws[HERE].route53.get_checker_ip_ranges()["CheckerIpRanges"]
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy(
        {"Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/{KEY}",
         "Condition": {"IpAddress": {"aws:SourceIp": ranges}}}))
    return f"{BUCKET}.s3.{THERE}.amazonaws.com"


def health_check(aws: Aws, name: str, **config: Any) -> str:
    """A new health check; ten seconds, three times, unless said otherwise."""
    endpoint = {"RequestInterval": 10, "FailureThreshold": 3} if config["Type"] not in {
        "CALCULATED", "CLOUDWATCH_METRIC"} else {}
    wanted: Any = {**endpoint, **config}
    return aws[HERE].route53.create_health_check(CallerReference=name, HealthCheckConfig=wanted)["HealthCheck"]["Id"]
