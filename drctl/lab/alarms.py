"""CloudWatch alarms where moto is kinder than AWS: limits, regions, tags, seen late, and deleted together or not."""

from __future__ import annotations

from typing import Any

from moto.cloudwatch.exceptions import ResourceNotFound, ValidationError
from moto.cloudwatch.models import CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse

from drctl.aws.durations import seconds
from drctl.lab.rules import hide, is_hidden, rule

ACTIONS = ("alarm_actions", "ok_actions", "insufficient_data_actions")
#: Characters of a name, and actions of one state.
LONGEST_NAME, MOST_ACTIONS = 255, 5


@rule("alarm-action-region", CloudWatchBackend, "put_metric_alarm")
def alarm_action_region(proceed: Any, self: CloudWatchBackend, **given: Any) -> Any:
    """An alarm acts in its own region only: ValidationError for a topic of another.

    Source: CloudWatch API Reference, PutMetricAlarm, AlarmActions.
    """
    for kind in ACTIONS:
        for action in given.get(kind) or []:
            region = action.split(":")[3] if action.startswith("arn:") else ""
            if region not in {"", self.region_name}:
                raise ValidationError(f"Invalid region {region} specified. Only {self.region_name} is supported.")
    return proceed(**given)


@rule("alarm-limits", CloudWatchBackend, "put_metric_alarm")
def alarm_limits(proceed: Any, _self: CloudWatchBackend, **given: Any) -> Any:
    """A name has 255 characters at most and a state five actions. Refuses with ValidationError.

    Source: CloudWatch API Reference, PutMetricAlarm.
    """
    if len(given["name"]) > LONGEST_NAME:
        raise ValidationError(f"1 validation error detected: Value '{given['name']}' at 'alarmName' failed to satisfy "
                              "constraint: Member must have length less than or equal to 255")
    for kind in ACTIONS:
        if len(given.get(kind) or []) > MOST_ACTIONS:
            raise ValidationError(f"1 validation error detected: Value at '{kind}' failed to satisfy constraint: "
                                  "Member must have length less than or equal to 5")
    return proceed(**given)


@rule("alarm-begins", CloudWatchBackend, "put_metric_alarm")
def alarm_begins(proceed: Any, self: CloudWatchBackend, **given: Any) -> Any:
    """A new alarm has seen no data; one that is changed keeps its state until it is judged again.

    Source: CloudWatch API Reference, PutMetricAlarm.
    """
    before = self.alarms.get(given["name"])
    alarm = proceed(**given)
    alarm.state_value = before.state_value if before else "INSUFFICIENT_DATA"
    return alarm


@rule("alarm-tags", CloudWatchBackend, "put_metric_alarm")
def alarm_tags(proceed: Any, self: CloudWatchBackend, **given: Any) -> Any:
    """Tags count when an alarm is made, not when it is changed.

    Source: CloudWatch API Reference, PutMetricAlarm, Tags.
    """
    return proceed(**{**given, "tags": None} if given["name"] in self.alarms else given)


@rule("alarm-visible", CloudWatchResponse, "put_metric_alarm", "describe_alarms")
def alarm_visible(proceed: Any, self: CloudWatchResponse) -> Any:
    """A new alarm is not described for some seconds.

    Source: Amazon CloudWatch User Guide, "Using Amazon CloudWatch alarms"; Terraform provider: metric alarm.
    """
    alarms = self.cloudwatch_backend.alarms
    known = set(alarms)
    answer = proceed()
    if proceed.func.__name__ == "put_metric_alarm":
        for name in set(alarms) - known:
            hide(alarms[name], seconds("alarm-visible"))
    else:
        answer.result["MetricAlarms"] = [one for one in answer.result["MetricAlarms"] if not is_hidden(one)]
    return answer


@rule("alarm-delete", CloudWatchBackend, "delete_alarms")
def alarm_delete(proceed: Any, self: CloudWatchBackend, alarm_names: list[str]) -> None:
    """One name that is not there and nothing is deleted: ResourceNotFound.

    Source: CloudWatch API Reference, DeleteAlarms.
    """
    if any(name not in self.alarms for name in alarm_names):
        raise ResourceNotFound
    proceed(alarm_names)
