"""Proofs that the wires of the stack carry something: an object, an event, a request, a health check, an answer.

A proof that changes something leaves its evidence in AWS (the replicated canary object, a tag), so that a second
provision repeats only what a change has put in doubt.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from drctl.actions import probe
from drctl.aws.commands import Command
from drctl.aws.errors import AwsError, is_gone, refuse_partial
from drctl.engine.run import Run
from drctl.engine.runbook import Action
from drctl.engine.step import Step
from drctl.engine.waiting import minutes
from drctl.errors import Refused
from drctl.settings import Site
from drctl.steps.canary_queue import DETAIL_TYPE, CanaryQueue
from drctl.steps.data_bucket import DataBucket
from drctl.steps.event_bus import EventBus
from drctl.steps.event_forwarding import EventForwarding
from drctl.steps.event_rule import FORWARDING, bus_name, rule_arn
from drctl.steps.function import Function
from drctl.steps.replication import Replication

#: Below this prefix, which no application uses, lies the object whose replica proves replication.
CANARY_PREFIX = ".drctl/"
#: Tag that says when, or for which version, a proof was made.
PROVEN_TAG = "drctl:proven"
#: What functions say of their database that a minute can change (drctl/lambdas/database/errors.py).
MAY_PASS = frozenset({"UNREACHABLE", "CONNECTION_LOST", "LOGIN_REFUSED", "READ_ONLY"})


def untouched(run: Run, *steps: Step[Any]) -> bool:
    """Whether this run has changed none of `steps`, so that earlier evidence still holds."""
    return not any(run.events.changes.get(step.key, 0) for step in steps)


@dataclass(frozen=True, eq=False)
class ProveReplication(Action):
    """A canary object put in the source bucket arrives in the other region (trap 4)."""

    replication: Replication
    source: DataBucket
    target: DataBucket
    #: Whether only a canary of this run proves it, whatever an earlier one has proven.
    anew: bool = False
    why = "S3 accepts a wrong role or key and then replicates nothing, in silence"
    typical_minutes = 0.5
    if_stuck = "aws s3api head-object on the canary shows ReplicationStatus; look at role and key policies"
    phase: ClassVar[str] = "prove"

    @property
    def title(self) -> str:
        return f"prove that objects replicate from {self.source.region} to {self.target.region}"

    @property
    def region(self) -> str:
        return self.source.region

    def by_hand(self, run: Run) -> Iterable[Command]:
        yield self._put(run)
        for bucket in (self.source, self.target):
            yield Command(bucket.region, "s3", "HeadObject", {"Bucket": bucket.name(run), "Key": self._key})

    def needless(self, run: Run) -> bool:
        if self.anew or not untouched(run, self.replication, self.source, self.target):
            return self._arrived(run, run.id)
        return self._status(run) == "COMPLETED" and self._arrived(run, None)

    def do(self, run: Run) -> None:
        """An object that FAILED is put again: role and key policies settle for minutes, S3 tries no object twice."""
        self._put(run).send(run.aws)

        def look() -> str:
            status = self._status(run)
            if status == "FAILED":
                self._put(run).send(run.aws)
            return "arrived" if status == "COMPLETED" and self._arrived(run, run.id) else status or "not replicated yet"

        run.wait_until(f"the canary object is in {self.target.region}", look, lambda seen: seen == "arrived",
                       within=minutes(15))

    def _put(self, run: Run) -> Command:
        return Command(self.source.region, "s3", "PutObject", {
            "Bucket": self.source.name(run), "Key": self._key, "Body": run.id.encode(), "Metadata": {"run": run.id}})

    @property
    def _key(self) -> str:
        """One a direction: a replica is never replicated back."""
        return f"{CANARY_PREFIX}canary-from-{self.source.region}"

    def _head(self, run: Run, bucket: DataBucket) -> Any:
        try:
            return run.at(bucket.site).s3.head_object(Bucket=bucket.name(run), Key=self._key)
        except AwsError as error:
            if is_gone(error):
                return None
            raise

    def _status(self, run: Run) -> str:
        head = self._head(run, self.source)
        return str(head.get("ReplicationStatus", "")) if head else ""

    def _arrived(self, run: Run, run_id: str | None) -> bool:
        head = self._head(run, self.target)
        return head is not None and (run_id is None or head["Metadata"].get("run") == run_id)


@dataclass(frozen=True, eq=False)
class ProveEvents(Action):
    """A canary event put on one bus is received in the other region (trap 8)."""

    forwarding: EventForwarding
    source: EventBus
    target: EventBus
    queue: CanaryQueue
    #: Whether only a canary of this run proves it, whatever an earlier one has proven.
    anew: bool = False
    why = "a missing permission loses events without an error at the sender"
    typical_minutes = 0.5
    if_stuck = "look at the dead-letter queue of the rule, its role and the policy of the receiving bus"
    phase: ClassVar[str] = "prove"

    @property
    def title(self) -> str:
        return f"prove that events reach {self.target.region} from {self.source.region}"

    @property
    def region(self) -> str:
        return self.source.region

    def by_hand(self, run: Run) -> Iterable[Command | str]:
        yield self._event(run)
        queue, at = run.name("queue", "canary", self.target.site), f"--region {self.target.region}"
        url = f"--queue-url $(aws sqs get-queue-url --queue-name {queue} --output text {at})"
        yield f"aws sqs receive-message {url} {at}"
        yield f"aws sqs delete-message --receipt-handle HANDLE {url} {at}"
        yield self._proven(run)

    def _event(self, run: Run) -> Command:
        return Command(self.source.region, "events", "PutEvents", {"Entries": [{
            "EventBusName": bus_name(run, self.source.site), "Source": run.settings.events.source,
            "DetailType": DETAIL_TYPE, "Detail": json.dumps({"mark": self._mark(run)})}]})

    def _mark(self, run: Run) -> str:
        """One a direction: the canary of the other one passes the same buses."""
        return f"{run.id} to {self.target.region}"

    def _proven(self, run: Run) -> Command:
        return Command(self.source.region, "events", "TagResource", {
            "ResourceARN": rule_arn(run, self.source.site, FORWARDING), "Tags": [{"Key": PROVEN_TAG, "Value": run.id}]})

    def needless(self, run: Run) -> bool:
        return (not self.anew and untouched(run, self.forwarding, self.source, self.target, self.queue)
                and PROVEN_TAG in self._tags(run))

    def _tags(self, run: Run) -> dict[str, str]:
        rule = run.output(self.forwarding).seen.arn
        tags = run.at(self.source.site).events.list_tags_for_resource(ResourceARN=rule)["Tags"]
        return {tag["Key"]: tag["Value"] for tag in tags}

    def do(self, run: Run) -> None:
        """A new rule needs up to a minute to act, so a canary is put again at every look."""
        run.wait_until(f"a canary event is received in {self.target.region}", lambda: self._one_canary(run), bool,
                       within=minutes(15), every=20, show=lambda there: "received" if there else "not yet")
        self._proven(run).send(run.aws)

    def _one_canary(self, run: Run) -> bool:
        answer = self._event(run).send(run.aws)
        if answer["FailedEntryCount"]:
            refuse_partial("PutEvents", list(answer["Entries"]))
        return any(self._mark(run) in body for body in self._received(run))

    def _received(self, run: Run) -> Iterable[str]:
        sqs, url = run.at(self.target.site).sqs, run.output(self.queue).url
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            yield message["Body"]


@dataclass(frozen=True, eq=False)
class ProveApp(Action):
    """The app's tables are there, and both regions' functions reach their database in the role it has (trap 13)."""

    app: Function
    probe: Function
    writer: bool
    why = "a function that is Active can still lack a route, a permission or a password"
    typical_minutes = 0.3
    if_stuck = "aws logs tail on the function's log group"
    phase: ClassVar[str] = "prove"

    @property
    def title(self) -> str:
        return f"prove that the app in {self.app.region} {'writes' if self.writer else 'reads'}"

    @property
    def region(self) -> str:
        return self.app.region

    def needless(self, run: Run) -> bool:
        if not untouched(run, self.app, self.probe):
            return False
        out = run.output(self.app)
        tags = run.at(self.app.site).lambda_.list_tags(Resource=out.arn)["Tags"]
        return tags.get(PROVEN_TAG) == out.version

    def do(self, run: Run) -> None:
        """A new function, its role and its names settle for a while, so what may pass is waited for."""
        at = self.app.site
        if self.writer and run.settings.app.package is None:
            until_done(run, "the app's migrations are applied",
                       lambda: probe.invoke(run, at, "app", {"action": "migrate"}))
        until_done(run, f"the probe in {at.region} reaches its database", lambda: probe.ask(run, at, action="health"))
        if self.writer:
            until_done(run, "the database takes a heartbeat",
                       lambda: probe.ask(run, at, action="write", run=run.id, n=1))
        out = run.output(self.app)
        run.at(at).lambda_.tag_resource(Resource=out.arn, Tags={PROVEN_TAG: out.version})
        run.forget(self.app)


def until_done(run: Run, sentence: str, ask: Callable[[], dict[str, Any]]) -> None:
    """Ask a function until it has done what it was asked; WaitFailed at once for what no minute changes."""
    run.wait_until(sentence, ask, lambda answer: bool(answer.get("ok")), within=minutes(5), every=5,
                   show=probe.in_words,
                   failed=lambda answer: None if answer.get("ok") or answer.get("error") in MAY_PASS
                   else probe.in_words(answer))


@dataclass(frozen=True, eq=False)
class ProveWrite(Action):
    """The database in `at` takes a write through the probe, over the same path as the app's."""

    at: Site
    why = "only a write proves a writer"
    typical_minutes = 0.2
    if_stuck = "aws rds describe-global-clusters; the probe's log group"
    phase: ClassVar[str] = "prove"

    @property
    def title(self) -> str:
        return f"prove a write in {self.at.region}"

    @property
    def region(self) -> str:
        return self.at.region

    def by_hand(self, run: Run) -> Iterable[Command]:
        yield probe.invocation(run, self.at, "probe", {"action": "write", "run": f"{run.id}-proof", "n": 1})

    def do(self, run: Run) -> None:
        run.wait_until(f"the database in {self.at.region} takes a write", lambda: probe.attempt(
            probe.ask, run, self.at, action="write", run=f"{run.id}-proof", n=round(run.clock.now() * 1000) + 1),
            lambda answer: bool(answer.get("ok")), within=minutes(10), every=5, show=probe.in_words)


def refuse_without(run: Run, step: Step[Any]) -> None:
    """Refused when the stack, of which `step` is a sure part, does not stand."""
    if run.found(step) is None:
        raise Refused(f"there is no stack {run.settings.environment}: {step.key} does not stand",
                      next_step="drctl provision")
