"""SQS queues where moto is kinder than AWS: a name needs a minute before it can be used again."""

from __future__ import annotations

from typing import Any

from moto.sqs.exceptions import SQSException
from moto.sqs.models import SQSBackend

from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK
from drctl.lab.rules import rule


def _free_at(self: SQSBackend) -> dict[str, float]:
    """When the names of deleted queues are free again, in AWS seconds."""
    free_at: dict[str, float] = self.__dict__.setdefault("_lab_free_at", {})
    return free_at


@rule("queue-name", SQSBackend, "delete_queue")
def queue_delete(proceed: Any, self: SQSBackend, queue_name: str) -> None:
    """The name of a deleted queue stays taken for a minute.

    Source: SQS API Reference, DeleteQueue.
    """
    proceed(queue_name)
    _free_at(self)[queue_name] = CLOCK.now() + seconds("queue-name-free")


@rule("queue-name-taken", SQSBackend, "create_queue")
def queue_create(proceed: Any, self: SQSBackend, name: str, tags: Any = None, **attributes: Any) -> Any:
    """A queue cannot be made again right after it was deleted: QueueDeletedRecently.

    Source: SQS API Reference, CreateQueue.
    """
    if CLOCK.now() < _free_at(self).get(name, 0.0):
        raise SQSException("AWS.SimpleQueueService.QueueDeletedRecently",
                           "You must wait 60 seconds after deleting a queue before you can create another with the "
                           "same name.")
    return proceed(name, tags, **attributes)
