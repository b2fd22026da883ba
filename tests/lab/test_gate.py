"""A policy that is put judges drctl's requests as IAM would: by action, resource and what the conditions look at."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws, Credentials, Door, Region
from drctl.engine.clock import Clock
from drctl.engine.events import Events
from drctl.lab.authorization import table
from drctl.lab.called import FUNCTIONS_KEY
from drctl.lab.gate import Gate
from drctl.lab.server import Lab
from tests.conftest import SPEED
from tests.permissions.spelled import SPOKEN_OF, operations_in_the_code

ACCOUNT, EAST, WEST = "123456789012", "us-east-1", "us-west-2"


@pytest.fixture
def gate(lab: Lab) -> Iterator[Gate]:
    """The gate of this process's lab, open again afterwards."""
    yield lab.counting.gate
    lab.counting.gate.lift()


def allow(action: str | list[str], resource: str | list[str] = "*", condition: Any = None) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **(
        {"Condition": condition} if condition else {})}


def put(gate: Gate, *statements: dict[str, Any]) -> None:
    gate.put([{"Version": "2012-10-17", "Statement": list(statements)}])


def refusal(call: Callable[[], Any]) -> tuple[str, int, str]:
    """Code, status and words of an answer that is no."""
    with pytest.raises(ClientError) as refused:
        call()
    answer = refused.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"].get("Message", "")


@pytest.mark.rule("caller-policy")
@pytest.mark.parametrize(("call", "code", "status", "action"), [
    pytest.param(lambda at: at.ec2.describe_vpcs(), "UnauthorizedOperation", 403, "ec2:DescribeVpcs", id="ec2"),
    pytest.param(lambda at: at.rds.describe_db_clusters(), "AccessDenied", 403, "rds:DescribeDBClusters", id="rds"),
    pytest.param(lambda at: at.iam.list_roles(), "AccessDenied", 403, "iam:ListRoles", id="iam"),
    pytest.param(lambda at: at.elbv2.describe_load_balancers(), "AccessDenied", 403,
                 "elasticloadbalancing:DescribeLoadBalancers", id="elbv2"),
    pytest.param(lambda at: at.s3.list_buckets(), "AccessDenied", 403, "s3:ListAllMyBuckets", id="s3"),
    pytest.param(lambda at: at.route53.list_hosted_zones(), "AccessDenied", 403, "route53:ListHostedZones",
                 id="route53"),
    pytest.param(lambda at: at.lambda_.list_functions(), "AccessDeniedException", 403, "lambda:ListFunctions",
                 id="lambda"),
    pytest.param(lambda at: at.kms.list_keys(), "AccessDeniedException", 400, "kms:ListKeys", id="kms"),
    pytest.param(lambda at: at.events.list_rules(), "AccessDeniedException", 400, "events:ListRules", id="events"),
    pytest.param(lambda at: at.cloudwatch.list_dashboards(), "AccessDeniedException", 400, "cloudwatch:ListDashboards",
                 id="cloudwatch"),
    pytest.param(lambda at: at.sns.list_topics(), "AuthorizationError", 403, "sns:ListTopics", id="sns"),
    pytest.param(lambda at: at.sqs.list_queues(), "AccessDeniedException", 400, "sqs:ListQueues", id="sqs"),
])
def test_what_nobody_allows_is_refused_in_the_services_own_words_with_action_and_resource(
        gate: Gate, aws: Aws, call: Callable[[Region], Any], code: str, status: int, action: str) -> None:
    put(gate, allow("acm:ListCertificates"))
    seen_code, seen_status, words = refusal(lambda: call(aws[EAST]))
    assert (seen_code, seen_status) == (code, status)
    assert f"is not authorized to perform: {action} on resource: " in words
    put(gate, allow(action))
    call(aws[EAST])
    gate.lift()
    call(aws[EAST])


@pytest.mark.rule("caller-policy")
def test_a_bucket_that_may_not_be_listed_is_forbidden_and_not_missing(gate: Gate, aws: Aws) -> None:
    s3 = aws[EAST].s3
    s3.create_bucket(Bucket="things")
    put(gate, allow("s3:GetObject", "arn:aws:s3:::things/*"))
    assert refusal(lambda: s3.head_object(Bucket="things", Key="nothing"))[:2] == ("403", 403)
    put(gate, allow("s3:GetObject", "arn:aws:s3:::things/*"), allow("s3:ListBucket", "arn:aws:s3:::things"))
    assert refusal(lambda: s3.head_object(Bucket="things", Key="nothing"))[:2] == ("404", 404)


