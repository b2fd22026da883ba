"""A queue's name needs its minute."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.aws.errors import code_of
from drctl.engine.run import Run
from drctl.lab.clock import CLOCK
from drctl.settings import Settings
from drctl.steps.dead_letters import DeadLetters
from drctl.steps.key import Key
from tests.conftest import ensure_with_needs
from tests.steps.lifecycle import findings

SITE = Settings().primary


def test_a_name_just_freed_is_refused(aws: Aws) -> None:
    sqs, speed = aws[SITE.region].sqs, CLOCK.speed
    CLOCK.set_speed(1.0)
    try:
        sqs.delete_queue(QueueUrl=sqs.create_queue(QueueName="q")["QueueUrl"])
        with pytest.raises(ClientError) as refused:
            sqs.create_queue(QueueName="q")
    finally:
        CLOCK.set_speed(speed)
    assert code_of(refused.value) == "AWS.SimpleQueueService.QueueDeletedRecently"


def test_a_queue_is_made_again_once_its_name_is_free(run: Run) -> None:
    queue = DeadLetters(SITE, Key(SITE))
    for _ in range(3):
        ensure_with_needs(run, queue)
        assert findings(run, queue) == []
        queue.destroy(run)
        run.forget(queue)
