"""People hear that a run begins, needs them, and how it ended; nothing ever waits for a message."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drctl.actions import notify
from drctl.actions.notify import Channel, Notices, channels_of, figures
from drctl.aws.clients import Aws, Credentials, Door
from drctl.aws.fence import Fence
from drctl.engine.events import Record
from drctl.engine.journal import Journal
from drctl.engine.run import Run
from drctl.errors import Interrupted, Refused
from drctl.lab import outages
from drctl.lab.server import Lab
from drctl.settings import Settings
from drctl.steps.key import Key
from drctl.steps.topic import Topic, topic_arn
from tests.actions.hook_server import PATH, listening
from tests.conftest import ensure_with_needs

HOME, THERE = Settings().sites
FENCE = Fence(HOME.region, THERE.region)


def notes(records: list[Record]) -> list[str]:
    return [record["text"] for record in records if record["event"] == "note"]


def notices(run: Run, channels: list[Channel]) -> Notices:
    return Notices(run, "failover", HOME.region, THERE.region, channels)


@pytest.fixture
def channels(lab: Lab, run: Run) -> Callable[..., list[Channel]]:
    """The channels of a failover to the standby region, the webhook being at `url`."""
    def of(url: str = "") -> list[Channel]:
        door = Door(lab.endpoint, Credentials("lab", "lab"))
        return channels_of(run, door, THERE, FENCE, {"DRCTL_WEBHOOK_URL": url} if url else {})

    return of


@pytest.fixture
def inbox(run: Run, aws: Aws) -> Callable[[], list[dict[str, Any]]]:
    """What the standby region's topic has delivered to somebody who subscribed."""
    ensure_with_needs(run, Topic(THERE, Key(THERE)))
    at = aws[THERE.region]
    url = at.sqs.create_queue(QueueName="oncall")["QueueUrl"]
    at.sns.subscribe(TopicArn=topic_arn(run, THERE), Protocol="sqs",
                     Endpoint=f"arn:aws:sqs:{THERE.region}:{run.settings.account_id}:oncall")

    def read() -> list[dict[str, Any]]:
        found = at.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(one["Body"]) for one in found]

    return read


def test_topic_and_webhook_hear_of_beginning_decision_and_end(
        run: Run, records: list[Record], channels: Callable[..., list[Channel]],
        inbox: Callable[[], list[dict[str, Any]]]) -> None:
    with listening() as server:
        with notices(run, channels(server.url)) as told:
            told.decision_needed("lose up to 4 s of writes?")
            run.measure("objectives", {"rto_s": 900.0, "rpo_s": 900.0})
            run.measure("rto_s", 192.0)
            run.measure("rpo_s", 4.2)
            run.measure("lost_rows", 3)
        posted = sorted(json.loads(body)["text"] for _, _, body in server.heard)
    delivered = inbox()
    assert [text.partition(" by ")[0] for text in posted] == [
        "drctl failover of lab: begun (simulated), us-east-1 → us-west-2\n"
        "objectives RTO 15 min, RPO 15 min; run test",
        "drctl failover of lab: done (simulated), us-east-1 → us-west-2\n"
        "RTO 3.2 min (objective 15.0 min); RPO 4.2 s (objective 15.0 min); 3 rows lost; run test",
        "drctl failover of lab: needs a decision (simulated), us-east-1 → us-west-2\n"
        "lose up to 4 s of writes?; run test"]
    assert sorted(one["Message"].replace(">", "&gt;") for one in delivered) == posted
    assert {one["Subject"] for one in delivered} == {
        f"drctl failover of lab: {word} (simulated), us-east-1 ? us-west-2"
        for word in ("begun", "done", "needs a decision")}
    said = [f"message '{what}' to {channel}: sent" for what in ("begun", "needs a decision", "done")
            for channel in (f"the topic {topic_arn(run, THERE)}", "the webhook")]
    assert sorted(notes(records)) == sorted(said)


@pytest.mark.parametrize(("error", "word"), [
    (Refused("not ready:\n no lag known"), "refused"), (Interrupted("stopped"), "interrupted"),
    (KeyError("x"), "failed")])
