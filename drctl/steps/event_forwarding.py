"""Sends the events of one region's bus to the bus of the other region, in both directions without loops.

A forwarded event keeps the region where it began, so a rule that matches only events of its own region never sends one
back (EventBridge User Guide, "Sending and receiving events between AWS Regions"). Events get a new id on the way:
consumers must be idempotent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.settings import Site
from drctl.steps.dead_letters import DeadLetters
from drctl.steps.event_bus import EventBus
from drctl.steps.event_rule import (
    FORWARDING,
    RuleOut,
    WantedRule,
    bus_arn,
    delete_rule,
    differences,
    ensure_rule,
    find_rule,
    rule_arn,
)
from drctl.steps.role import Role

#: What EventBridge does at most before an event becomes a dead letter (EventBridge API Reference, RetryPolicy).
RETRY_POLICY = {"MaximumEventAgeInSeconds": 24 * 3600, "MaximumRetryAttempts": 185}


@dataclass(frozen=True)
class EventForwardingOut:
    """The rule as it stands: its name, and all that was seen of it."""

    rule: str
    seen: RuleOut


def policy(run: Run, site: Site) -> list[dict[str, Any]]:
    """What the role of `site`'s forwarding (service events.amazonaws.com) may do: put events on the other bus."""
    return [{"Sid": "Forward", "Effect": "Allow", "Action": "events:PutEvents",
             "Resource": bus_arn(run, run.settings.other(site))}]


def source(run: Run, site: Site) -> str:
    """What EventBridge assumes the role for: the forwarding rule of `site` alone."""
    return rule_arn(run, site, FORWARDING)


@dataclass(frozen=True, eq=False)
class EventForwarding(Step[EventForwardingOut]):
    """One rule on the region's own bus with the other region's bus as its target."""

    bus: EventBus
    target: EventBus
    role: Role
    dead_letters: DeadLetters

    def _wanted(self, run: Run) -> WantedRule:
        """What it needs stands already; a foreign bus is the only target that another region can be."""
        pattern = {"source": [run.settings.events.source], "account": [run.settings.account_id],
                   "region": [self.region]}
        target = {"Id": "other-region", "Arn": run.output(self.target).arn, "RoleArn": run.output(self.role).arn,
                  "DeadLetterConfig": {"Arn": run.output(self.dead_letters).arn}, "RetryPolicy": RETRY_POLICY}
        return WantedRule(FORWARDING, f"drctl: events of {self.region} to {self.target.region}", pattern, target)

    def find(self, run: Run) -> EventForwardingOut | None:
        seen = find_rule(run, self.site, FORWARDING)
        return EventForwardingOut(seen.name, seen) if seen else None

    def ensure(self, run: Run) -> EventForwardingOut:
        run.output(self.bus)
        out = run.found(self)
        seen = ensure_rule(run, self.site, self._wanted(run), out.seen if out else None)
        return EventForwardingOut(seen.name, seen)

    def verify(self, run: Run, out: EventForwardingOut) -> Iterable[Finding]:
        return differences(out.seen, self._wanted(run))

    def destroy(self, run: Run) -> None:
        delete_rule(run, self.site, FORWARDING)

    def resources(self, out: EventForwardingOut) -> Iterable[Resource]:
        yield Resource("events:rule", out.seen.arn, self.region)
        yield from (Resource("events:target", f"{out.rule}/{target['Id']}", self.region)
                    for target in out.seen.targets)
