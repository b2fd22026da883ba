"""Who asks too often is told so in the service's own words, and served again when his bucket has filled up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws, Credentials, Door
from drctl.engine.clock import Clock
from drctl.engine.events import Events
from drctl.lab import throttling
from drctl.lab.called import Call
from drctl.lab.clock import CLOCK, LabClock
from drctl.lab.rules import RULES
from drctl.lab.server import Lab
from tests.conftest import SPEED
from tests.lab.conftest import Plain, one_try

HERE, THERE = "us-east-1", "us-west-2"


@pytest.fixture
def slow(lab: Lab) -> Iterator[LabClock]:
    """The lab's clock almost standing still, so that no bucket fills up by itself; throttling is on."""
    CLOCK.set_speed(1e-6)
    yield CLOCK
    CLOCK.set_speed(SPEED)


@pytest.fixture
def once(lab: Lab, slow: LabClock) -> Plain:
    """Clients that show the first answer."""
    return one_try(lab)


def refusal(call: Callable[[], Any]) -> tuple[str, int]:
    with pytest.raises(ClientError) as refused:
        call()
    answer = refused.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def case(name: str, operation: str, code: str, status: int, call: Callable[[Any], Any], path: str = "/") -> Any:
    reads = operation.startswith(("Get", "List", "Describe", "GET"))
    asked = Call(HERE, name.removeprefix("throttling-"), operation, not reads, path)
    return pytest.param(asked, call, (code, status), id=name, marks=pytest.mark.rule(name))


@pytest.mark.parametrize(("asked", "call", "expected"), [
    case("throttling-route53", "GET 2013-04-01", "Throttling", 400, lambda at: at.route53.list_hosted_zones()),
    case("throttling-iam", "ListRoles", "Throttling", 400, lambda at: at.iam.list_roles()),
    case("throttling-sts", "GetCallerIdentity", "Throttling", 400, lambda at: at.sts.get_caller_identity()),
    case("throttling-ec2", "DescribeVpcs", "RequestLimitExceeded", 503, lambda at: at.ec2.describe_vpcs()),
    case("throttling-elasticloadbalancing", "DescribeLoadBalancers", "Throttling", 400,
         lambda at: at.elbv2.describe_load_balancers()),
    case("throttling-rds", "DescribeDBClusters", "Throttling", 400, lambda at: at.rds.describe_db_clusters()),
    case("throttling-lambda", "GET 2015-03-31", "TooManyRequestsException", 429, lambda at: at.lambda_.list_functions(),
         "/2015-03-31/functions"),
    case("throttling-kms", "CreateKey", "ThrottlingException", 400, lambda at: at.kms.create_key()),
    case("throttling-sqs", "ListQueues", "RequestThrottled", 403, lambda at: at.sqs.list_queues()),
    case("throttling-sns", "ListTopics", "Throttling", 400, lambda at: at.sns.list_topics()),
    case("throttling-monitoring", "DescribeAlarms", "Throttling", 400, lambda at: at.cloudwatch.describe_alarms()),
    case("throttling-secretsmanager", "ListSecrets", "ThrottlingException", 400, lambda at: at.secrets.list_secrets()),
    case("throttling-ssm", "PutParameter", "ThrottlingException", 400,
         lambda at: at.ssm.put_parameter(Name="/one", Value="1", Type="String")),
    case("throttling-acm", "ListCertificates", "ThrottlingException", 400, lambda at: at.acm.list_certificates()),
    case("throttling-wafv2", "ListWebACLs", "ThrottlingException", 400,
         lambda at: at.wafv2.list_web_acls(Scope="REGIONAL")),
    case("throttling-logs", "DescribeLogGroups", "ThrottlingException", 400, lambda at: at.logs.describe_log_groups()),
    case("throttling-events", "PutRule", "ThrottlingException", 400,
         lambda at: at.events.put_rule(Name="one", ScheduleExpression="rate(1 day)")),
    case("throttling-backup", "GET backup-vaults", "ThrottlingException", 400,
         lambda at: at.backup.list_backup_vaults()),
    case("throttling-s3", "GET ", "SlowDown", 503, lambda at: at.s3.list_buckets()),
    case("throttling-tagging", "GetResources", "ThrottledException", 400, lambda at: at.tagging.get_resources()),
])
def test_an_empty_bucket_is_told_with_the_services_own_code(
        once: Plain, asked: Call, call: Callable[[Any], Any], expected: tuple[str, int]) -> None:
    assert any(throttling.refused(asked) for _ in range(6000)) or not expected  # takes what there is
    assert refusal(lambda: call(once[HERE])) == expected


def test_every_throttling_rule_is_asked_here() -> None:
    here = {mark.args[0] for case in test_an_empty_bucket_is_told_with_the_services_own_code.pytestmark[0].args[1]
            for mark in case.marks}
    assert here == {name for name in RULES if name.startswith("throttling-")}


def test_route_53_takes_five_requests_a_second_over_all_regions(once: Plain, slow: LabClock) -> None:
    for region in (HERE, THERE, HERE, THERE, HERE):
        once[region].route53.list_hosted_zones()
    assert refusal(once[THERE].route53.list_hosted_zones) == ("Throttling", 400)
    assert throttling.REFUSED == {"route53": 1}
    slow.skip(1)
    for _ in range(5):
        once[HERE].route53.list_hosted_zones()
    assert refusal(once[HERE].route53.list_hosted_zones) == ("Throttling", 400)


def test_ec2_counts_each_action_and_region_by_itself(once: Plain) -> None:
    ec2 = once[HERE].ec2
    for _ in range(4):
        refused, _ = refusal(lambda: ec2.create_vpc_endpoint(VpcId="vpc-1", ServiceName="no such"))
        assert refused != "RequestLimitExceeded"
    one_more = refusal(lambda: ec2.create_vpc_endpoint(VpcId="vpc-1", ServiceName="no such"))
    assert one_more == ("RequestLimitExceeded", 503)
    ec2.describe_vpcs()
    there, _ = refusal(lambda: once[THERE].ec2.create_vpc_endpoint(VpcId="vpc-1", ServiceName="no such"))
    assert there != "RequestLimitExceeded"


def test_invocations_are_not_counted_with_lambdas_control_plane(lab: Lab, slow: LabClock) -> None:
    invoked = Call(HERE, "lambda", "POST 2015-03-31", mutating=False, path="/2015-03-31/functions/one/invocations")
    assert not any(throttling.refused(invoked) for _ in range(1000))


def test_a_refused_call_has_no_effect(once: Plain, slow: LabClock) -> None:
    ssm = once[HERE].ssm
    for number in range(3):
        ssm.put_parameter(Name=f"/p/{number}", Value="1", Type="String")
    refused = refusal(lambda: ssm.put_parameter(Name="/p/3", Value="1", Type="String"))
    assert refused == ("ThrottlingException", 400)
    slow.skip(60)
    assert len(ssm.describe_parameters()["Parameters"]) == 3


def test_the_sdk_waits_a_throttled_call_out(lab: Lab) -> None:
    CLOCK.set_speed(20.0)
    door = Door(lab.endpoint, Credentials("lab", "lab"), speed=20.0)
    try:
        route53 = Aws(door, Events(Clock(20.0)))[HERE].route53
        for _ in range(12):
            route53.list_hosted_zones()
    finally:
        CLOCK.set_speed(SPEED)