def test_how_a_run_ended_is_told_whatever_way_it_ended(run: Run, channels: Callable[..., list[Channel]],
                                                       error: Exception, word: str) -> None:
    with listening() as server:
        with pytest.raises(type(error)), notices(run, channels(server.url)):
            raise error
        posted = sorted(json.loads(body)["text"] for _, _, body in server.heard)
    assert f": {word} (simulated)" in posted[1]
    assert posted[1].count("\n") == 1


def test_a_topic_that_is_not_there_and_a_webhook_that_fails_are_noted_and_harm_nobody(
        run: Run, records: list[Record], channels: Callable[..., list[Channel]]) -> None:
    with listening(status=500) as server, notices(run, channels(server.url)):
        pass
    assert f"message 'begun' to the topic {topic_arn(run, THERE)}: not taken, NotFound" in notes(records)
    assert "message 'begun' to the webhook: not taken, it answered 500" in notes(records)


def test_the_fence_keeps_messages_from_a_lost_region_too(lab: Lab, run: Run, records: list[Record]) -> None:
    lost = channels_of(run, Door(lab.endpoint, Credentials("lab", "lab")), HOME, FENCE, {})
    with notices(run, lost):
        pass
    assert "Publish (sns) was not sent" in notes(records)[0]
    assert not lab.counting.calls


def test_a_run_is_not_delayed_by_channels_that_hang_and_its_end_by_two_seconds_at_most(
        run: Run, records: list[Record], channels: Callable[..., list[Channel]], tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    run.events.add_sink(journal)
    outages.start(THERE.region, "sns", "hang")
    try:
        with listening(hangs=True) as server:
            told, began = notices(run, channels(server.url)), time.monotonic()
            told.started()
            told.decision_needed("go on?")
            told.ended("done", {})
            assert time.monotonic() - began < 1
            threads = [thread for thread, _ in told._under_way]
            told.finish()
            told.finish()
            assert notify.LAST_S - 0.1 < time.monotonic() - began < notify.LAST_S + 0.5
            journal.close()
    finally:
        outages.end()
    for thread in threads:
        thread.join(5)
    assert len(threads) == len(records) == 6, "what comes later is not noted any more: the journal is closed"
    assert all(note.endswith("no answer before the run's end") for note in notes(records))


class Exploding:
    """A channel with a defect."""

    def __str__(self) -> str:
        return "somebody"

    def send(self, text: str) -> str:
        raise ValueError(f"https://hooks.example.com{PATH}")


def test_the_webhooks_address_is_told_nowhere(run: Run, records: list[Record], lab: Lab,
                                              capfd: pytest.CaptureFixture[str]) -> None:
    door = Door(lab.endpoint, Credentials("lab", "lab"))
    with listening(status=403) as server:
        told = notices(run, [*channels_of(run, door, THERE, FENCE, {"DRCTL_WEBHOOK_URL": server.url}), Exploding()])
        with told:
            told.decision_needed("go on?")
        texts = b" ".join(body for _, _, body in server.heard).decode()
    bad = channels_of(run, door, THERE, FENCE, {"DRCTL_WEBHOOK_URL": "http://hooks.example.com" + PATH})
    assert len(bad) == 1
    assert "no message goes to the webhook: DRCTL_WEBHOOK_URL is an http:// URL" in notes(records)[-1]
    assert "message 'begun' to somebody: not taken, ValueError" in notes(records)
    shown = json.dumps(records) + repr(told.__dict__) + texts + "".join(capfd.readouterr())
    assert "SECRET" not in shown
    assert "hunter2" not in shown


def test_without_a_webhook_only_the_topic_is_told(channels: Callable[..., list[Channel]]) -> None:
    assert [str(channel).split(" arn")[0] for channel in channels()] == ["the topic"]


@pytest.mark.parametrize(("measures", "said"), [
    ({}, []), ({"rto_s": 34.0}, ["RTO 34 s"]),
    ({"rpo_s": 0.0, "lost_rows": 0, "objectives": {"rto_s": 900, "rpo_s": 60}},
     ["RPO 0 s (objective 60 s)", "0 rows lost"])])
def test_only_what_was_measured_is_told(measures: dict[str, Any], said: list[str]) -> None:
    assert figures(measures) == said
