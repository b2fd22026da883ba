"""What makes the latch look every minute: a scheduled rule on the region's default bus, which alone can have one.

It stands once the records do, and is the first to go: before that there is nothing to keep users from, and no bucket
must be written into while it is emptied.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.steps import event_rule
from drctl.steps.event_rule import LATCH, RuleOut, WantedRule
from drctl.steps.latch import Latch
from drctl.steps.permission import Permission
from drctl.steps.records import FailoverRecords

EVERY_MINUTE = "rate(1 minute)"
PERMISSION = Permission("schedule", "events.amazonaws.com")
#: A look that comes late says nothing of its minute (EventBridge API Reference, RetryPolicy: 60 s at least).
RETRY_POLICY = {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}


@dataclass(frozen=True)
class LatchScheduleOut:
    """The rule as it stands, and whether the function lets it invoke it."""

    rule: RuleOut
    permitted: bool


@dataclass(frozen=True, eq=False)
class LatchSchedule(Step[LatchScheduleOut]):
    """The rule, and the function's permission for it."""

    latch: Latch
    records: FailoverRecords

    def _wanted(self, run: Run) -> WantedRule:
        target = {"Id": "latch", "Arn": run.output(self.latch).alias_arn, "RetryPolicy": RETRY_POLICY}
        return WantedRule(LATCH, f"drctl: the latch of {self.region} looks every minute", None, target, EVERY_MINUTE)

    def find(self, run: Run) -> LatchScheduleOut | None:
        rule, latch = event_rule.find_rule(run, self.site, LATCH), run.found(self.latch)
        if rule is None or latch is None:
            return None
        return LatchScheduleOut(rule, PERMISSION.is_given(run, self.site, latch, rule.arn))

    def ensure(self, run: Run) -> LatchScheduleOut:
        out = run.found(self)
        if out and not list(self.verify(run, out)):
            return out
        latch, source = run.output(self.latch), event_rule.rule_arn(run, self.site, LATCH)
        if not PERMISSION.is_given(run, self.site, latch, source):
            PERMISSION.give(run, self.site, latch, source)
        rule = event_rule.ensure_rule(run, self.site, self._wanted(run), out.rule if out else None)
        return LatchScheduleOut(rule, permitted=True)

    def verify(self, run: Run, out: LatchScheduleOut) -> Iterable[Finding]:
        yield from event_rule.differences(out.rule, self._wanted(run))
        if not out.permitted:
            yield Finding(f"the latch in {self.region} does not let its rule invoke it")

    def destroy(self, run: Run) -> None:
        event_rule.delete_rule(run, self.site, LATCH)
        if (latch := run.found(self.latch)) is not None:
            PERMISSION.take(run, self.site, latch)

    def resources(self, out: LatchScheduleOut) -> Iterable[Resource]:
        yield Resource("events:rule", out.rule.arn, self.region)
        yield from (Resource("events:target", f"{out.rule.name}/{target['Id']}", self.region)
                    for target in out.rule.targets)
