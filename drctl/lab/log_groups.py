"""CloudWatch log groups where moto is kinder than AWS: names, retention, and what is made or deleted right now."""

from __future__ import annotations

import re
from typing import Any

from moto.logs.exceptions import InvalidParameterException, LogsClientError, ResourceNotFoundException
from moto.logs.models import LogGroup, LogsBackend

from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK
from drctl.lab.rules import hide, is_hidden, rule

#: Days that a retention may have (CloudWatch Logs API Reference, PutRetentionPolicy).
RETENTION_DAYS = frozenset({1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
                            3288, 3653})


def _free_at(self: LogsBackend) -> dict[str, float]:
    """When the names of deleted log groups are free again, in AWS seconds."""
    free_at: dict[str, float] = self.__dict__.setdefault("_lab_free_at", {})
    return free_at


@rule("log-group-name", LogsBackend, "create_log_group")
def log_group_name(proceed: Any, _self: LogsBackend, log_group_name: str, *args: Any, **kwargs: Any) -> Any:
    """A log group's name has letters, digits and ._/#-. Refuses with InvalidParameterException.

    Source: CloudWatch Logs API Reference, CreateLogGroup.
    """
    if not re.fullmatch(r"[.\-_/#A-Za-z0-9]+", log_group_name):
        raise InvalidParameterException(constraint=r"Member must satisfy regular expression pattern: "
                                                   r"[\.\-_/#A-Za-z0-9]+", parameter="logGroupName",
                                        value=log_group_name)
    return proceed(log_group_name, *args, **kwargs)


@rule("log-group-deleted", LogsBackend, "delete_log_group")
def log_group_deleted(proceed: Any, self: LogsBackend, log_group_name: str) -> None:
    """A deletion goes on after its answer: the name is busy for some seconds.

    Source: CloudWatch Logs API Reference, DeleteLogGroup: OperationAbortedException.
    """
    proceed(log_group_name)
    _free_at(self)[log_group_name] = CLOCK.now() + seconds("log-group-name-busy")


@rule("log-group-busy", LogsBackend, "create_log_group")
def log_group_busy(proceed: Any, self: LogsBackend, log_group_name: str, *args: Any, **kwargs: Any) -> Any:
    """A log group is not made while one of that name is being deleted. Refuses with OperationAbortedException.

    Source: Terraform provider: aws_cloudwatch_log_group, retries OperationAbortedException for 2 min.
    """
    if CLOCK.now() < _free_at(self).get(log_group_name, 0.0):
        raise LogsClientError("OperationAbortedException", "A conflicting operation is currently in progress against "
                                                           "this resource. Please try again.")
    return proceed(log_group_name, *args, **kwargs)


@rule("log-group-age", LogsBackend, "create_log_group")
def log_group_age(proceed: Any, _self: LogsBackend, *args: Any, **kwargs: Any) -> LogGroup:
    """A log group just made is not seen for a moment, while its name is taken.

    Source: Terraform provider: aws_cloudwatch_log_group, reads it until it is found.
    """
    group: LogGroup = proceed(*args, **kwargs)
    hide(group, seconds("log-group-visible"))
    return group


@rule("log-group-unlisted", LogsBackend, "describe_log_groups")
def log_group_unlisted(proceed: Any, _self: LogsBackend, *args: Any, **kwargs: Any) -> Any:
    """DescribeLogGroups misses a log group just made.

    Source: Terraform provider: aws_cloudwatch_log_group, reads it until it is found.
    """
    groups, token = proceed(*args, **kwargs)
    return [group for group in groups if not is_hidden(group)], token


@rule("log-group-retention", LogsBackend, "put_retention_policy")
def log_group_retention(proceed: Any, self: LogsBackend, log_group_name: str, retention_in_days: int) -> None:
    """A retention is one of the listed numbers of days. Refuses with InvalidParameterException.

    A log group just made may be missed: ResourceNotFoundException.
    Source: CloudWatch Logs API Reference, PutRetentionPolicy.
    """
    if retention_in_days not in RETENTION_DAYS:
        raise InvalidParameterException(constraint=f"Member must satisfy enum value set: {sorted(RETENTION_DAYS)}",
                                        parameter="retentionInDays", value=retention_in_days)
    group = self.groups.get(log_group_name)
    if group is not None and is_hidden(group):
        raise ResourceNotFoundException
    proceed(log_group_name, retention_in_days)
