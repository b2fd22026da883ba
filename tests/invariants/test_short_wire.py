"""The short wire and the real one: the same answers in what runbooks read, the same refusals, the same silence.

Both lead into one lab, one after the other; what is compared is what drctl goes by.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from drctl.aws.clients import Aws, Credentials, Door, Region
from drctl.aws.errors import code_of
from drctl.aws.fence import Fence, Fenced
from drctl.aws.hooks import Answer, Call, Unheard
from drctl.lab import extensions, outages
from drctl.lab.clock import CLOCK
from drctl.lab.rules import RULES, SWITCHED_OFF
from drctl.lab.server import Lab
from tests.conftest import SPEED
from tests.invariants.short_wire import Short
from tests.lab import aurora_world
from tests.lab.aurora_world import EAST, WEST, arn
from tests.steps.edge import TRUST
from tests.straight import Straight

BUCKET, APP = "bucket-of-the-short-wire", "app"
GLOBAL: dict[str, Any] = {"GlobalClusterIdentifier": "world"}
LAG: dict[str, Any] = {"MetricDataQueries": [{
    "Id": "lag", "ReturnData": True, "MetricStat": {"Stat": "Maximum", "Period": 60, "Metric": {
        "Namespace": "AWS/RDS", "MetricName": "AuroraGlobalDBRPOLag",
        "Dimensions": [{"Name": "DBClusterIdentifier", "Value": f"db-{WEST}"}]}}}]}


class Quiet:
    """Nothing befalls a call."""

    def before(self, call: Call) -> None:
        return

    def after(self, call: Call, request_id: str) -> None:
        return


class Heard(Unheard):
    """What a listener hears."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, str]] = []

    def answered(self, call: Call, answer: Answer) -> None:
        self.told.append((call.operation, answer.status, answer.code))


def short(listener: Any = None, fence: Fence | None = None) -> Short:
    return Short(listener or Unheard(), Quiet(), lambda region, asked: {"ok": True, "region": region, **asked}, fence)


def real(lab: Lab, listener: Any = None, fence: Fence | None = None) -> Aws:
    door = Door(lab.endpoint, Credentials("lab", "lab"), attempts=2, speed=SPEED)
    return Straight(lab.counting, door, listener or Unheard(), fence)


@pytest.fixture(scope="module")
def wires(lab_server: Lab) -> Iterator[tuple[Aws, Aws]]:
    """Short and real, into a lab with a database, a bucket, a parameter, a balancer and a function, at AWS's pace."""
    extensions.reset()
    SWITCHED_OFF.update(name for name in RULES if name.startswith("throttling-"))
    CLOCK.set_speed(1.0)
    aws = real(lab_server)
    aurora_world.pair(aws, CLOCK)
    make_the_rest(aws[EAST])
    yield short(), aws
    CLOCK.set_speed(SPEED)
    SWITCHED_OFF.clear()


