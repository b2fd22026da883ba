"""CloudWatch alarms where moto is kinder than AWS: actions of another region, deleting what is not there."""

from __future__ import annotations

from typing import Any

from moto.cloudwatch.exceptions import ResourceNotFound, ValidationError
from moto.cloudwatch.models import CloudWatchBackend

from drctl.lab.rules import rule


@rule("alarm-action-region", CloudWatchBackend, "put_metric_alarm")
def alarm_action_region(proceed: Any, self: CloudWatchBackend, **given: Any) -> Any:
    """An alarm acts in its own region only: ValidationError for a topic of another.

    Source: CloudWatch API Reference, PutMetricAlarm, AlarmActions.
    """
    for kind in ("alarm_actions", "ok_actions", "insufficient_data_actions"):
        for action in given.get(kind) or []:
            region = action.split(":")[3] if action.startswith("arn:") else ""
            if region not in {"", self.region_name}:
                raise ValidationError(f"Invalid region {region} specified. Only {self.region_name} is supported.")
    return proceed(**given)


@rule("alarm-delete", CloudWatchBackend, "delete_alarms")
def alarm_delete(proceed: Any, self: CloudWatchBackend, alarm_names: list[str]) -> None:
    """One name that is not there and nothing is deleted: ResourceNotFound.

    Source: CloudWatch API Reference, DeleteAlarms.
    """
    if any(name not in self.alarms for name in alarm_names):
        raise ResourceNotFound
    proceed(alarm_names)
