"""Events reach their targets when roles and policies let them, and the dead-letter queue or nowhere when not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.aws.errors import code_of, message_of
from tests.lab.conftest import eventually

HERE, THERE, ACCOUNT = "us-east-1", "us-west-2", "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/forwarder"
BUS = {region: f"arn:aws:events:{region}:{ACCOUNT}:event-bus/bus" for region in (HERE, THERE, "eu-west-1")}
RULE = f"arn:aws:events:{HERE}:{ACCOUNT}:rule/bus/forward"
SERVICE = {"Service": "events.amazonaws.com"}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]})


def until(done: Callable[[], bool]) -> None:
    """Wait for the lab."""
    assert eventually(done), "it did not happen"


@dataclass
class World:
    """Buses in two regions, a rule that forwards from one to the other, queues that see what arrives."""

    aws: Aws

    def queue(self, region: str, name: str, rule: str = "*", **attributes: str) -> str:
        """A queue that a rule may fill; answers its ARN."""
        arn = f"arn:aws:sqs:{region}:{ACCOUNT}:{name}"
        admits = policy({"Principal": SERVICE, "Action": "sqs:SendMessage", "Resource": arn,
                         "Condition": {"ArnLike": {"aws:SourceArn": rule}}})
        all_of_them: Any = {"Policy": admits, **attributes}
        self.aws[region].sqs.create_queue(QueueName=name, Attributes=all_of_them)
        return arn

    def watch(self, region: str, **target: Any) -> None:
        """All events on the region's bus go to its queue `seen`."""
        self.rule(region, "watch", {"Id": "queue", "Arn": self.queue(region, "seen"), **target})

    def rule(self, region: str, name: str, *targets: Any, pattern: Any = None) -> None:
        events = self.aws[region].events
        events.put_rule(Name=name, EventBusName="bus", EventPattern=json.dumps(pattern or {"source": ["app"]}))
        events.put_targets(Rule=name, EventBusName="bus", Targets=list(targets))

    def forward(self, region: str = HERE, to: str = THERE, **target: Any) -> None:
        self.rule(region, "forward", {"Id": "bus", "Arn": BUS[to], "RoleArn": ROLE, **target})

    def put(self, region: str = HERE) -> dict[str, Any]:
        return dict(self.aws[region].events.put_events(Entries=[
            {"EventBusName": "bus", "Source": "app", "DetailType": "made", "Detail": '{"n": 1}'}]))

    def messages(self, region: str, name: str = "seen") -> list[dict[str, Any]]:
        sqs = self.aws[region].sqs
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        got: list[Any] = list(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0,
                                                  MessageAttributeNames=["All"]).get("Messages", []))
        return got

    def count(self, metric: str, region: str = HERE) -> float:
        now = datetime.now(UTC)
        points = self.aws[region].cloudwatch.get_metric_statistics(
            Namespace="AWS/Events", MetricName=metric, Dimensions=[{"Name": "RuleName", "Value": "forward"}],
            StartTime=now - timedelta(hours=1), EndTime=now + timedelta(hours=1), Period=86400, Statistics=["Sum"])
        return sum(point["Sum"] for point in points["Datapoints"])


