"""Alarms on the Route 53 health checks; their metrics exist in us-east-1 alone (Route 53 Developer Guide, "Monitoring
health checks using CloudWatch"), so these alarms are silent when us-east-1 is lost and nothing may depend on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drctl.engine.run import Run
from drctl.errors import ConfigurationError
from drctl.steps.alarm import Alarm
from drctl.steps.alarm_set import AlarmSet

if TYPE_CHECKING:
    from drctl.steps.health_checks import HealthChecks

METRICS_REGION = "us-east-1"


@dataclass(frozen=True, eq=False)
class HealthAlarms(AlarmSet):
    """One alarm for the app of each region and one for what DNS answers."""

    checks: HealthChecks

    def purposes(self) -> tuple[str, ...]:
        return ("primary-unhealthy", "standby-unhealthy", "traffic-away")

    def alarms(self, run: Run) -> tuple[Alarm, ...]:
        if self.region != METRICS_REGION:
            raise ConfigurationError(f"health checks are measured in {METRICS_REGION} alone: no alarm in {self.region}")
        checks, settings = run.output(self.checks), run.settings
        return (
            _unhealthy("primary-unhealthy", f"the app in {settings.regions.primary} does not answer health checks",
                       checks.primary_app),
            _unhealthy("standby-unhealthy", f"the app in {settings.regions.standby} does not answer health checks",
                       checks.standby_app),
            _unhealthy("traffic-away", f"{settings.dns.name} answers with {settings.regions.standby}", checks.combined))


def _unhealthy(purpose: str, says: str, check: str) -> Alarm:
    """HealthCheckStatus is 1 or 0; a check without data is not being made, which is as bad."""
    return Alarm(purpose, says, 1, "AWS/Route53", "HealthCheckStatus", (("HealthCheckId", check),),
                 statistic="Minimum", comparison="LessThanThreshold", periods=1, missing="breaching")
