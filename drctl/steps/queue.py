"""Queues that a rule of an event bus writes to: encrypted, reachable by that rule alone, and over TLS alone.

A queue is found by its name; DeadLetters and CanaryQueue say what goes into theirs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from drctl.aws.errors import Refusal, absent_is_fine, already, or_none
from drctl.aws.policies import same
from drctl.aws.tags import refuse_foreign
from drctl.engine.run import Run
from drctl.engine.step import Finding
from drctl.engine.waiting import minutes
from drctl.errors import Refused
from drctl.settings import Site

#: A name is free again a minute after its queue was deleted (SQS API Reference, CreateQueue).
DELETED_RECENTLY = (Refusal("AWS.SimpleQueueService.QueueDeletedRecently"), Refusal("QueueDeletedRecently"))
#: A queue just made is unknown for a while (Terraform provider: aws_sqs_queue, 2 min).
TOO_YOUNG = (Refusal("AWS.SimpleQueueService.NonExistentQueue"), Refusal("QueueDoesNotExist"))
#: There is one of the name: perhaps ours, from a call whose answer was lost; it is judged by its tags.
THERE = (Refusal("QueueAlreadyExists"), Refusal("QueueNameExists"))
#: Attributes reach all of SQS within a minute (SQS API Reference, SetQueueAttributes); Terraform provider: 2 min.
PROPAGATION = minutes(2)
WATCHED: Any = ("QueueArn", "KmsMasterKeyId", "MessageRetentionPeriod", "Policy",
                "ApproximateNumberOfMessages")


@dataclass(frozen=True)
class QueueOut:
    """The queue as it stands; retention in seconds."""

    url: str
    arn: str
    key: str
    retention_s: int
    policy: str
    #: How many wait in it, about.
    messages: int = 0


def queue_arn(run: Run, site: Site, name: str) -> str:
    """The ARN that a queue of this name has."""
    return f"arn:aws:sqs:{site.region}:{run.settings.account_id}:{name}"


def wanted_attributes(run: Run, site: Site, name: str, *, key_arn: str, retention_s: int,
                      rule_arn: str) -> dict[str, str]:
    """Attributes of a queue that only the rule of an event bus may fill (EventBridge User Guide, "Using dead-letter
    queues to process undelivered events")."""
    arn = queue_arn(run, site, name)
    policy = {"Version": "2012-10-17", "Statement": [
        {"Sid": "Rule", "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
         "Action": "sqs:SendMessage", "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}}},
        {"Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": arn,
         "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    ]}
    return {"KmsMasterKeyId": key_arn, "MessageRetentionPeriod": str(retention_s), "Policy": json.dumps(policy)}


def find_queue(run: Run, site: Site, name: str) -> QueueOut | None:
    """The queue of this name."""
    sqs = run.at(site).sqs
    if (url := _url(run, site, name)) is None:
        return None
    seen = or_none(lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=WATCHED).get("Attributes", {}))
    if seen is None:
        return None
    return QueueOut(url, seen.get("QueueArn", ""), seen.get("KmsMasterKeyId", ""),
                    int(seen.get("MessageRetentionPeriod", "0")), seen.get("Policy", ""),
                    int(seen.get("ApproximateNumberOfMessages", "0")))


def _url(run: Run, site: Site, name: str) -> str | None:
    return or_none(lambda: run.at(site).sqs.get_queue_url(QueueName=name)["QueueUrl"])


def ensure_queue(run: Run, site: Site, name: str, wanted: Mapping[str, str], seen: QueueOut | None) -> QueueOut:
    """Make the queue, or set what differs; `seen` is what a look of this run found."""
    sqs, attributes = run.at(site).sqs, cast(Any, dict(wanted))
    out = seen or find_queue(run, site, name)
    if out and not list(differences(out, name, wanted)):
        return out
    if out is None:
        with already(*THERE):
            run.retry(f"the name {name} is free", lambda: sqs.create_queue(
                QueueName=name, Attributes=attributes, tags=run.tags(site, name)), DELETED_RECENTLY,
                within=PROPAGATION)
        out = run.wait_until(f"queue {name} is known", lambda: find_queue(run, site, name),
                             lambda seen: seen is not None, within=PROPAGATION,
                             show=lambda seen: "known" if seen else "not visible yet") or _gone(name)
    _refuse_foreign(run, site, name, out.url)
    if list(differences(out, name, wanted)):
        url = out.url
        run.retry(f"queue {name} takes its attributes", lambda: sqs.set_queue_attributes(
            QueueUrl=url, Attributes=attributes), TOO_YOUNG, within=PROPAGATION)
    found = run.wait_until(
        f"queue {name} has its attributes", lambda: find_queue(run, site, name), within=PROPAGATION,
        ready=lambda seen: seen is not None and not list(differences(seen, name, wanted)),
        show=lambda seen: "not visible yet" if seen is None else "attributes not up to date yet")
    return found or _gone(name)


def _refuse_foreign(run: Run, site: Site, name: str, url: str) -> None:
    tags = run.at(site).sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
    refuse_foreign("queue", name, tags, run.settings.environment)


def _gone(name: str) -> QueueOut:
    raise Refused(f"queue {name} disappeared while it was made", next_step="drctl provision")


def differences(out: QueueOut, name: str, wanted: Mapping[str, str]) -> Iterable[Finding]:
    """What is wrong with the queue."""
    if out.key != wanted["KmsMasterKeyId"]:
        yield Finding(f"queue {name} is not encrypted with the stack's key")
    if out.retention_s != int(wanted["MessageRetentionPeriod"]):
        yield Finding(f"queue {name} keeps messages for {out.retention_s} s, not {wanted['MessageRetentionPeriod']} s")
    if not same(out.policy or None, wanted["Policy"]):
        yield Finding(f"queue {name} does not admit its rule, or admits others: events are lost without a trace")


def delete_queue(run: Run, site: Site, name: str) -> None:
    """Delete the queue of this name if it is ours; Refused when it is not."""
    sqs = run.at(site).sqs
    if (url := _url(run, site, name)) is None:
        return
    with absent_is_fine():
        _refuse_foreign(run, site, name, url)
        sqs.delete_queue(QueueUrl=url)
    # Seen for up to a minute more, and then taken for one that stands by whoever makes it again (SQS API Reference,
    # DeleteQueue).
    run.wait_until(f"queue {name} is gone", lambda: _url(run, site, name), lambda seen: seen is None, within=minutes(5),
                   show=lambda seen: "still there" if seen else "gone")
