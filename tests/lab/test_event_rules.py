"""Buses, rules and archives in the lab are as late and as strict as those of EventBridge."""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.events.models import events_backends

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from drctl.lab.event_rules import changing
from tests.lab.account import ACCOUNT, REGION, policy, refusal
from tests.lab.conftest import eventually

BUS = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/bus"
PATTERN = json.dumps({"source": ["app"]})
UNKNOWN = "ResourceNotFoundException"


@pytest.fixture
def events(aws: Aws) -> Any:
    client = aws[REGION].events
    aws[REGION].sqs.list_queues()  # the clients are made before time stands still
    client.create_event_bus(Name="bus")
    return client


def put(events: Any, **more: Any) -> None:
    events.put_rule(Name="r", EventBusName="bus", EventPattern=PATTERN, **more)


def aim(events: Any, *ids: str) -> Any:
    return events.put_targets(Rule="r", EventBusName="bus", Targets=[
        {"Id": one, "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"} for one in ids])


def known(name: str = "r") -> Any:
    return events_backends[ACCOUNT][REGION].event_buses["bus"].rules.get(name)


@pytest.mark.rule("bus-visible")
def test_a_bus_just_made_is_unknown_for_some_seconds(events: Any, clock: LabClock) -> None:
    events.create_event_bus(Name="young")
    assert refusal(lambda: events.describe_event_bus(Name="young")) == UNKNOWN
    assert refusal(lambda: events.put_rule(Name="r", EventBusName="young", EventPattern=PATTERN)) == UNKNOWN
    assert refusal(lambda: events.create_event_bus(Name="young")) == "ResourceAlreadyExistsException"
    clock.skip(seconds("bus-visible"))
    events.describe_event_bus(Name="young")


@pytest.mark.rule("bus-name")
def test_a_name_of_awss_own_is_refused(events: Any) -> None:
    assert refusal(lambda: events.create_event_bus(Name="aws.mine")) == "ValidationException"


def test_the_default_bus_stays_and_a_bus_that_is_gone_is_deleted_without_a_word(events: Any) -> None:
    assert refusal(lambda: events.delete_event_bus(Name="default")) == "ValidationException"
    events.delete_event_bus(Name="nowhere")


@pytest.mark.rule("bus-policy-in-turn")
def test_two_changes_of_a_policy_at_once_do_not_both_succeed(events: Any) -> None:
    text = policy(Sid="a", Principal={"AWS": ACCOUNT}, Action="events:PutEvents", Resource=BUS)
    with changing(events_backends[ACCOUNT][REGION].event_buses["bus"]):
        assert refusal(lambda: events.put_permission(EventBusName="bus", Policy=text)
                       ) == "ConcurrentModificationException"
    events.put_permission(EventBusName="bus", Policy=text)


@pytest.mark.rule("event-rule-visible")
def test_a_rule_just_made_is_unknown_for_some_seconds(events: Any, clock: LabClock) -> None:
    put(events)
    put(events)
    assert refusal(lambda: events.describe_rule(Name="r", EventBusName="bus")) == UNKNOWN
    assert refusal(lambda: aim(events, "t")) == UNKNOWN
    clock.skip(seconds("event-rule-visible"))
    assert aim(events, "t")["FailedEntryCount"] == 0
    put(events)
    assert events.describe_rule(Name="r", EventBusName="bus")["Name"] == "r"


def received(aws: Aws) -> int:
    """Events put on the bus now that reach the queue."""
    sqs = aws[REGION].sqs
    url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
    aws[REGION].events.put_events(Entries=[
        {"EventBusName": "bus", "Source": "app", "DetailType": "t", "Detail": "{}"}])
    eventually(lambda: True)
    return len(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []))


@pytest.mark.rule("event-rule-acts")
@pytest.mark.rule("event-rule-idle")
def test_a_rule_lets_the_events_of_its_first_seconds_pass(aws: Aws, events: Any, clock: LabClock) -> None:
    admits = policy(Principal={"Service": "events.amazonaws.com"}, Action="sqs:SendMessage", Resource="*")
    aws[REGION].sqs.create_queue(QueueName="q", Attributes={"Policy": admits})
    put(events)
    clock.skip(seconds("event-rule-visible"))
    aim(events, "t")
    assert received(aws) == 0
    clock.skip(seconds("event-rule-acts"))
    put(events, Description="another")
    assert received(aws) == 1


@pytest.mark.rule("event-rule-tags")
def test_a_change_of_a_rule_does_not_tag_it(events: Any) -> None:
    put(events, Tags=[{"Key": "a", "Value": "1"}])
    put(events, Tags=[{"Key": "a", "Value": "2"}])
    assert events.list_tags_for_resource(ResourceARN=known().arn)["Tags"] == [{"Key": "a", "Value": "1"}]


def archived(events: Any) -> str:
    """Archive the bus; returns the name of the archive's own rule."""
    events.create_archive(ArchiveName="all", EventSourceArn=BUS)
    return "Events-Archive-all"


@pytest.mark.rule("managed-rule")
def test_the_rule_of_an_archive_is_not_for_others_to_delete(events: Any) -> None:
    name = archived(events)
    for call in (lambda: events.delete_rule(Name=name, EventBusName="bus"),
                 lambda: events.remove_targets(Rule=name, EventBusName="bus", Ids=[name])):
        assert refusal(call) == "ManagedRuleException"
    assert known(name) is not None


@pytest.mark.rule("targets-limit")
def test_a_rule_has_five_targets_at_most(events: Any) -> None:
    put(events)
    aim(events, *"abcd")
    aim(events, *"de")
    assert refusal(lambda: aim(events, "f")) == "LimitExceededException"


@pytest.mark.rule("targets-in-turn")
def test_a_change_of_targets_may_fail_inside_a_success(events: Any) -> None:
    put(events)
    with changing(known()):
        answer = aim(events, "t")
    assert (answer["FailedEntryCount"], answer["FailedEntries"][0]["ErrorCode"]) == (
        1, "ConcurrentModificationException")
    assert aim(events, "t")["FailedEntryCount"] == 0


@pytest.mark.rule("archive-creating")
def test_an_archive_is_being_created_for_a_moment(events: Any, clock: LabClock) -> None:
    clock.skip(60)
    archived(events)
    assert events.describe_archive(ArchiveName="all")["State"] == "CREATING"
    clock.skip(seconds("archive-create"))
    assert events.describe_archive(ArchiveName="all")["State"] == "ENABLED"


@pytest.mark.rule("archive-deleting")
def test_the_rule_of_an_archive_goes_a_moment_after_it(events: Any, clock: LabClock) -> None:
    clock.skip(60)
    archived(events)
    events.delete_archive(ArchiveName="all")
    assert refusal(lambda: events.describe_archive(ArchiveName="all")) == UNKNOWN
    assert refusal(lambda: events.delete_event_bus(Name="bus")) == "ValidationException"
    clock.skip(seconds("archive-delete"))
    assert eventually(lambda: known("Events-Archive-all") is None)
    events.delete_event_bus(Name="bus")


def test_an_archives_name_has_forty_eight_characters_at_most(events: Any) -> None:
    assert refusal(lambda: events.create_archive(ArchiveName="a" * 49, EventSourceArn=BUS)) == "ValidationException"
    events.create_archive(ArchiveName="a" * 48, EventSourceArn=BUS)