def make_the_rest(east: Region) -> None:
    """Everything but the database."""
    east.s3.create_bucket(Bucket=BUCKET)
    east.ssm.put_parameter(Name="/drctl/lab/name-servers", Value="ns-1,ns-2", Type="String")
    subnets = east.ec2.describe_subnets()["Subnets"][:2]
    gateway = east.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    CLOCK.skip(60)
    east.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=subnets[0]["VpcId"])
    role = east.iam.create_role(RoleName="app", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    CLOCK.skip(3600)
    east.elbv2.create_load_balancer(Name="alb-app", Subnets=[one["SubnetId"] for one in subnets])
    east.lambda_.create_function(FunctionName=APP, Runtime="python3.12", Role=role, Handler="a.b",
                                 Code={"ZipFile": b"PK\x05\x06" + bytes(18)})
    CLOCK.skip(3600)


def seen(ask: Callable[[], Any]) -> Any:
    """An answer without what only the wire knows, or how it was refused."""
    try:
        answer = ask()
    except (ClientError, BotoCoreError, Fenced) as error:
        return type(error).__name__ if not isinstance(error, ClientError) else (
            code_of(error), error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500)
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def members(answer: Any) -> Any:
    """What is read of global clusters."""
    return [(one["Status"], one.get("FailoverState"), [
        (member["DBClusterArn"], member["IsWriter"], member["SynchronizationStatus"])
        for member in one["GlobalClusterMembers"]]) for one in answer["GlobalClusters"]]


def test_what_is_not_carried_is_told() -> None:
    with pytest.raises(AttributeError, match="carries no rds delete_global_cluster"):
        short()[EAST].rds.delete_global_cluster(GlobalClusterIdentifier="world")


def test_databases_are_shown_alike_at_rest_and_while_roles_change(wires: tuple[Aws, Aws]) -> None:
    def shown() -> list[Any]:
        return [[members(one[region].rds.describe_global_clusters(**GLOBAL)) for region in (EAST, WEST)]
                + [[each["DBInstanceStatus"] for each in one[WEST].rds.describe_db_instances(
                    Filters=[{"Name": "db-cluster-id", "Values": [f"db-{WEST}"]}])["DBInstances"]],
                   one[EAST].rds.describe_db_clusters(DBClusterIdentifier=f"db-{EAST}")["DBClusters"][0]["Status"],
                   one[WEST].cloudwatch.get_metric_data(
                       **LAG, StartTime=datetime.now(UTC) - timedelta(minutes=10),
                       EndTime=datetime.now(UTC) + timedelta(minutes=1))["MetricDataResults"][0]["Values"][:1]]
                for one in wires]

    target = {"TargetDbClusterIdentifier": arn(WEST)}
    for change in (lambda: None, lambda: wires[0][EAST].rds.switchover_global_cluster(**GLOBAL, **target),
                   lambda: wires[0][EAST].rds.failover_global_cluster(
                       **GLOBAL, TargetDbClusterIdentifier=arn(EAST), AllowDataLoss=True)):
        change()
        for _ in range(8):
            ours, theirs = shown()
            assert ours == theirs
            CLOCK.skip(20)
        CLOCK.skip(3600)


@pytest.mark.parametrize("asked", [
    lambda aws: aws[WEST].rds.switchover_global_cluster(**GLOBAL, TargetDbClusterIdentifier=arn(WEST)),
    lambda aws: aws[EAST].rds.switchover_global_cluster(**GLOBAL, TargetDbClusterIdentifier=arn(EAST)),
    lambda aws: aws[EAST].rds.failover_global_cluster(
        **GLOBAL, TargetDbClusterIdentifier=arn(WEST), AllowDataLoss=True),
    lambda aws: aws[EAST].rds.describe_global_clusters(GlobalClusterIdentifier="nobody"),
    lambda aws: aws[EAST].rds.describe_db_clusters(DBClusterIdentifier="nobody"),
    lambda aws: aws[EAST].s3.head_object(Bucket=BUCKET, Key="nothing"),
    lambda aws: aws[EAST].s3.get_object(Bucket=BUCKET, Key="nothing"),
    lambda aws: aws[EAST].s3.delete_object(Bucket=BUCKET, Key="nothing"),
    lambda aws: aws[EAST].s3.list_objects_v2(Bucket="no-such-bucket-anywhere"),
    lambda aws: aws[EAST].s3.put_object(Bucket="no-such-bucket-anywhere", Key="one", Body=b""),
    lambda aws: aws[EAST].s3.put_object(Bucket=BUCKET, Key="nothing", Body=b"", IfMatch='"0"'),
    lambda aws: aws[EAST].ssm.get_parameter(Name="/drctl/lab/nothing"),
    lambda aws: aws[EAST].lambda_.get_function_concurrency(FunctionName="nobody"),
    lambda aws: aws[EAST].lambda_.put_function_concurrency(
        FunctionName="nobody", ReservedConcurrentExecutions=0),
])
def test_what_is_refused_is_refused_alike(wires: tuple[Aws, Aws], asked: Callable[[Aws], Any]) -> None:
    ours, theirs = (seen(partial(asked, one)) for one in wires)
    assert ours == theirs


def test_objects_and_conditions_are_those_of_s3(wires: tuple[Aws, Aws]) -> None:
    told = []
    for number, aws in enumerate(wires):
        s3: Any = aws[EAST].s3
        at = {"Bucket": BUCKET, "Key": f"lease-{number}"}
        first = s3.put_object(**at, Body=b"one", Metadata={"run": "r"}, IfNoneMatch="*")["ETag"]
        again = seen(partial(s3.put_object, **at, Body=b"two", IfNoneMatch="*"))
        second = s3.put_object(**at, Body=b"two", IfMatch=first)["ETag"]
        late = seen(partial(s3.put_object, **at, Body=b"three", IfMatch=first))
        head, got = s3.head_object(**at), s3.get_object(**at)
        s3.put_object(**at, Body=b"", Metadata={"run": "r"})
        told.append((first, again, second, late, head["ETag"], got["Body"].read(), got["ETag"],
                     s3.head_object(**at)["Metadata"]))
        s3.delete_object(**at)
        assert seen(partial(s3.head_object, **at)) == ("404", False)
    assert told[0] == told[1]


def test_a_copied_object_is_there_on_either_wire(wires: tuple[Aws, Aws]) -> None:
    for number, aws in enumerate(wires):
        s3 = aws[EAST].s3
        s3.put_object(Bucket=BUCKET, Key="from", Body=b"note")
        s3.copy_object(Bucket=BUCKET, Key=f"to-{number}", CopySource={"Bucket": BUCKET, "Key": "from"})
        assert s3.get_object(Bucket=BUCKET, Key=f"to-{number}")["Body"].read() == b"note"


def test_the_rest_is_read_and_written_alike(wires: tuple[Aws, Aws]) -> None:
    def told(aws: Aws) -> list[Any]:
        functions, name = aws[EAST].lambda_, {"FunctionName": APP}
        found = [aws[EAST].ssm.get_parameter(Name="/drctl/lab/name-servers")["Parameter"]["Value"],
                 aws[EAST].elbv2.describe_load_balancers(Names=["alb-app"])["LoadBalancers"][0]["DNSName"],
                 seen(lambda: functions.get_function_concurrency(**name)),
                 seen(lambda: functions.put_function_concurrency(**name, ReservedConcurrentExecutions=0)),
                 seen(lambda: functions.get_function_concurrency(**name)),
                 seen(lambda: functions.delete_function_concurrency(**name)),
                 seen(lambda: functions.get_function_concurrency(**name))]
        aws[EAST].cloudwatch.put_metric_data(Namespace="drctl", MetricData=[{"MetricName": "one", "Value": 1.0}])
        return found

    ours, theirs = map(told, wires)
    assert ours == theirs


@pytest.mark.parametrize("mode", ["refuse", "error"])
def test_an_outage_ends_calls_as_the_sdk_tells_it(wires: tuple[Aws, Aws], lab_server: Lab, mode: str) -> None:
    outages.start(WEST, "", mode)
    try:
        for ask in (lambda aws: aws[WEST].rds.describe_global_clusters(**GLOBAL),
                    lambda aws: aws[WEST].rds.failover_global_cluster(
                        **GLOBAL, TargetDbClusterIdentifier=arn(WEST), AllowDataLoss=True),
                    lambda aws: aws[WEST].s3.put_object(Bucket=BUCKET, Key="one", Body=b""),
                    lambda aws: aws[WEST].s3.delete_object(Bucket=BUCKET, Key="one"),
                    lambda aws: aws[WEST].s3.head_object(Bucket=BUCKET, Key="one"),
                    lambda aws: aws[WEST].lambda_.get_function_concurrency(FunctionName=APP),
                    lambda aws: aws[WEST].ssm.get_parameter(Name="/drctl/lab/name-servers")):
            heard = Heard(), Heard()
            ours, theirs = (seen(partial(ask, aws)) for aws in (short(heard[0]), real(lab_server, heard[1])))
            assert ours == theirs
            assert [one[:2] for one in heard[0].told] == [one[:2] for one in heard[1].told]
    finally:
        outages.end()


def test_the_fence_stands_on_either_wire(wires: tuple[Aws, Aws], lab_server: Lab) -> None:
    fence = Fence(EAST, WEST)
    for aws in (short(fence=fence), real(lab_server, fence=fence)):
        with pytest.raises(Fenced):
            aws[EAST].rds.describe_global_clusters(**GLOBAL)
        assert members(aws[WEST].rds.describe_global_clusters(**GLOBAL))

