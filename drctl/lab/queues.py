"""SQS queues where moto is kinder than AWS: names that stay taken, what is seen late, limits, purging."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.sqs.exceptions import InvalidAttributeName, InvalidAttributeValue, QueueDoesNotExist, SQSException
from moto.sqs.models import Queue, SQSBackend

from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK
from drctl.lab.rules import hide, is_hidden, rule

#: Least and most of each attribute that is a number (SQS API Reference, SetQueueAttributes).
LIMITS = {"DelaySeconds": (0, 900), "MaximumMessageSize": (1024, 1_048_576), "MessageRetentionPeriod": (60, 1_209_600),
          "ReceiveMessageWaitTimeSeconds": (0, 20), "VisibilityTimeout": (0, 43_200),
          "KmsDataKeyReusePeriodSeconds": (60, 86_400)}
KNOWN = frozenset({
    *LIMITS, "Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId", "SqsManagedSseEnabled", "FifoQueue",
    "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"})


def _gone(self: SQSBackend) -> dict[str, tuple[float, Queue]]:
    """By name: when a queue was deleted, and the queue."""
    gone: dict[str, tuple[float, Queue]] = self.__dict__.setdefault("_lab_gone", {})
    return gone


_delete = SQSBackend.delete_queue


def _delete_and_remember(self: SQSBackend, queue_name: str) -> None:
    queue = self.queues.get(queue_name)
    if queue is None and queue_name in _gone(self):
        self.get_queue(queue_name)  # it may still be seen, and then its deletion is no mistake
        return
    _delete(self, queue_name)
    if queue is not None:
        _gone(self)[queue_name] = (CLOCK.now(), queue)


setattr(SQSBackend, "delete_queue", _delete_and_remember)  # noqa: B010  # the moment is kept whatever rules are off


@rule("queue-name-taken", SQSBackend, "create_queue")
def queue_name_taken(proceed: Any, self: SQSBackend, name: str, tags: Any = None, **attributes: Any) -> Any:
    """A queue cannot be made again in the minute after it was deleted. Refuses with QueueDeletedRecently.

    Source: SQS API Reference, CreateQueue and DeleteQueue.
    """
    gone_at, _ = _gone(self).get(name, (-seconds("queue-name-free"), None))
    if CLOCK.now() - gone_at < seconds("queue-name-free"):
        raise SQSException("AWS.SimpleQueueService.QueueDeletedRecently",
                           "You must wait 60 seconds after deleting a queue before you can create another with the "
                           "same name.")
    return proceed(name, tags, **attributes)


@rule("queue-visible", SQSBackend, "create_queue", "get_queue")
def queue_visible(proceed: Any, self: SQSBackend, name: str, *args: Any, **kwargs: Any) -> Any:
    """A queue just made is unknown for some seconds. Refuses with NonExistentQueue.

    Source: Terraform provider: aws_sqs_queue, waits for its attributes for 2 min.
    """
    known = name in self.queues
    queue = proceed(name, *args, **kwargs)
    if proceed.func.__name__ == "create_queue":
        if not known:
            hide(queue, seconds("queue-visible"))
    elif is_hidden(queue):
        raise QueueDoesNotExist
    return queue


@rule("queue-deleting", SQSBackend, "get_queue")
def queue_deleting(proceed: Any, self: SQSBackend, queue_name: str) -> Any:
    """A deleted queue is still seen for a while.

    Source: SQS API Reference, DeleteQueue: the deletion takes up to 60 seconds.
    """
    gone_at, queue = _gone(self).get(queue_name, (0.0, None))
    if queue_name not in self.queues and queue is not None and CLOCK.now() - gone_at < seconds("queue-deleting"):
        return queue
    return proceed(queue_name)


@rule("queue-attribute-limits", SQSBackend, "create_queue")
def queue_attribute_limits(proceed: Any, _self: SQSBackend, name: str, tags: Any = None, **attributes: Any) -> Any:
    """Attributes are known and within their limits. Refuses with InvalidAttributeName, InvalidAttributeValue.

    Source: SQS API Reference, CreateQueue.
    """
    _refuse_attributes({key: value for key, value in attributes.items() if key != "region"})
    return proceed(name, tags, **attributes)


@rule("queue-attribute-change-limits", SQSBackend, "set_queue_attributes")
def queue_attribute_change_limits(proceed: Any, _self: SQSBackend, queue_name: str, attributes: Any) -> Any:
    """Changed attributes are known and within their limits. Refuses with InvalidAttributeName, InvalidAttributeValue.

    Source: SQS API Reference, SetQueueAttributes.
    """
    _refuse_attributes(attributes)
    return proceed(queue_name, attributes)


def _refuse_attributes(attributes: Mapping[str, Any]) -> None:
    for name, value in attributes.items():
        if name not in KNOWN:
            raise InvalidAttributeName(name)
        least, most = LIMITS.get(name, (0, 0))
        if name in LIMITS and not (str(value).isdigit() and least <= int(value) <= most):
            raise InvalidAttributeValue(name)


@rule("queue-attributes-lag", SQSBackend, "set_queue_attributes", "get_queue_attributes")
def queue_attributes_lag(proceed: Any, self: SQSBackend, queue_name: str, about: Any) -> Any:
    """Changed attributes are read as they were for some seconds.

    Source: SQS API Reference, SetQueueAttributes: changes take up to 60 seconds to propagate.
    """
    queue = self.get_queue(queue_name)
    until, before = queue.__dict__.get("_lab_shown", (0.0, {}))
    lags = CLOCK.now() < until
    if proceed.func.__name__ == "get_queue_attributes":
        answer = proceed(queue_name, about)
        return {name: value for name, value in {**answer, **before}.items()
                if value is not None and ("All" in about or name in about)} if lags else answer
    if not lags:
        before = {name: queue.attributes.get(name) for name in KNOWN}
    answer = proceed(queue_name, about)
    queue.__dict__["_lab_shown"] = (CLOCK.now() + seconds("queue-attributes-visible"), before)
    return answer


@rule("queue-purge", SQSBackend, "purge_queue")
def queue_purge(proceed: Any, self: SQSBackend, queue_name: str) -> Any:
    """A queue is purged once in 60 seconds. Refuses with PurgeQueueInProgress.

    Source: SQS API Reference, PurgeQueue.
    """
    queue = self.get_queue(queue_name)
    if CLOCK.now() - queue.__dict__.get("_lab_purged_at", -60.0) < 60:
        raise SQSException("AWS.SimpleQueueService.PurgeQueueInProgress", f"Only one PurgeQueue operation on "
                                                                          f"{queue_name} is allowed every 60 seconds.")
    queue.__dict__["_lab_purged_at"], queue.last_purged_at = CLOCK.now(), None  # moto counts real seconds
    return proceed(queue_name)
