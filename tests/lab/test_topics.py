"""Topics and subscriptions in the lab are as late and as strict as those of SNS."""

from __future__ import annotations

from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from drctl.lab.topics import confirm
from tests.lab.account import ACCOUNT, REGION, refusal, words


@pytest.fixture
def sns(aws: Aws) -> Any:
    client = aws[REGION].sns
    client.list_topics()  # the client is made before time stands still
    return client


@pytest.mark.rule("topic-visible")
def test_a_topic_just_made_is_unknown_for_some_seconds(sns: Any, clock: LabClock) -> None:
    arn = sns.create_topic(Name="t")["TopicArn"]
    assert refusal(lambda: sns.get_topic_attributes(TopicArn=arn)) == "NotFound"
    clock.skip(seconds("topic-visible"))
    sns.get_topic_attributes(TopicArn=arn)


@pytest.mark.rule("topic-attributes-differ")
def test_a_second_topic_of_the_name_is_refused_unless_it_is_the_same(sns: Any) -> None:
    wanted: Any = {"Name": "t", "Attributes": {"DisplayName": "a", "Policy": '{"Statement": [{"Sid": "a"}]}'},
                   "Tags": [{"Key": "k", "Value": "v"}]}
    arn = sns.create_topic(**wanted)["TopicArn"]
    assert sns.create_topic(**wanted)["TopicArn"] == sns.create_topic(Name="t")["TopicArn"] == arn
    assert refusal(lambda: sns.create_topic(Name="t", Attributes={"DisplayName": "b"})) == "InvalidParameter"
    assert "different tags" in words(lambda: sns.create_topic(Name="t", Tags=[{"Key": "k", "Value": "w"}]))


def test_a_name_has_letters_digits_hyphens_and_underscores(sns: Any) -> None:
    sns.create_topic(Name="t" * 256)
    for name in ("t" * 257, "t.u", "t u"):
        assert refusal(lambda: sns.create_topic(Name=name)) == "InvalidParameter"  # noqa: B023  # called at once


def test_a_topic_that_is_not_there_is_deleted_without_a_word(sns: Any) -> None:
    sns.delete_topic(TopicArn=f"arn:aws:sns:{REGION}:{ACCOUNT}:nowhere")


def subscribed(sns: Any) -> tuple[str, str]:
    """A topic that somebody is asked to hear: its ARN and the subscription's."""
    topic = sns.create_topic(Name="t")["TopicArn"]
    return topic, sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com",
                                ReturnSubscriptionArn=True)["SubscriptionArn"]


@pytest.mark.rule("subscription-pending")
@pytest.mark.rule("subscription-listed-pending")
def test_an_address_is_pending_until_it_confirms(sns: Any) -> None:
    topic, arn = subscribed(sns)
    listed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert [one["SubscriptionArn"] for one in listed] == ["PendingConfirmation"]
    assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["PendingConfirmation"] == "true"


@pytest.mark.rule("unsubscribe-pending")
def test_a_pending_subscription_cannot_be_deleted(sns: Any) -> None:
    topic, arn = subscribed(sns)
    assert "pending confirmation" in words(lambda: sns.unsubscribe(SubscriptionArn=arn))
    assert refusal(lambda: sns.unsubscribe(SubscriptionArn="PendingConfirmation")) == "InvalidParameter"
    assert len(sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]) == 1
    sns.unsubscribe(SubscriptionArn=confirm(REGION, "a@example.com"))
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []
