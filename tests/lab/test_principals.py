"""Policies on resources name nobody who is unknown, or was made seconds ago; each service says so in its own words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK, LabClock
from drctl.lab.principals import unknown
from tests.lab.account import ACCOUNT, REGION, policy, refusal, role

Put = Callable[[Any, str], Any]
NAMED = policy(Sid="worker", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/worker"}, Action="*", Resource="*")


def key(at: Any, text: str) -> Any:
    return at.kms.create_key(Policy=text, BypassPolicyLockoutSafetyCheck=True)


def key_change(at: Any, text: str) -> Any:
    if not (keys := at.kms.list_keys()["Keys"]):
        keys = [at.kms.create_key()["KeyMetadata"]]
        CLOCK.skip(seconds("key-visible"))
    key_id = keys[0]["KeyId"]
    at.kms.put_key_policy(KeyId=key_id, PolicyName="default", Policy=text, BypassPolicyLockoutSafetyCheck=True)


def bucket(at: Any, text: str) -> Any:
    at.s3.create_bucket(Bucket="bucket")
    CLOCK.skip(seconds("bucket-settable"))
    at.s3.put_bucket_policy(Bucket="bucket", Policy=text)


def queue(at: Any, text: str) -> Any:
    at.sqs.create_queue(QueueName="queue", Attributes={"Policy": text})


def queue_change(at: Any, text: str) -> Any:
    url = at.sqs.create_queue(QueueName="queue")["QueueUrl"]
    CLOCK.skip(seconds("queue-visible"))
    at.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": text})


def topic(at: Any, text: str) -> Any:
    at.sns.create_topic(Name="topic", Attributes={"Policy": text})


def topic_change(at: Any, text: str) -> Any:
    arn = at.sns.create_topic(Name="topic")["TopicArn"]
    CLOCK.skip(seconds("topic-visible"))
    at.sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=text)


def secret(at: Any, text: str) -> Any:
    if not at.secrets.list_secrets()["SecretList"]:
        at.secrets.create_secret(Name="secret", SecretString="s")
    at.secrets.put_resource_policy(SecretId="secret", ResourcePolicy=text)


def bus(at: Any, text: str) -> Any:
    at.events.put_permission(EventBusName="default", Policy=text)


PUTS: list[tuple[Put, str, str]] = [
    (key, "MalformedPolicyDocumentException", "key-policy-principals"),
    (key_change, "MalformedPolicyDocumentException", "key-policy-change-principals"),
    (bucket, "MalformedPolicy", "bucket-policy-principals"),
    (queue, "InvalidAttributeValue", "queue-policy-principals"),
    (queue_change, "InvalidAttributeValue", "queue-policy-change-principals"),
    (topic, "InvalidParameter", "topic-policy-principals"),
    (topic_change, "InvalidParameter", "topic-policy-change-principals"),
    (secret, "MalformedPolicyDocumentException", "secret-policy-principals"),
    (bus, "ValidationException", "bus-policy-principals")]


@pytest.mark.parametrize(("put", "code"), [
    pytest.param(put, code, marks=pytest.mark.rule(name), id=name) for put, code, name in PUTS])
def test_a_role_that_is_unknown_or_too_young_is_refused(aws: Aws, clock: LabClock, put: Put, code: str) -> None:
    at = aws[REGION]
    at.s3.list_buckets()  # the client is made before time stands still
    assert refusal(lambda: put(at, NAMED)) == code
    role(aws)
    assert refusal(lambda: put(at, NAMED)) == code
    clock.skip(seconds("role-usable"))
    put(at, NAMED)


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": ACCOUNT}, {"Service": "s3.amazonaws.com"},
                                       {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}])
def test_everybody_accounts_and_services_are_known(lab: Any, principal: Any) -> None:
    assert unknown(policy(Principal=principal)) is None


def test_a_principal_that_is_gone_stays_as_an_id_which_nobody_may_name(lab: Any) -> None:
    assert unknown(policy(Principal={"AWS": ["AROAQWERTYUIOPASDFGHJ"]})) == "AROAQWERTYUIOPASDFGHJ"
