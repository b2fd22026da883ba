"""What an outage has left behind is listed for people by key and id, counted, and left where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from drctl.actions.reconcile import ListDeadLetters, ListObjects
from drctl.aws.clients import Aws
from drctl.engine.events import Record
from drctl.engine.run import OUTAGE_BEGAN, Run
from drctl.engine.runbook import perform
from drctl.lab import outages
from drctl.settings import Settings
from drctl.steps.dead_letters import DeadLetters
from tests.conftest import ensure_with_needs
from tests.steps.test_replication import BUCKETS, KEYS, OUT

HOME, THERE = Settings().sites
QUEUES = tuple(DeadLetters(site, key) for site, key in zip((HOME, THERE), KEYS, strict=True))
OBJECTS = ListObjects(BUCKETS[0])


@pytest.fixture(autouse=True)
def no_outage() -> Iterator[None]:
    yield
    outages.end()


def listed(records: list[Record]) -> list[dict[str, Any]]:
    """What is told to be left."""
    return [{key: record[key] for key in ("kind", "place", "count", "items")} for record in records
            if record["event"] == "unreconciled"]


# Objects -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def put(run: Run, aws: Aws) -> Callable[[str], None]:
    """Puts an object into the lost region's bucket, which replicates to the other."""
    ensure_with_needs(run, OUT)

    def one(key: str) -> None:
        aws[HOME.region].s3.put_object(Bucket=BUCKETS[0].name(run), Key=key, Body=b"x")

    return one


def settled(run: Run, aws: Aws, key: str) -> str:
    """The replication status of an object once it is known."""
    def look() -> str:
        head = aws[HOME.region].s3.head_object(Bucket=BUCKETS[0].name(run), Key=key)
        return str(head.get("ReplicationStatus", ""))

    return run.wait_until(f"{key} is settled", look, lambda seen: seen != "PENDING", within=3600)


def test_only_what_did_not_arrive_is_listed_with_why(
        run: Run, aws: Aws, records: list[Record], put: Callable[[str], None]) -> None:
    put("arrived")
    assert settled(run, aws, "arrived") == "COMPLETED"
    aws[THERE.region].s3.put_bucket_versioning(Bucket=BUCKETS[1].name(run),
                                               VersioningConfiguration={"Status": "Suspended"})
    put("failed")
    assert settled(run, aws, "failed") == "FAILED"
    outages.start(THERE.region, "s3", "error")
    put("on its way")
    perform(run, OBJECTS)
    assert listed(records) == [{"kind": "objects", "place": HOME.region, "count": 2,
                                "items": ["failed (FAILED)", "on its way (PENDING)"]}]
    assert run.measures["unreconciled_objects"] == 2
    assert records[-2]["text"] == "2 objects to reconcile in us-east-1"
    assert not any(record["mutating"] for record in records if record["event"] == "call"
                   and record["step"] == OBJECTS.title)


def test_nothing_left_is_told_too(run: Run, records: list[Record], put: Callable[[str], None]) -> None:
    perform(run, OBJECTS)
    assert listed(records) == [{"kind": "objects", "place": HOME.region, "count": 0, "items": []}]
    assert run.measures["unreconciled_objects"] == 0
    assert records[-2]["text"] == "no objects to reconcile in us-east-1"


@pytest.mark.parametrize(("days", "count"), [(-3, 1), (2, 0)])
def test_objects_are_looked_at_from_a_day_before_the_outage_on(
        run: Run, records: list[Record], put: Callable[[str], None], days: int, count: int) -> None:
    outages.start(THERE.region, "s3", "error")
    put("on its way")
    run.measure(OUTAGE_BEGAN, datetime.now(UTC).timestamp() + days * 86_400)
    perform(run, OBJECTS)
    assert listed(records)[0]["count"] == count


def test_more_than_can_be_looked_at_is_said(
        run: Run, records: list[Record], put: Callable[[str], None]) -> None:
    for number in range(4):
        put(f"object-{number}")
    perform(run, ListObjects(BUCKETS[0], most=3))
    notes = [record["text"] for record in records if record["event"] == "note"]
    assert any(note.startswith("more than 3 objects have changed since") and "S3 Inventory" in note for note in notes)


