"""A function that is invoked by the clock: a scheduled rule on the region's default bus, which alone can have one, and
the function's permission for that rule."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.steps import event_rule
from drctl.steps.deployed_function import DeployedFunction
from drctl.steps.event_rule import RuleOut, WantedRule
from drctl.steps.permission import Permission

PERMISSION = Permission("schedule", "events.amazonaws.com")


@dataclass(frozen=True)
class ScheduleOut:
    """The rule as it stands, and whether the function lets it invoke it."""

    rule: RuleOut
    permitted: bool


@dataclass(frozen=True, eq=False)
class Schedule(Step[ScheduleOut]):
    """The rule, and the function's permission for it; a class for each says which function, when and with what."""

    @property
    @abstractmethod
    def rule(self) -> str:
        """Purpose of the rule, one of `event_rule.SCHEDULED`."""

    @property
    @abstractmethod
    def invoked(self) -> DeployedFunction:
        """The function."""

    @abstractmethod
    def _when(self) -> tuple[str, str]:
        """The rule's description and its schedule."""

    @abstractmethod
    def _target(self) -> dict[str, Any]:
        """The target as PutTargets takes it, without its ARN; its Id names the function in messages."""

    def _wanted(self, run: Run) -> WantedRule:
        description, when = self._when()
        return WantedRule(self.rule, description, None,
                          {**self._target(), "Arn": run.output(self.invoked).alias_arn}, when)

    def find(self, run: Run) -> ScheduleOut | None:
        rule, function = event_rule.find_rule(run, self.site, self.rule), run.found(self.invoked)
        if rule is None or function is None:
            return None
        return ScheduleOut(rule, PERMISSION.is_given(run, self.site, function, rule.arn))

    def ensure(self, run: Run) -> ScheduleOut:
        out = run.found(self)
        if out and not list(self.verify(run, out)):
            return out
        function, source = run.output(self.invoked), event_rule.rule_arn(run, self.site, self.rule)
        if not PERMISSION.is_given(run, self.site, function, source):
            PERMISSION.give(run, self.site, function, source)
        rule = event_rule.ensure_rule(run, self.site, self._wanted(run), out.rule if out else None)
        return ScheduleOut(rule, permitted=True)

    def verify(self, run: Run, out: ScheduleOut) -> Iterable[Finding]:
        yield from event_rule.differences(out.rule, self._wanted(run))
        if not out.permitted:
            yield Finding(f"the {self._target()['Id']} in {self.region} does not let its rule invoke it")

    def destroy(self, run: Run) -> None:
        event_rule.delete_rule(run, self.site, self.rule)
        if (function := run.found(self.invoked)) is not None:
            PERMISSION.take(run, self.site, function)

    def resources(self, out: ScheduleOut) -> Iterable[Resource]:
        yield Resource("events:rule", out.rule.arn, self.region)
        yield from (Resource("events:target", f"{out.rule.name}/{target['Id']}", self.region)
                    for target in out.rule.targets)