@pytest.fixture
def world(aws: Aws) -> World:
    iam = aws[HERE].iam
    iam.create_role(RoleName="forwarder", AssumeRolePolicyDocument=policy(
        {"Principal": SERVICE, "Action": "sts:AssumeRole",
         "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}}}))
    iam.put_role_policy(RoleName="forwarder", PolicyName="put", PolicyDocument=policy(
        {"Action": "events:PutEvents", "Resource": list(BUS.values())}))
    for region, arn in BUS.items():
        aws[region].events.create_event_bus(Name="bus")
        aws[region].events.put_permission(EventBusName="bus", Policy=policy(
            {"Sid": "other", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "events:PutEvents",
             "Resource": arn}))
    return World(aws)


def test_an_event_arrives_in_the_other_region_with_the_region_where_it_began(world: World) -> None:
    world.watch(THERE)
    world.forward()
    assert world.put()["FailedEntryCount"] == 0
    until(lambda: bool(world.messages(THERE)))
    event = json.loads(world.messages(THERE)[0]["Body"])
    assert (event["region"], event["account"], event["detail"]) == (HERE, ACCOUNT, {"n": 1})
    assert event["time"].endswith("Z")
    assert world.count("FailedInvocations") == 0


def test_a_bus_does_not_hand_on_what_it_received(world: World) -> None:
    world.watch(THERE)
    world.watch("eu-west-1")
    world.forward()
    world.forward(THERE, "eu-west-1")
    world.put()
    until(lambda: bool(world.messages(THERE)))
    world.put(THERE)
    until(lambda: bool(world.messages("eu-west-1")))
    assert [json.loads(one["Body"])["region"] for one in world.messages("eu-west-1")] == [THERE]


def test_two_opposite_rules_do_not_loop(world: World) -> None:
    world.watch(HERE)
    world.watch(THERE)
    world.forward()
    world.forward(THERE, HERE)
    world.put()
    until(lambda: bool(world.messages(THERE)))
    assert (len(world.messages(HERE)), len(world.messages(THERE))) == (1, 1)


def _role_may_nothing(world: World) -> None:
    world.aws[HERE].iam.delete_role_policy(RoleName="forwarder", PolicyName="put")


def _role_trusts_another(world: World) -> None:
    world.aws[HERE].iam.update_assume_role_policy(RoleName="forwarder", PolicyDocument=policy(
        {"Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}))


def _bus_admits_nobody(world: World) -> None:
    world.aws[THERE].events.remove_permission(EventBusName="bus", RemoveAllPermissions=True)


def _bus_admits_another_rule(world: World) -> None:
    _bus_admits_with(world, {"aws:SourceArn": RULE + "-2"})


def _bus_admits_with(world: World, condition: dict[str, str]) -> None:
    _bus_admits_nobody(world)
    world.aws[THERE].events.put_permission(EventBusName="bus", Policy=policy(
        {"Sid": "other", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "events:PutEvents",
         "Resource": BUS[THERE], "Condition": {"ArnEquals": condition}}))


def _bus_admits_a_rule_where_a_role_comes(world: World) -> None:
    _bus_admits_with(world, {"aws:SourceArn": RULE})


BROKEN = [_bus_admits_a_rule_where_a_role_comes,
          _role_may_nothing, _role_trusts_another, _bus_admits_nobody, _bus_admits_another_rule]


@pytest.mark.parametrize("break_it", BROKEN)
def test_what_may_not_pass_becomes_a_dead_letter(world: World, break_it: Callable[[World], None]) -> None:
    world.watch(THERE)
    world.forward(DeadLetterConfig={"Arn": world.queue(HERE, "dead", RULE)})
    break_it(world)
    world.put()
    until(lambda: bool(world.messages(HERE, "dead")))
    letter = world.messages(HERE, "dead")[0]
    assert json.loads(letter["Body"])["detail"] == {"n": 1}
    assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    assert letter["MessageAttributes"]["RULE_ARN"]["StringValue"] == RULE
    assert world.messages(THERE) == []
    assert (world.count("FailedInvocations"), world.count("InvocationsSentToDlq")) == (1, 1)


def test_an_event_is_lost_when_the_dead_letter_queue_does_not_admit_the_rule(world: World) -> None:
    world.forward(DeadLetterConfig={"Arn": world.queue(HERE, "dead", RULE + "-2")})
    _role_may_nothing(world)
    world.put()
    until(lambda: world.count("InvocationsFailedToBeSentToDlq") == 1)
    assert world.messages(HERE, "dead") == []


def test_an_event_is_lost_when_the_key_of_the_dead_letter_queue_does_not_admit_eventbridge(world: World) -> None:
    kms = world.aws[HERE].kms
    key = kms.create_key()["KeyMetadata"]
    world.forward(DeadLetterConfig={"Arn": world.queue(HERE, "dead", RULE, KmsMasterKeyId=key["Arn"])})
    _role_may_nothing(world)
    world.put()
    until(lambda: world.count("InvocationsFailedToBeSentToDlq") == 1)
    kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=policy(
        {"Principal": SERVICE, "Action": ["kms:GenerateDataKey*", "kms:Decrypt"], "Resource": "*"}),
        BypassPolicyLockoutSafetyCheck=True)
    world.put()
    until(lambda: len(world.messages(HERE, "dead")) == 1)


@pytest.mark.rule("event-targets")
def test_an_event_without_a_dead_letter_queue_is_lost_and_counted(world: World) -> None:
    world.forward()
    _bus_admits_nobody(world)
    assert world.put()["FailedEntryCount"] == 0
    until(lambda: world.count("FailedInvocations") == 1)


def test_a_bus_that_is_gone_costs_the_event_not_the_publisher(world: World) -> None:
    world.forward()
    world.aws[THERE].events.delete_event_bus(Name="bus")
    assert world.put()["FailedEntryCount"] == 0
    until(lambda: world.count("FailedInvocations") == 1)


def test_a_queue_takes_events_only_if_its_policy_says_so(world: World) -> None:
    world.watch(HERE)
    world.put()
    assert len(world.messages(HERE)) == 1
    url = world.aws[HERE].sqs.get_queue_url(QueueName="seen")["QueueUrl"]
    world.aws[HERE].sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy(
        {"Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*"})})
    world.put()
    assert len(world.messages(HERE)) == 1


def test_a_disabled_rule_sends_nothing(world: World) -> None:
    world.watch(HERE)
    world.aws[HERE].events.disable_rule(Name="watch", EventBusName="bus")
    world.put()
    assert world.messages(HERE) == []


def test_a_target_of_an_unknown_kind_does_not_concern_the_publisher(world: World) -> None:
    topic = {"Id": "topic", "Arn": f"arn:aws:sns:{HERE}:{ACCOUNT}:topic"}
    group = {"Id": "log", "Arn": f"arn:aws:logs:{HERE}:{ACCOUNT}:log-group:gone"}
    world.rule(HERE, "forward", topic, group)
    world.watch(HERE)
    assert world.put()["FailedEntryCount"] == 0
    assert len(world.messages(HERE)) == 1


def test_the_archive_keeps_what_passed(world: World) -> None:
    events = world.aws[HERE].events
    events.create_archive(ArchiveName="all", EventSourceArn=BUS[HERE], RetentionDays=1)
    world.put()
    assert events.describe_archive(ArchiveName="all")["EventCount"] == 1


@pytest.mark.rule("event-target-region")
@pytest.mark.parametrize(("target", "words"), [
    ({"Arn": f"arn:aws:sqs:{THERE}:{ACCOUNT}:seen"}, "region"),
    ({"Arn": f"arn:aws:lambda:{THERE}:{ACCOUNT}:function:app", "RoleArn": ROLE}, "region"),
    ({"Arn": BUS[THERE]}, "RoleArn"),
    ({"Arn": BUS[THERE], "RoleArn": ROLE + "-2"}, "cannot be assumed"),
])
def test_a_target_in_another_region_is_a_bus_with_a_role(world: World, target: dict[str, str], words: str) -> None:
    with pytest.raises(ClientError) as refused:
        world.rule(HERE, "forward", {"Id": "it", **target})
    assert code_of(refused.value) == "ValidationException"
    assert words in message_of(refused.value)


@pytest.mark.rule("bus-with-rules")
def test_a_bus_with_rules_and_a_rule_with_targets_stay(world: World) -> None:
    world.forward()
    events = world.aws[HERE].events
    with pytest.raises(ClientError) as refused:
        events.delete_event_bus(Name="bus")
    assert code_of(refused.value) == "ValidationException"
    with pytest.raises(ClientError) as refused:
        events.delete_rule(Name="forward", EventBusName="bus")
    assert code_of(refused.value) == "ValidationException"
    events.remove_targets(Rule="forward", EventBusName="bus", Ids=["bus"])
    events.delete_rule(Name="forward", EventBusName="bus")
    events.delete_event_bus(Name="bus")


def test_a_bus_that_admits_the_role_of_the_rule_is_reached(world: World) -> None:
    world.watch(THERE)
    world.forward()
    _bus_admits_with(world, {"aws:PrincipalArn": ROLE})
    world.put()
    until(lambda: bool(world.messages(THERE)))
