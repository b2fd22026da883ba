"""CloudWatch Logs where moto falls short of it: the key of a log group that exists, and its metric filters."""

from __future__ import annotations

from typing import Any

from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.models import LogGroup, LogsBackend
from moto.logs.responses import LogsResponse

from drctl.lab.rules import operation, rule


def _group(response: LogsResponse) -> LogGroup:
    """The log group that the request names: ResourceNotFoundException when there is none."""
    group = response.logs_backend.groups.get(response._get_param("logGroupName"))
    if group is None:
        raise ResourceNotFoundException
    return group


@operation("log-group-key", LogsResponse, "associate_kms_key")
def associate_kms_key(self: LogsResponse) -> str:
    """Records that arrive from now on are encrypted with the key.

    Source: CloudWatch Logs API Reference, AssociateKmsKey.
    """
    _group(self).kms_key_id = self._get_param("kmsKeyId")
    return ""


@operation("log-group-without-key", LogsResponse, "disassociate_kms_key")
def disassociate_kms_key(self: LogsResponse) -> str:
    """Records that arrive from now on are not encrypted with a key of the account.

    Source: CloudWatch Logs API Reference, DisassociateKmsKey.
    """
    _group(self).kms_key_id = None
    return ""


@rule("metric-filter-once", LogsBackend, "put_metric_filter")
def metric_filter_once(proceed: Any, self: LogsBackend, filter_name: str, filter_pattern: str, log_group_name: str,
                       metric_transformations: Any) -> None:
    """A log group has one filter of a name: another put changes it. ResourceNotFoundException without the group.

    Source: CloudWatch Logs API Reference, PutMetricFilter.
    """
    if log_group_name not in self.groups:
        raise ResourceNotFoundException
    kept = self.filters.metric_filters
    kept[:] = [one for one in kept if (one["filterName"], one["logGroupName"]) != (filter_name, log_group_name)]
    proceed(filter_name, filter_pattern, log_group_name, metric_transformations)


@rule("metric-filters-go", LogsBackend, "delete_log_group")
def metric_filters_go(proceed: Any, self: LogsBackend, log_group_name: str) -> None:
    """A log group's filters go with it.

    Source: CloudWatch Logs API Reference, DeleteLogGroup.
    """
    proceed(log_group_name)
    kept = self.filters.metric_filters
    kept[:] = [one for one in kept if one["logGroupName"] != log_group_name]


@rule("metric-filters-of-nothing", LogsBackend, "describe_metric_filters")
def metric_filters_of_nothing(proceed: Any, self: LogsBackend, prefix: Any, log_group_name: Any, *more: Any) -> Any:
    """Filters of a log group that is not there cannot be asked for: ResourceNotFoundException.

    Source: CloudWatch Logs API Reference, DescribeMetricFilters.
    """
    if log_group_name and log_group_name not in self.groups:
        raise ResourceNotFoundException
    return proceed(prefix, log_group_name, *more)
