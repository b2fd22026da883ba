"""CloudWatch dashboards where moto differs from AWS: they belong to the account, not to a region, and are seen late."""

from __future__ import annotations

from typing import Any

from moto.cloudwatch.exceptions import DashboardInvalidInputError
from moto.cloudwatch.models import CloudWatchBackend, cloudwatch_backends

from drctl.aws.durations import seconds
from drctl.lab.rules import hide, is_hidden, rule

HOME = "us-east-1"


@rule("dashboard-name", CloudWatchBackend, "put_dashboard")
def dashboard_name(proceed: Any, _self: CloudWatchBackend, name: str, body: str) -> Any:
    """Letters, digits, hyphens and underscores, 255 at most. Refuses with InvalidParameterInput.

    Source: CloudWatch API Reference, PutDashboard.
    """
    if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii() or len(name) > 255:
        raise DashboardInvalidInputError(f"The value {name} for field DashboardName is invalid. It can only contain "
                                         "alphanumerics, dash (-) and underscore (_).")
    return proceed(name, body)


@rule("dashboard-visible", CloudWatchBackend, "put_dashboard", "get_dashboard")
def dashboard_visible(proceed: Any, self: CloudWatchBackend, name: str, *args: Any) -> Any:
    """A new dashboard is unknown for some seconds. Refuses with ResourceNotFound.

    Source: Amazon CloudWatch User Guide, "Creating a CloudWatch dashboard"; field experience.
    """
    known = name in self.dashboards
    dashboard = proceed(name, *args)
    if proceed.func.__name__ == "get_dashboard":
        return None if dashboard is None or is_hidden(dashboard) else dashboard
    if not known:
        hide(dashboard, seconds("dashboard-visible"))
    return dashboard


@rule("dashboards-global", CloudWatchBackend, "put_dashboard", "get_dashboard", "list_dashboards", "delete_dashboards")
def dashboards_global(proceed: Any, self: CloudWatchBackend, *args: Any, **kwargs: Any) -> Any:
    """An account has one name space of dashboards, whichever region is asked.

    Source: Amazon CloudWatch User Guide, "Using Amazon CloudWatch dashboards".
    """
    return proceed.func(cloudwatch_backends[self.account_id][HOME], *args, **kwargs)
