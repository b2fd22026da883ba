"""Queues in the lab are as late and as strict as those of SQS."""

from __future__ import annotations

from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.engine.run import Run
from drctl.lab.clock import LabClock
from drctl.settings import Settings
from drctl.steps.dead_letters import DeadLetters
from drctl.steps.key import Key
from tests.conftest import ensure_with_needs
from tests.lab.account import ACCOUNT, policy, refusal
from tests.steps.lifecycle import findings

SITE = Settings().primary
POLICY = policy(Principal={"AWS": ACCOUNT}, Action="sqs:SendMessage", Resource="*")
GONE = "AWS.SimpleQueueService.NonExistentQueue"


@pytest.fixture
def sqs(aws: Aws) -> Any:
    client = aws[SITE.region].sqs
    client.list_queues()  # the client is made before time stands still
    return client


def made(sqs: Any, clock: LabClock, **attributes: str) -> str:
    """A queue that everybody knows by now; returns its URL."""
    url = str(sqs.create_queue(QueueName="q", Attributes=attributes)["QueueUrl"])
    clock.skip(seconds("queue-visible"))
    return url


@pytest.mark.rule("queue-name-taken")
def test_a_name_is_taken_for_a_minute_after_its_queue_was_deleted(sqs: Any, clock: LabClock) -> None:
    sqs.delete_queue(QueueUrl=made(sqs, clock))
    assert refusal(lambda: sqs.create_queue(QueueName="q")) == "AWS.SimpleQueueService.QueueDeletedRecently"
    clock.skip(seconds("queue-name-free"))
    sqs.create_queue(QueueName="q")


def test_a_queue_is_made_again_once_its_name_is_free(run: Run) -> None:
    queue = DeadLetters(SITE, Key(SITE))
    for _ in range(3):
        ensure_with_needs(run, queue)
        assert findings(run, queue) == []
        queue.destroy(run)
        run.forget(queue)


def test_the_same_queue_is_answered_again_and_another_of_its_name_refused(sqs: Any) -> None:
    first = sqs.create_queue(QueueName="q", Attributes={"DelaySeconds": "1"})
    assert sqs.create_queue(QueueName="q", Attributes={"DelaySeconds": "1"})["QueueUrl"] == first["QueueUrl"]
    assert refusal(lambda: sqs.create_queue(QueueName="q", Attributes={"DelaySeconds": "2"})) == "QueueAlreadyExists"


@pytest.mark.rule("queue-visible")
def test_a_queue_just_made_is_unknown_for_some_seconds(sqs: Any, clock: LabClock) -> None:
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    assert refusal(lambda: sqs.get_queue_url(QueueName="q")) == GONE
    assert refusal(lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])) == GONE
    clock.skip(seconds("queue-visible"))
    assert sqs.get_queue_url(QueueName="q")["QueueUrl"] == url


@pytest.mark.rule("queue-deleting")
def test_a_deleted_queue_is_still_seen_for_a_while(sqs: Any, clock: LabClock) -> None:
    url = made(sqs, clock)
    for _ in range(2):
        sqs.delete_queue(QueueUrl=url)
        assert sqs.get_queue_url(QueueName="q")["QueueUrl"] == url
    clock.skip(seconds("queue-deleting"))
    assert refusal(lambda: sqs.get_queue_url(QueueName="q")) == GONE


WRONG = [({"MessageRetentionPeriod": "59"}, "InvalidAttributeValue"),
         ({"DelaySeconds": "901"}, "InvalidAttributeValue"),
         ({"VisibilityTimeout": "43201"}, "InvalidAttributeValue"), ({"Colour": "red"}, "InvalidAttributeName")]


@pytest.mark.rule("queue-attribute-limits")
@pytest.mark.parametrize(("wrong", "code"), WRONG)
def test_a_queue_with_attributes_beyond_their_limits_is_refused(sqs: Any, wrong: Any, code: str) -> None:
    assert refusal(lambda: sqs.create_queue(QueueName="q", Attributes=wrong)) == code
    sqs.create_queue(QueueName="q", Attributes={"MessageRetentionPeriod": "60"})


@pytest.mark.rule("queue-attribute-change-limits")
@pytest.mark.parametrize(("wrong", "code"), WRONG)
def test_a_change_beyond_the_limits_is_refused(sqs: Any, wrong: Any, code: str) -> None:
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    assert refusal(lambda: sqs.set_queue_attributes(QueueUrl=url, Attributes=wrong)) == code


def test_a_name_has_eighty_letters_digits_hyphens_and_underscores_at_most(sqs: Any) -> None:
    sqs.create_queue(QueueName="q" * 80)
    for name in ("q" * 81, "q.r", "q r"):
        assert refusal(lambda: sqs.create_queue(QueueName=name)) == "InvalidParameterValue"  # noqa: B023  # called at once


@pytest.mark.rule("queue-attributes-lag")
def test_a_changed_attribute_is_read_as_it_was_for_some_seconds(sqs: Any, clock: LabClock) -> None:
    url = made(sqs, clock, DelaySeconds="1")

    def read() -> Any:
        wanted: Any = ["DelaySeconds", "Policy"]
        return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=wanted).get("Attributes", {})

    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "2", "Policy": POLICY})
    assert read() == {"DelaySeconds": "1"}
    clock.skip(seconds("queue-attributes-visible"))
    assert read() == {"DelaySeconds": "2", "Policy": POLICY}


@pytest.mark.rule("queue-purge")
def test_a_queue_is_purged_once_in_a_minute(sqs: Any, clock: LabClock) -> None:
    url = made(sqs, clock)
    sqs.purge_queue(QueueUrl=url)
    assert refusal(lambda: sqs.purge_queue(QueueUrl=url)) == "AWS.SimpleQueueService.PurgeQueueInProgress"
    clock.skip(60)
    sqs.purge_queue(QueueUrl=url)
