"""What an outage has left behind, listed for people: objects not replicated, events that nobody received.

Nothing is repaired here. What is listed is told as `unreconciled` records, which the report collects; keys and ids
only, for they may stand beside patient data.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from drctl.actions.aftermath import NOTED_AT
from drctl.aws.commands import Command
from drctl.engine.run import OUTAGE_BEGAN, Run
from drctl.engine.runbook import Action
from drctl.steps.data_bucket import DataBucket
from drctl.steps.dead_letters import DeadLetters

#: Hours before the outage from which objects are looked at: S3 replicates within 15 minutes, failures are tried longer.
HOURS_BEFORE = 24
#: Objects that are looked at, and things that are listed, at most: a list is for people.
LOOKED_AT, LISTED = 2000, 500
#: Pages of a bucket that are gone through at most, and objects of each: S3 lists by key, not by time, so that all have
#: to be gone through to find the new ones; half a million are listed in some minutes, while the leases are held.
PAGES, PAGE = 500, 1000
#: What is in a queue: also what somebody, perhaps a run before this one, has received and left there.
COUNTED: tuple[Any, ...] = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


def tell(run: Run, kind: str, place: str, items: list[str], count: int | None = None) -> None:
    """Have what is not reconciled in journal and report; `count` is how much there is, if more than is listed."""
    count = len(items) if count is None else count
    run.events.emit("unreconciled", kind=kind, place=place, count=count, items=items[:LISTED])
    run.measure(f"unreconciled_{kind}", run.measures.get(f"unreconciled_{kind}", 0) + count)
    run.say(f"{count or 'no'} {kind} to reconcile in {place}")


@dataclass(frozen=True, eq=False)
class ListObjects(Action):
    """List the objects of the lost region that were not replicated when it went, and are not yet."""

    bucket: DataBucket
    #: Objects that are looked at, at most.
    most: int = LOOKED_AT
    #: Pages of the bucket that are gone through, at most, and objects of one.
    pages: int = PAGES
    page: int = PAGE
    why = "an object that the app has acknowledged may be in the old region only"
    typical_minutes = 0.5
    if_stuck = "aws s3api head-object shows ReplicationStatus; S3 Batch Replication copies what has failed"
    phase: ClassVar[str] = "reconcile"

    @property
    def title(self) -> str:
        return f"list the objects that did not leave {self.bucket.region}"

    @property
    def region(self) -> str:
        return self.bucket.region

    def by_hand(self, run: Run) -> Iterable[Command]:
        yield Command(self.bucket.region, "s3", "ListObjectsV2", {"Bucket": self.bucket.name(run)})

    def do(self, run: Run) -> None:
        told = run.measures.get(OUTAGE_BEGAN) or run.measures.get(NOTED_AT) or run.clock.started_at
        since = datetime.fromtimestamp(told, UTC) - timedelta(hours=HOURS_BEFORE)
        items = []
        for looked_at, key in enumerate(self._changed_since(run, since)):
            if looked_at == self.most:
                run.say(f"more than {self.most} objects have changed since {since:%Y-%m-%d %H:%M} UTC; the others were "
                        "not looked at: S3 Inventory lists their replication status")
                break
            if (status := self._status(run, key)) in {"PENDING", "FAILED"}:
                items.append(f"{key} ({status})")
        tell(run, "objects", self.bucket.region, items)

    def _changed_since(self, run: Run, since: datetime) -> Iterable[str]:
        bucket = self.bucket.name(run)
        pages = run.at(self.bucket.site).s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, PaginationConfig={"PageSize": self.page})
        for number, page in enumerate(pages, start=1):
            yield from (one["Key"] for one in page.get("Contents", []) if one["LastModified"] >= since)
            if number == self.pages and page["IsTruncated"]:
                last = page["Contents"][-1]["Key"]
                run.say(f"only the first {number * self.page} objects of {bucket}, up to {last}, were gone "
                        "through: S3 Inventory lists the replication status of the others")
                return

    def _status(self, run: Run, key: str) -> str:
        answer = run.at(self.bucket.site).s3.head_object(Bucket=self.bucket.name(run), Key=key)
        return str(answer.get("ReplicationStatus", ""))


@dataclass(frozen=True, eq=False)
class ListDeadLetters(Action):
    """List the events that could not be forwarded; they stay in the queue."""

    queue: DeadLetters
    #: Events that are listed, at most.
    most: int = LISTED
    why = "an event that nobody received is lost without an error once its queue forgets it, after two weeks"
    typical_minutes = 0.1
    if_stuck = "aws sqs receive-message on the dead-letter queue"
    phase: ClassVar[str] = "reconcile"

    @property
    def title(self) -> str:
        return f"list the dead letters of {self.queue.region}"

    @property
    def region(self) -> str:
        return self.queue.region

    def by_hand(self, run: Run) -> Iterable[Command | str]:
        name = run.name("queue", "dead-letters", self.queue.site)
        yield (f"aws sqs receive-message --visibility-timeout 0 --max-number-of-messages 10 --queue-url "
               f"$(aws sqs get-queue-url --queue-name {name} --output text --region {self.queue.region}) "
               f"--region {self.queue.region}")

    def do(self, run: Run) -> None:
        sqs, url = run.at(self.queue.site).sqs, run.output(self.queue).url
        told: Any = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(COUNTED))
        count = sum(int(told["Attributes"].get(name, 0)) for name in COUNTED)
        seen: dict[str, None] = {}
        while count and len(seen) < min(count, self.most):
            found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=30).get("Messages", [])
            if not found:
                break
            seen.update(dict.fromkeys(f"message {one['MessageId']}" for one in found))
        tell(run, "events", self.queue.region, list(seen)[:self.most], max(count, len(seen)))
