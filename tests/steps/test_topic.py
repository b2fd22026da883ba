"""Alarms have somebody to speak to: an encrypted topic that CloudWatch may use, and an address by choice."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from drctl.aws.clients import Aws
from drctl.aws.tags import as_list
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.lab.topics import confirm
from drctl.settings import Settings
from drctl.settings_operation import Alarms
from drctl.steps.key import Key
from drctl.steps.topic import Topic
from tests.conftest import ensure_with_needs
from tests.steps.lifecycle import assert_a_second_run_changes_nothing, assert_mended, destroy_twice, findings, lagging

SITE = Settings().primary
TOPIC = Topic(SITE, Key(SITE))
WITH_EMAIL = Settings(alarms=Alarms(email="oncall@example.com"))


def test_the_topic_is_encrypted_and_cloudwatch_of_this_account_may_publish(
        run: Run, make_run: Callable[..., Run]) -> None:
    out = ensure_with_needs(run, TOPIC)
    statement = json.loads(out.policy)["Statement"][0]
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    assert out.encrypted_with == run.output(TOPIC.encryption_key).arn
    assert_a_second_run_changes_nothing(make_run, TOPIC)


def test_an_address_is_subscribed_once(make_run: Callable[..., Run], aws: Aws) -> None:
    ensure_with_needs(make_run(WITH_EMAIL), TOPIC)
    assert_a_second_run_changes_nothing(make_run, TOPIC, settings=WITH_EMAIL)
    subscriptions = aws[SITE.region].sns.list_subscriptions()["Subscriptions"]
    assert [one["Endpoint"] for one in subscriptions] == ["oncall@example.com"]


@pytest.mark.notices("Topic")
def test_damage_is_noticed_and_mended(make_run: Callable[..., Run], aws: Aws) -> None:
    run, sns = make_run(WITH_EMAIL), aws[SITE.region].sns
    arn = ensure_with_needs(run, TOPIC).arn
    anybody = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Sid": "x", "Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": arn}]})
    assert_mended(run, TOPIC, lambda: sns.set_topic_attributes(
        TopicArn=arn, AttributeName="Policy", AttributeValue=anybody), "publish")
    assert_mended(run, TOPIC, lambda: sns.set_topic_attributes(
        TopicArn=arn, AttributeName="KmsMasterKeyId", AttributeValue="alias/aws/sns"), "encrypted")
    subscription = confirm(SITE.region, "oncall@example.com")
    assert_mended(run, TOPIC, lambda: sns.unsubscribe(SubscriptionArn=subscription), "not subscribed")


def test_destroy_removes_topic_and_subscription(make_run: Callable[..., Run], aws: Aws) -> None:
    run = make_run(WITH_EMAIL)
    ensure_with_needs(run, TOPIC)
    destroy_twice(run, TOPIC)
    assert aws[SITE.region].sns.list_subscriptions()["Subscriptions"] == []
    assert findings(run, TOPIC) == ["absent"]


def test_a_topic_of_somebody_else_is_not_deleted(run: Run, aws: Aws) -> None:
    aws[SITE.region].sns.create_topic(Name=run.name("sns", "alarms", SITE))
    with pytest.raises(Refused, match="does not belong"):
        TOPIC.destroy(run)


def test_a_topic_of_somebody_else_keeps_its_attributes(run: Run, aws: Aws) -> None:
    sns, name = aws[SITE.region].sns, run.name("sns", "alarms", SITE)
    arn = sns.create_topic(Name=name)["TopicArn"]
    with pytest.raises(Refused, match=name):
        ensure_with_needs(run, TOPIC)
    assert "KmsMasterKeyId" not in sns.get_topic_attributes(TopicArn=arn)["Attributes"]


def test_a_topic_is_made_while_sns_lags(make_run: Callable[..., Run]) -> None:
    run = make_run(WITH_EMAIL)
    ensure_with_needs(run, TOPIC.encryption_key)
    with lagging():
        out = TOPIC.ensure(run)
    assert out.emails == {"oncall@example.com": "PendingConfirmation"}
    assert list(TOPIC.verify(run, out)) == []


def test_a_topic_whose_creation_had_no_answer_is_found_to_be_ours(run: Run, aws: Aws) -> None:
    key = ensure_with_needs(run, TOPIC.encryption_key).arn
    name = run.name("sns", "alarms", SITE)
    with lagging():
        aws[SITE.region].sns.create_topic(Name=name, Tags=as_list(run.tags(SITE, name)))
        assert TOPIC.find(run) is None
        assert TOPIC.ensure(run).encrypted_with == key