@pytest.mark.rule("caller-policy")
def test_objects_that_are_deleted_together_are_each_asked_for(gate: Gate, aws: Aws) -> None:
    s3 = aws[EAST].s3
    s3.create_bucket(Bucket="things")
    put(gate, allow("s3:DeleteObject", "arn:aws:s3:::things/mine/*"))
    s3.delete_objects(Bucket="things", Delete={"Objects": [{"Key": "mine/1"}]})
    both: Any = {"Objects": [{"Key": "mine/1"}, {"Key": "yours"}]}
    words = refusal(lambda: s3.delete_objects(Bucket="things", Delete=both))[2]
    assert "s3:DeleteObject on resource: arn:aws:s3:::things/yours" in words


@pytest.mark.rule("caller-policy")
def test_what_is_made_without_the_tag_that_is_asked_for_is_refused(gate: Gate, aws: Aws) -> None:
    ec2 = aws[EAST].ec2
    tagged = {"StringEquals": {"aws:RequestTag/drctl:stack": "lab"}}
    put(gate, allow(["ec2:CreateVpc", "ec2:CreateTags"], f"arn:aws:ec2:{EAST}:{ACCOUNT}:vpc/*", condition=tagged))
    tags: list[Any] = [{"ResourceType": "vpc", "Tags": [{"Key": "drctl:stack", "Value": "lab"}]}]
    made = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tags)["Vpc"]["VpcId"]
    assert "ec2:CreateVpc on" in refusal(lambda: ec2.create_vpc(CidrBlock="10.9.0.0/16"))[2]
    put(gate, allow("ec2:CreateVpc"))
    assert "ec2:CreateTags on" in refusal(lambda: ec2.create_vpc(CidrBlock="10.9.0.0/16", TagSpecifications=tags))[2]
    put(gate, allow("ec2:DeleteVpc", condition={"StringEquals": {"aws:ResourceTag/drctl:stack": "another"}}))
    assert "ec2:DeleteVpc on" in refusal(lambda: ec2.delete_vpc(VpcId=made))[2]
    put(gate, allow("ec2:DeleteVpc", condition={"StringEquals": {"aws:ResourceTag/drctl:stack": "lab"}}))
    ec2.delete_vpc(VpcId=made)


@pytest.mark.rule("caller-policy")
def test_tags_may_be_allowed_for_what_is_made_alone(gate: Gate, aws: Aws) -> None:
    ec2 = aws[EAST].ec2
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    put(gate, allow("ec2:CreateVpc"), allow("ec2:CreateTags", condition={"Null": {"ec2:CreateAction": "false"}}))
    ec2.create_vpc(CidrBlock="10.1.0.0/16", TagSpecifications=[
        {"ResourceType": "vpc", "Tags": [{"Key": "k", "Value": "v"}]}])
    words = refusal(lambda: ec2.create_tags(Resources=[vpc], Tags=[{"Key": "k", "Value": "v"}]))[2]
    assert f"ec2:CreateTags on resource: arn:aws:ec2:{EAST}:{ACCOUNT}:vpc/{vpc}" in words


@pytest.mark.rule("caller-policy")
def test_a_role_is_passed_only_to_the_service_that_is_allowed(gate: Gate, aws: Aws) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/r"

    def call() -> None:
        aws[EAST].lambda_.create_function(FunctionName="f", Role=role, Runtime="python3.12", Handler="a.b",
                                          Code={"ZipFile": b"no zip"})

    put(gate, allow("lambda:*"), allow("iam:PassRole", role, condition={"StringEquals": {
        "iam:PassedToService": "events.amazonaws.com"}}))
    assert f"iam:PassRole on resource: {role}" in refusal(call)[2]
    put(gate, allow("lambda:*"), allow("iam:PassRole", role, condition={"StringEquals": {
        "iam:PassedToService": "lambda.amazonaws.com"}}))
    assert refusal(call)[0] != "AccessDeniedException", "what is wrong now is the function, not the caller's rights"


@pytest.mark.rule("caller-policy")
def test_a_key_is_used_through_the_service_that_is_called(gate: Gate, aws: Aws) -> None:
    key = aws[EAST].kms.create_key()["KeyMetadata"]["Arn"]

    def call() -> None:
        aws[EAST].secrets.create_secret(Name="one", SecretString="s", KmsKeyId=key)

    def through(service: str) -> None:
        put(gate, allow("secretsmanager:*"), allow("kms:*", key, condition={"StringEquals": {
            "kms:ViaService": f"{service}.{EAST}.amazonaws.com"}}))

    through("s3")
    assert f"kms:Decrypt on resource: {key}" in refusal(call)[2]
    through("secretsmanager")
    call()


@pytest.mark.rule("caller-policy")
def test_a_region_that_is_not_the_stacks_is_refused(gate: Gate, aws: Aws) -> None:
    put(gate, allow("ec2:DescribeVpcs", condition={"StringEquals": {"aws:RequestedRegion": [EAST]}}))
    aws[EAST].ec2.describe_vpcs()
    assert refusal(aws[WEST].ec2.describe_vpcs)[0] == "UnauthorizedOperation"


@pytest.mark.rule("caller-policy")
def test_a_record_of_another_name_is_refused(gate: Gate, aws: Aws) -> None:
    route53 = aws[EAST].route53
    zone = route53.create_hosted_zone(Name="example.com", CallerReference="1")["HostedZone"]["Id"]
    key = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
    put(gate, allow("route53:*", condition={"ForAllValues:StringLike": {key: ["app.example.com"]}}))

    def change(*names: str) -> None:
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [
            {"Action": "UPSERT", "ResourceRecordSet": {"Name": name, "Type": "A", "TTL": 60, "ResourceRecords": [
                {"Value": "192.0.2.1"}]}} for name in names]})

    change("App.example.com.")
    assert refusal(lambda: change("app.example.com", "www.example.com"))[0] == "AccessDenied"


@pytest.mark.rule("caller-policy")
def test_an_explicit_denial_wins_and_says_so(gate: Gate, aws: Aws) -> None:
    put(gate, allow("ec2:*"), {**allow("ec2:DescribeVpcs"), "Effect": "Deny"})
    assert refusal(aws[EAST].ec2.describe_vpcs)[2].endswith("with an explicit deny in an identity-based policy")


def test_functions_are_not_drctl(gate: Gate, lab: Lab) -> None:
    put(gate, allow("acm:ListCertificates"))
    function = Aws(Door(lab.endpoint, Credentials(FUNCTIONS_KEY, "f")), Events(Clock(SPEED)))
    function[EAST].s3.list_buckets()


@pytest.mark.rule("caller-policy")
def test_an_operation_that_the_table_does_not_know_is_refused_with_the_place_to_mend(gate: Gate, aws: Aws) -> None:
    put(gate, allow("*"))
    words = refusal(aws[EAST].iam.list_users)[2]
    assert "iam:ListUsers is not in drctl/lab/authorization.yaml" in words


@pytest.mark.rule("caller-policy")
def test_the_labs_own_page_puts_shows_and_lifts_a_policy(gate: Gate, aws: Aws, lab: Lab) -> None:
    document = {"Version": "2012-10-17", "Statement": [allow("ec2:DescribeSubnets")]}
    assert page(lab, "POST", {"documents": [json.dumps(document)]}) == {"documents": [document]}
    assert page(lab, "GET") == {"documents": [document]}
    assert refusal(aws[EAST].ec2.describe_vpcs)[0] == "UnauthorizedOperation"
    assert page(lab, "DELETE") == {"documents": None}
    aws[EAST].ec2.describe_vpcs()


def page(lab: Lab, method: str, document: Any = None) -> Any:
    body = json.dumps(document).encode() if document is not None else None
    asked = urllib.request.Request(f"{lab.endpoint}/drctl-lab/policy", body, method=method)  # noqa: S310  # loopback
    with urllib.request.urlopen(asked) as answer:  # noqa: S310  # loopback only
        return json.load(answer)


def test_the_table_knows_every_operation_that_the_code_speaks_of() -> None:
    known = {f"{service}:{operation}" for service, part in table().items() for operation in part.operations}
    spoken = operations_in_the_code()
    names = {one.partition(":")[2] for one in known}
    # a word may be an operation of several services; the table has to know it for one of them
    missing = {one for one in spoken - known - SPOKEN_OF if one.partition(":")[2] not in names}
    assert missing == set()
    assert len(spoken & known) > 200
