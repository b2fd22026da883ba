"""CloudWatch alarms of one region as a set: all are seen with one call, and only what differs is put.

An alarm speaks to a topic of its own region, and its metrics are those of its own region (CloudWatch User Guide).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from drctl.aws.errors import Refusal
from drctl.aws.tags import as_list, as_map, refuse_foreign
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.usage import Use
from drctl.engine.waiting import minutes
from drctl.steps.alarm import Alarm, is_as, parameters
from drctl.steps.topic import Topic


@dataclass(frozen=True)
class AlarmsOut:
    """The alarms that stand: their names, and each as CloudWatch describes it."""

    names: tuple[str, ...]
    seen: dict[str, Any]


@dataclass(frozen=True, eq=False)
class AlarmSet(Step[AlarmsOut]):
    """Alarms with the region's topic for their ears."""

    topic: Topic

    @abstractmethod
    def purposes(self) -> tuple[str, ...]:
        """What tells the alarms of this set apart; known before anything stands."""

    @abstractmethod
    def alarms(self, run: Run) -> tuple[Alarm, ...]:
        """The alarms, in the order of `purposes`."""

    def _names(self, run: Run) -> list[str]:
        return [run.name("alarm", purpose, self.site) for purpose in self.purposes()]

    def _wanted(self, run: Run) -> dict[str, dict[str, Any]]:
        topic = run.output(self.topic).arn
        return {run.name("alarm", alarm.purpose, self.site): parameters(alarm, topic) for alarm in self.alarms(run)}

    def find(self, run: Run) -> AlarmsOut | None:
        """At most 100 names in one call (CloudWatch API Reference, DescribeAlarms)."""
        answer = run.at(self.site).cloudwatch.describe_alarms(AlarmNames=self._names(run), MaxRecords=100)
        seen: dict[str, Any] = {alarm["AlarmName"]: alarm for alarm in answer["MetricAlarms"]}
        return AlarmsOut(tuple(seen), seen) if seen else None

    def ensure(self, run: Run) -> AlarmsOut:
        out, wanted = run.found(self) or AlarmsOut((), {}), self._wanted(run)
        if not (stale := [name for name in wanted if not is_as(out.seen.get(name), wanted[name])]):
            return out
        for name in stale:
            if name in out.seen:
                self._refuse_foreign(run, out.seen[name])
            # Tags count only when the alarm is made (CloudWatch API Reference, PutMetricAlarm).
            run.at(self.site).cloudwatch.put_metric_alarm(AlarmName=name, Tags=as_list(run.tags(self.site, name)),
                                                          **wanted[name])
        return run.wait_until(
            f"{len(stale)} alarms stand", lambda: self.find(run), within=minutes(2),
            ready=lambda seen: seen is not None and not list(self.verify(run, seen)),
            show=lambda seen: f"{len(seen.names) if seen else 0} of {len(wanted)}") or out

    def verify(self, run: Run, out: AlarmsOut) -> Iterable[Finding]:
        for name, wanted in self._wanted(run).items():
            if name not in out.seen:
                yield Finding(f"alarm {name} is absent: nobody hears when {wanted['AlarmDescription']}")
            elif not is_as(out.seen[name], wanted):
                yield Finding(f"alarm {name} watches something else, or speaks to nobody")

    def _refuse_foreign(self, run: Run, alarm: Any) -> None:
        tags = run.at(self.site).cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]
        refuse_foreign("alarm", alarm["AlarmName"], as_map(tags), run.settings.environment)

    def destroy(self, run: Run) -> None:
        """One name that is not there and nothing is deleted (CloudWatch API Reference, DeleteAlarms): when an alarm
        went meanwhile, the others are looked for again."""
        run.retry("the alarms that are seen are there", lambda: self._delete_seen(run),
                  (Refusal("ResourceNotFound"),), within=minutes(2))

    def _delete_seen(self, run: Run) -> None:
        if (out := self.find(run)) is None:
            return
        for alarm in out.seen.values():
            self._refuse_foreign(run, alarm)
        run.at(self.site).cloudwatch.delete_alarms(AlarmNames=list(out.names))

    def uses(self, run: Run, out: AlarmsOut | None) -> Iterable[Use]:
        yield Use("alarms and dashboard", "alarm", len(self.purposes() if out is None else out.names))

    def resources(self, out: AlarmsOut) -> Iterable[Resource]:
        yield from (Resource("cloudwatch:alarm", alarm["AlarmArn"], self.region) for alarm in out.seen.values())
