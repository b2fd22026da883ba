"""Where canary events can be seen to arrive: a second rule on the bus puts them on a queue that keeps them for an hour.

Events of both regions match, so a canary put on one bus proves the way to the other by its `region`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.steps import event_rule, queue
from drctl.steps.event_bus import EventBus
from drctl.steps.event_rule import CANARY, RuleOut, WantedRule
from drctl.steps.key import Key
from drctl.steps.queue import QueueOut

#: `detail-type` of the events that prove delivery; their source is the settings' own, so that they are forwarded.
DETAIL_TYPE = "drctl canary"
RETENTION_S = 3600


@dataclass(frozen=True)
class CanaryQueueOut:
    """Queue and rule as they stand."""

    url: str
    arn: str
    rule: str
    queue_seen: QueueOut
    rule_seen: RuleOut


@dataclass(frozen=True, eq=False)
class CanaryQueue(Step[CanaryQueueOut]):
    """A queue and the rule that fills it."""

    encryption_key: Key
    bus: EventBus

    def _name(self, run: Run) -> str:
        return run.name("queue", CANARY, self.site)

    def _wanted_queue(self, run: Run) -> dict[str, str]:
        return queue.wanted_attributes(run, self.site, self._name(run), key_arn=run.output(self.encryption_key).arn,
                                       retention_s=RETENTION_S, rule_arn=event_rule.rule_arn(run, self.site, CANARY))

    def _wanted_rule(self, run: Run) -> WantedRule:
        pattern = {"source": [run.settings.events.source], "detail-type": [DETAIL_TYPE]}
        target = {"Id": "canary-queue", "Arn": queue.queue_arn(run, self.site, self._name(run))}
        return WantedRule(CANARY, "drctl: canary events, the proof of delivery", pattern, target)

    def find(self, run: Run) -> CanaryQueueOut | None:
        seen, rule = queue.find_queue(run, self.site, self._name(run)), event_rule.find_rule(run, self.site, CANARY)
        return CanaryQueueOut(seen.url, seen.arn, rule.name, seen, rule) if seen and rule else None

    def ensure(self, run: Run) -> CanaryQueueOut:
        run.output(self.bus)
        out = run.found(self)
        seen = queue.ensure_queue(run, self.site, self._name(run), self._wanted_queue(run),
                                  out.queue_seen if out else None)
        rule = event_rule.ensure_rule(run, self.site, self._wanted_rule(run), out.rule_seen if out else None)
        return CanaryQueueOut(seen.url, seen.arn, rule.name, seen, rule)

    def verify(self, run: Run, out: CanaryQueueOut) -> Iterable[Finding]:
        yield from queue.differences(out.queue_seen, self._name(run), self._wanted_queue(run))
        yield from event_rule.differences(out.rule_seen, self._wanted_rule(run))

    def destroy(self, run: Run) -> None:
        event_rule.delete_rule(run, self.site, CANARY)
        queue.delete_queue(run, self.site, self._name(run))

    def resources(self, out: CanaryQueueOut) -> Iterable[Resource]:
        yield Resource("sqs:queue", out.arn, self.region)
        yield Resource("events:rule", out.rule_seen.arn, self.region)
        yield from (Resource("events:target", f"{out.rule}/{target['Id']}", self.region)
                    for target in out.rule_seen.targets)