def test_a_bucket_is_listed_page_by_page_up_to_a_bound_and_the_last_key_is_said(
        run: Run, aws: Aws, records: list[Record], put: Callable[[str], None]) -> None:
    outages.start(THERE.region, "s3", "error")
    for number in range(7):
        put(f"object-{number}")
    perform(run, ListObjects(BUCKETS[0], pages=2, page=2))
    assert [one.partition(" ")[0] for one in listed(records)[0]["items"]] == [f"object-{n}" for n in range(4)]
    asked = [record for record in records if record["event"] == "call" and record["operation"] == "ListObjectsV2"]
    assert len(asked) == 2
    notes = [record["text"] for record in records if record["event"] == "note"]
    assert notes[0] == ("only the first 4 objects of s3-data-us-east-1-lab-123456789012, up to object-3, were gone "
                        "through: S3 Inventory lists the replication status of the others")


def test_a_bucket_that_ends_at_the_bound_was_gone_through(
        run: Run, records: list[Record], put: Callable[[str], None]) -> None:
    for number in range(4):
        put(f"object-{number}")
    perform(run, ListObjects(BUCKETS[0], pages=2, page=2))
    assert not any("gone through" in record["text"] for record in records if record["event"] == "note")


# Events --------------------------------------------------------------------------------------------------------------


def send(run: Run, aws: Aws, queue: DeadLetters, count: int) -> Any:
    """Let that many events not have been forwarded; the queue's URL."""
    url = ensure_with_needs(run, queue).url
    for number in range(count):
        aws[queue.region].sqs.send_message(QueueUrl=url, MessageBody=f"event {number}")
    return url


def in_queue(aws: Aws, queue: DeadLetters, url: str) -> int:
    """How many messages there are, received or not."""
    told = aws[queue.region].sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(told["ApproximateNumberOfMessages"]) + int(told["ApproximateNumberOfMessagesNotVisible"])


@pytest.mark.parametrize("count", [0, 1, 25])
def test_dead_letters_are_listed_by_their_ids_and_stay(
        run: Run, aws: Aws, records: list[Record], count: int) -> None:
    url = send(run, aws, QUEUES[0], count)
    perform(run, ListDeadLetters(QUEUES[0]))
    told = listed(records)[0]
    assert (told["kind"], told["place"], told["count"], len(set(told["items"]))) == (
        "events", HOME.region, count, count)
    assert all(item.startswith("message ") for item in told["items"])
    assert not any("event 0" in item for item in told["items"])
    assert in_queue(aws, QUEUES[0], url) == count


def test_listed_again_at_once_they_are_counted_again(run: Run, aws: Aws, make_run: Callable[..., Run],
                                                     records: list[Record]) -> None:
    send(run, aws, QUEUES[0], 12)
    for _ in range(2):
        perform(make_run(), ListDeadLetters(QUEUES[0]))
        perform(run, ListDeadLetters(QUEUES[0]))
    assert [told["count"] for told in listed(records)] == [12] * 4


def test_both_regions_events_are_counted_together(run: Run, aws: Aws, records: list[Record]) -> None:
    for queue, count in zip(QUEUES, (2, 1), strict=True):
        send(run, aws, queue, count)
        perform(run, ListDeadLetters(queue))
    assert [(told["place"], told["count"]) for told in listed(records)] == [(HOME.region, 2), (THERE.region, 1)]
    assert run.measures["unreconciled_events"] == 3


def test_of_very_many_some_are_listed_and_all_counted(run: Run, aws: Aws, records: list[Record]) -> None:
    send(run, aws, QUEUES[0], 25)
    perform(run, ListDeadLetters(QUEUES[0], most=3))
    assert (listed(records)[0]["count"], len(listed(records)[0]["items"])) == (25, 3)


def test_by_hand_nothing_is_changed_and_no_message_is_hidden(run: Run) -> None:
    assert [str(call) for call in OBJECTS.by_hand(run)] == [
        "aws s3api list-objects-v2 --bucket s3-data-us-east-1-lab-123456789012 --region us-east-1"]
    assert [str(line) for line in ListDeadLetters(QUEUES[1]).by_hand(run)] == [
        "aws sqs receive-message --visibility-timeout 0 --max-number-of-messages 10 --queue-url $(aws sqs "
        "get-queue-url --queue-name queue-dead-letters-us-west-2-lab --output text --region us-west-2) "
        "--region us-west-2"]
