"""The proof that Route 53's checkers find both regions healthy, and what they report of one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from drctl.actions.fencing import is_fenced
from drctl.engine.run import Run
from drctl.engine.runbook import Action
from drctl.engine.waiting import minutes
from drctl.steps.health_checks import HealthChecks


@dataclass(frozen=True, eq=False)
class ProveHealthChecks(Action):
    """Both regions' health checks are green, as Route 53's checkers see them (trap 2)."""

    checks: HealthChecks
    why = "both regions unhealthy means that Route 53 answers with the primary, dead or alive"
    typical_minutes = 1.0
    if_stuck = "aws route53 get-health-check-status names the reason; look at listener, security group and WAF"
    phase: ClassVar[str] = "prove"

    @property
    def title(self) -> str:
        return "prove that the health checks of both regions are green"

    def do(self, run: Run) -> None:
        out = run.output(self.checks)
        for site, check in zip(run.settings.sites, (out.primary_app, out.standby_app), strict=True):
            if is_fenced(run, site):
                run.say(f"the app in {site.region} is stopped since a failover, so its check is red: drctl failback")
            else:
                run.wait_until(f"the {site.role} health check is green", partial(reports, run, self.checks, check),
                               is_green, within=minutes(15), every=10,
                               show=lambda reports: reports[0] if reports else "no data yet")


def reports(run: Run, checks: HealthChecks, check_id: str) -> list[str]:
    """What Route 53's checkers report of one endpoint check."""
    answer = run.at(checks.site).route53.get_health_check_status(HealthCheckId=check_id)
    return [one["StatusReport"]["Status"] for one in answer["HealthCheckObservations"] if "StatusReport" in one]


def is_green(reports: list[str]) -> bool:
    """More than 18 % of the checkers must say so (Route 53 Developer Guide, "How Route 53 determines whether a health
    check is healthy")."""
    green = sum(report.startswith("Success") for report in reports)
    return bool(reports) and green / len(reports) > 0.18
