"""Health checks and CloudWatch: checks that follow a metric, and the metric of checks, in us-east-1 alone."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from moto.cloudwatch.models import MetricDatum, cloudwatch_backends
from moto.core.common_models import CloudWatchMetricProvider
from moto.core.utils import utcnow
from moto.route53.models import HealthCheck
from moto.route53.responses import Route53

from drctl.lab import health
from drctl.lab.rules import rule

#: The one region with Route 53's metrics.
REGION = "us-east-1"
#: How far back the status is told, in minutes.
MINUTES = 180
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge, "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt, "LessThanOrEqualToThreshold": operator.le}
_ALARM, _COPY, _INSUFFICIENT = "_lab_alarm", "_lab_alarm_copy", "_lab_insufficient"


class HealthCheckStatus(CloudWatchMetricProvider):
    """HealthCheckStatus of every check, one point a minute, 0 if it was unhealthy at any time of that minute.

    Source: Route 53 Developer Guide, "Monitoring health checks using CloudWatch".
    """

    @staticmethod
    def get_cloudwatch_metrics(account_id: str, region: str) -> list[MetricDatum]:  # noqa: ARG004  # checks are global
        """Points of all checks; none outside us-east-1."""
        return [MetricDatum("AWS/Route53", "HealthCheckStatus", value, [{"Name": "HealthCheckId", "Value": check.id}],
                            minute, "None")
                for check in (health.checks() if region == REGION else ()) for minute, value in _points(check)]


def _points(check: HealthCheck) -> Iterator[tuple[datetime, float]]:
    health.is_healthy(check.id)
    history = list(health.track_of(check).history)
    now = utcnow()
    minute = max(history[0][0], now - timedelta(minutes=MINUTES)).replace(second=0, microsecond=0)
    while minute <= now:
        following = minute + timedelta(minutes=1)
        before = [value for at, value in history if at <= minute][-1:]
        within = [value for at, value in history if minute < at < following]
        yield minute, float(all(before + within))
        minute = following


@rule("health-check-of-a-metric", Route53, "create_health_check", "update_health_check")
def health_check_of_a_metric(proceed: Any, self: Route53) -> Any:
    """A check on a metric follows a copy of the alarm's settings, taken whenever the check is saved.

    It keeps what counts while there is no data. Source: Route 53 API Reference, HealthCheckConfig: AlarmIdentifier,
    InsufficientDataHealthStatus; Route 53 Developer Guide, Monitoring a CloudWatch alarm.
    """
    answer = proceed()
    check = answer.result["HealthCheck"]
    for prefix in ("HealthCheckConfig.", ""):
        for name, kept in (("AlarmIdentifier", _ALARM), ("InsufficientDataHealthStatus", _INSUFFICIENT)):
            if value := self._get_param(prefix + name):
                setattr(check, kept, value)
                if kept == _ALARM:
                    setattr(check, _COPY, copy.copy(_alarm(value)))
    return answer


def _alarm(identifier: dict[str, str]) -> Any:
    """The alarm as it is now, or None."""
    regions = [account[identifier["Region"]] for account in list(cloudwatch_backends.values())
               if identifier.get("Region") in account]
    return next((backend.alarms[identifier["Name"]] for backend in regions
                 if identifier.get("Name") in backend.alarms), None)


def metric_is_fine(check: HealthCheck) -> bool:
    """Whether the newest point of the alarm's metric is within its threshold; the alarm's own state plays no part.

    Source: Route 53 Developer Guide, "Monitoring a CloudWatch alarm".
    """
    said = getattr(check, _ALARM, None) or {}
    track = health.track_of(check)
    alarm: Any = getattr(check, _COPY, None)
    points: list[Any] = []
    for account in list(cloudwatch_backends.values()):
        backend = account[said["Region"]] if said.get("Region") in account else None
        if backend and alarm:
            points = [one for one in backend.metric_data if one.filter(
                alarm.namespace, alarm.metric_name,
                [{"Name": each.name, "Value": each.value} for each in alarm.dimensions or []])]
    if alarm is None or not points:
        without = getattr(check, _INSUFFICIENT, "LastKnownStatus")
        return track.status if without == "LastKnownStatus" else bool(without == "Healthy")
    newest = sorted(points, key=operator.attrgetter("timestamp"))[-1]
    compare: Callable[[float, float], bool] = COMPARISONS[alarm.comparison_operator]
    track.status = not compare(float(newest.value), float(alarm.threshold))
    return track.status
