"""The event bus of a region, with an archive of all that passed, open to the forwarding of the other region.

Events are not encrypted with the stack's key and leave the region: they carry identifiers, never patient data.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, already, or_none
from drctl.aws.policies import same
from drctl.aws.tags import as_list, as_map, refuse_foreign
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.usage import Use
from drctl.engine.waiting import minutes
from drctl.errors import NotOurs
from drctl.settings import Site
from drctl.steps.event_rule import FORWARDING_ROLE, bus_arn, bus_name

#: A bus just made is unknown to some hosts for up to two minutes (Terraform provider).
PROPAGATION = minutes(2)
BUSY = (Refusal("ConcurrentModificationException"), Refusal("ResourceNotFoundException"))


@dataclass(frozen=True)
class EventBusOut:
    """The bus as it stands, and the name of its archive; `archive_state` is empty without one, `archive_days` how long
    it keeps events."""

    name: str
    arn: str
    policy: str
    archive_state: str
    archive_days: int
    archive: str


@dataclass(frozen=True, eq=False)
class EventBus(Step[EventBusOut]):
    """One custom bus per region, found by name."""

    other: Site

    def _archive(self, run: Run) -> str:
        return run.name("archive", "events", self.site)

    def _policy(self, run: Run) -> dict[str, Any]:
        """Only the role of the other region's forwarding may put events from outside: a rule with a role calls as that
        role, not as the service, and so without aws:SourceArn (IAM User Guide, "AWS global condition context keys").
        The account as principal, since a policy that names a role is refused until the role stands."""
        role = f"arn:aws:iam::{run.settings.account_id}:role/{run.name('iam', FORWARDING_ROLE, self.other)}"
        return {"Version": "2012-10-17", "Statement": [{
            "Sid": "ForwardingOfTheOtherRegion", "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{run.settings.account_id}:root"}, "Action": "events:PutEvents",
            "Resource": bus_arn(run, self.site),
            "Condition": {"ArnEquals": {"aws:PrincipalArn": role}}}]}

    def find(self, run: Run) -> EventBusOut | None:
        events = run.at(self.site).events
        bus = or_none(lambda: events.describe_event_bus(Name=bus_name(run, self.site)))
        if bus is None:
            return None
        seen = self._archive_seen(run)
        archive = seen if self._is_ours(seen, bus["Arn"]) else {}
        return EventBusOut(bus["Name"], bus["Arn"], bus.get("Policy", ""), archive.get("State", ""),
                           int(archive.get("RetentionDays", 0)), self._archive(run))

    def _archive_seen(self, run: Run) -> dict[str, Any]:
        """The archive as EventBridge describes it, empty when there is none."""
        name = self._archive(run)
        return dict(or_none(lambda: run.at(self.site).events.describe_archive(ArchiveName=name)) or {})

    def ensure(self, run: Run) -> EventBusOut:
        out = run.found(self)
        if out and not list(self.verify(run, out)):
            return out
        events = run.at(self.site).events
        out = out or self._create(run)
        self._refuse_foreign(run, out.arn)
        if not same(out.policy or None, self._policy(run)):
            run.retry("the bus takes its policy", lambda: events.put_permission(
                EventBusName=out.name, Policy=json.dumps(self._policy(run))), BUSY, within=PROPAGATION)
        self._ensure_archive(run, out)
        return run.wait_until(
            f"bus {out.name} has its policy and its archive", lambda: self.find(run), within=minutes(10),
            ready=lambda seen: seen is not None and not list(self.verify(run, seen)),
            failed=lambda seen: "the archive failed" if seen and seen.archive_state.endswith("FAILED") else None,
            show=lambda seen: f"archive {seen.archive_state or 'absent'}" if seen else "not visible yet") or out

    def _create(self, run: Run) -> EventBusOut:
        name = bus_name(run, self.site)
        with already(Refusal("ResourceAlreadyExistsException")):
            run.at(self.site).events.create_event_bus(
                Name=name, Description=f"drctl: events of {run.settings.environment}",
                Tags=as_list(run.tags(self.site, name)))
        return run.wait_until(f"bus {name} is known", lambda: self.find(run), lambda seen: seen is not None,
                              within=PROPAGATION) or run.output(self)

    def _ensure_archive(self, run: Run, out: EventBusOut) -> None:
        """An archive cannot be tagged; it belongs to its bus."""
        events, days = run.at(self.site).events, run.settings.events.archive_days
        if not self._is_ours(self._archive_seen(run), out.arn):
            raise NotOurs(f"archive {self._archive(run)} exists and keeps the events of another bus: it is not touched",
                          next_step="delete that archive, or choose another environment name")
        if not out.archive_state:
            with already(Refusal("ResourceAlreadyExistsException")):
                run.retry("the bus can be archived", lambda: events.create_archive(
                    ArchiveName=self._archive(run), EventSourceArn=out.arn, RetentionDays=days), BUSY,
                    within=PROPAGATION)
        elif out.archive_days != days:
            run.retry("the archive takes its retention", lambda: events.update_archive(
                ArchiveName=self._archive(run), RetentionDays=days), BUSY[:1], within=PROPAGATION)

    @staticmethod
    def _is_ours(archive: dict[str, Any], bus: str) -> bool:
        """Whether an archive that was seen is this bus's; there is nothing to say against none."""
        return bool(archive.get("EventSourceArn", bus) == bus)

    def verify(self, run: Run, out: EventBusOut) -> Iterable[Finding]:
        if not same(out.policy or None, self._policy(run)):
            yield Finding(f"bus {out.name} does not admit the forwarding of {self.other.region}, or admits others")
        if out.archive_state != "ENABLED":
            yield Finding(f"the archive of bus {out.name} is {out.archive_state or 'absent'}")
        elif out.archive_days != run.settings.events.archive_days:
            yield Finding(f"the archive of bus {out.name} keeps events for {out.archive_days} days, "
                          f"not {run.settings.events.archive_days}")

    def _refuse_foreign(self, run: Run, arn: str) -> None:
        tags = run.at(self.site).events.list_tags_for_resource(ResourceARN=arn)["Tags"]
        refuse_foreign("event bus", arn, as_map(tags), run.settings.environment)

    def destroy(self, run: Run) -> None:
        events, name = run.at(self.site).events, bus_name(run, self.site)
        if (bus := or_none(lambda: events.describe_event_bus(Name=name))) is None:
            return
        with absent_is_fine():  # the bus itself may go between two looks, after a deletion whose answer was lost
            self._refuse_foreign(run, bus["Arn"])
            if self._is_ours(self._archive_seen(run), bus["Arn"]):
                self._destroy_archive(run)
            # The archive's own rule goes with it, after a moment; a bus with rules cannot be deleted.
            run.retry(f"bus {name} has no rules", lambda: events.delete_event_bus(Name=name),
                      (Refusal("ValidationException", "rule"), *BUSY[:1]), within=minutes(5))

    def _destroy_archive(self, run: Run) -> None:
        with absent_is_fine():
            run.retry("the archive is idle", lambda: run.at(self.site).events.delete_archive(
                ArchiveName=self._archive(run)), BUSY[:1], within=PROPAGATION)
        run.wait_until("the archive is gone", lambda: self._archive_seen(run), lambda seen: not seen,
                       within=minutes(5), show=lambda seen: seen.get("State", "gone"))

    def foreseen(self, run: Run, out: EventBusOut | None) -> Mapping[str, Any]:
        return {"name": bus_name(run, self.site), "arn": bus_arn(run, self.site)}

    def uses(self, run: Run, out: EventBusOut | None) -> Iterable[Use]:
        yield Use("objects and events", "event-million", run.settings.estimate.events_millions)

    def resources(self, out: EventBusOut) -> Iterable[Resource]:
        yield Resource("events:event-bus", out.arn, self.region)
        yield Resource("events:archive", out.archive, self.region)
