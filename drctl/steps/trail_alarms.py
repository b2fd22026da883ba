"""Alarms on what the trail has recorded: one for each kind of call that its log group is watched for."""

from __future__ import annotations

from dataclasses import dataclass

from drctl.engine.run import Run
from drctl.steps.alarm import Alarm
from drctl.steps.alarm_set import AlarmSet
from drctl.steps.trail_filters import WATCHED, TrailFilters, metric

#: CloudTrail delivers about five minutes after a call (CloudTrail User Guide, "How CloudTrail works").
PERIOD_S = 300


@dataclass(frozen=True, eq=False)
class TrailAlarms(AlarmSet):
    """In the primary region, where the trail's log group is."""

    filters: TrailFilters

    def purposes(self) -> tuple[str, ...]:
        return tuple(f"trail-{one.purpose}" for one in WATCHED)

    def alarms(self, run: Run) -> tuple[Alarm, ...]:
        return tuple(Alarm(f"trail-{one.purpose}", one.says, 0, *metric(run, one), statistic="Sum", period_s=PERIOD_S,
                           periods=1) for one in WATCHED)
