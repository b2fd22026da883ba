"""What cannot be forwarded waits on an encrypted queue that only the forwarding rule may fill."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.settings import Settings
from drctl.steps.dead_letters import DeadLetters
from drctl.steps.key import Key
from tests.conftest import ensure_with_needs
from tests.steps.lifecycle import assert_a_second_run_changes_nothing, assert_mended, destroy_twice, findings, lagging

SITE = Settings().primary
QUEUE = DeadLetters(SITE, Key(SITE))


def test_the_queue_is_encrypted_and_keeps_messages_for_two_weeks(run: Run, make_run: Callable[..., Run]) -> None:
    out = ensure_with_needs(run, QUEUE)
    assert out.key == run.output(QUEUE.encryption_key).arn
    assert out.retention_s == 14 * 86_400
    assert findings(run, QUEUE) == []
    assert_a_second_run_changes_nothing(make_run, QUEUE)


@pytest.mark.notices("DeadLetters")
@pytest.mark.parametrize(("attribute", "value", "text"), [
    ("Policy", "", "admit"), ("KmsMasterKeyId", "alias/other", "encrypted"), ("MessageRetentionPeriod", "60", "60 s")])
def test_a_changed_attribute_is_noticed_and_mended(run: Run, aws: Aws, attribute: str, value: str, text: str) -> None:
    url, sqs = ensure_with_needs(run, QUEUE).url, aws[SITE.region].sqs
    attributes: dict[str, str] = {attribute: value}
    assert_mended(run, QUEUE, lambda: sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes), text)  # type: ignore[arg-type]  # the name is a parameter


def test_destroy_removes_the_queue_and_twice_is_fine(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, QUEUE)
    other = aws[SITE.region].sqs.create_queue(QueueName="somebody-elses")["QueueUrl"]
    destroy_twice(run, QUEUE)
    assert aws[SITE.region].sqs.list_queues()["QueueUrls"] == [other]


def test_a_queue_of_somebody_else_is_not_deleted(run: Run, aws: Aws) -> None:
    aws[SITE.region].sqs.create_queue(QueueName=run.name("queue", "dead-letters", SITE))
    with pytest.raises(Refused, match="does not belong"):
        QUEUE.destroy(run)


def test_a_queue_of_somebody_else_keeps_its_attributes(run: Run, aws: Aws) -> None:
    sqs, name = aws[SITE.region].sqs, run.name("queue", "dead-letters", SITE)
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    with pytest.raises(Refused, match=name):
        ensure_with_needs(run, QUEUE)
    assert "KmsMasterKeyId" not in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


def test_a_queue_is_made_while_sqs_lags(run: Run) -> None:
    ensure_with_needs(run, QUEUE.encryption_key)
    with lagging():
        out = QUEUE.ensure(run)
    assert list(QUEUE.verify(run, out)) == []


def test_a_queue_whose_creation_had_no_answer_is_found_to_be_ours(run: Run, aws: Aws) -> None:
    key = ensure_with_needs(run, QUEUE.encryption_key).arn
    with lagging():
        aws[SITE.region].sqs.create_queue(QueueName=run.name("queue", "dead-letters", SITE), tags=run.tags(SITE),
                                          Attributes={"KmsMasterKeyId": "alias/aws/sqs"})
        assert QUEUE.find(run) is None
        assert QUEUE.ensure(run).key == key


def test_a_queue_is_gone_when_it_was_destroyed(run: Run) -> None:
    ensure_with_needs(run, QUEUE)
    with lagging():
        QUEUE.destroy(run)
        assert QUEUE.find(run) is None
