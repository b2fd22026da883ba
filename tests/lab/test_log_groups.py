"""Log groups are seen late, busy after their end, and have a retention that CloudWatch Logs knows."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from tests.lab.account import ACCOUNT, REGION, refusal


@pytest.fixture
def logs(aws: Aws) -> Any:
    return aws[REGION].logs


@pytest.mark.rule("log-group-name")
@pytest.mark.parametrize("name", ["two words", "a:b", "a*"])
def test_a_log_groups_name_is_plain(logs: Any, name: str) -> None:
    assert refusal(partial(logs.create_log_group, logGroupName=name)) == "InvalidParameterException"


@pytest.mark.rule("log-group-deleted")
@pytest.mark.rule("log-group-busy")
def test_the_name_of_a_log_group_just_deleted_is_busy(logs: Any, clock: LabClock) -> None:
    create = partial(logs.create_log_group, logGroupName="g")
    create()
    logs.delete_log_group(logGroupName="g")
    assert refusal(create) == "OperationAbortedException"
    clock.skip(seconds("log-group-name-busy"))
    create()


@pytest.mark.rule("log-group-unlisted")
@pytest.mark.rule("log-group-age")
def test_a_log_group_just_made_is_not_listed_and_its_name_is_taken(logs: Any, clock: LabClock) -> None:
    create = partial(logs.create_log_group, logGroupName="g")
    create()
    assert logs.describe_log_groups(logGroupNamePrefix="g")["logGroups"] == []
    assert refusal(create) == "ResourceAlreadyExistsException"
    assert refusal(partial(logs.put_retention_policy, logGroupName="g", retentionInDays=30)) == \
        "ResourceNotFoundException"
    clock.skip(seconds("log-group-visible"))
    assert len(logs.describe_log_groups(logGroupNamePrefix="g")["logGroups"]) == 1


@pytest.mark.rule("log-group-retention")
@pytest.mark.parametrize("days", [0, 2, 31, 3654])
def test_a_retention_is_one_of_the_listed(logs: Any, days: int) -> None:
    logs.create_log_group(logGroupName="g")
    assert refusal(partial(logs.put_retention_policy, logGroupName="g",
                           retentionInDays=days)) == "InvalidParameterException"
    logs.put_retention_policy(logGroupName="g", retentionInDays=30)


def key_of(logs: Any) -> str | None:
    key: str | None = logs.describe_log_groups(logGroupNamePrefix="g")["logGroups"][0].get("kmsKeyId")
    return key


@pytest.mark.rule("log-group-key")
@pytest.mark.rule("log-group-without-key")
def test_a_log_group_takes_a_key_and_gives_it_back(aws: Aws, logs: Any) -> None:
    text = ('{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*", '
            f'"Principal": {{"AWS": "{ACCOUNT}", "Service": "logs.{REGION}.amazonaws.com"}}}}]}}')
    key = aws[REGION].kms.create_key(Policy=text)["KeyMetadata"]["Arn"]
    logs.create_log_group(logGroupName="g")
    logs.associate_kms_key(logGroupName="g", kmsKeyId=key)
    assert key_of(logs) == key
    logs.disassociate_kms_key(logGroupName="g")
    assert key_of(logs) is None
    assert refusal(partial(logs.disassociate_kms_key, logGroupName="h")) == "ResourceNotFoundException"


@pytest.mark.rule("metric-filter-once")
@pytest.mark.rule("metric-filters-go")
@pytest.mark.rule("metric-filters-of-nothing")
def test_a_log_group_has_one_filter_of_a_name_and_takes_it_along(logs: Any, clock: LabClock) -> None:
    counted = [{"metricNamespace": "n", "metricName": "m", "metricValue": "1"}]

    def put(pattern: str) -> None:
        logs.put_metric_filter(logGroupName="g", filterName="f", filterPattern=pattern, metricTransformations=counted)

    def patterns() -> list[str]:
        return [one["filterPattern"] for one in logs.describe_metric_filters(logGroupName="g")["metricFilters"]]

    assert refusal(lambda: put("one")) == refusal(patterns) == "ResourceNotFoundException"
    logs.create_log_group(logGroupName="g")
    put("one")
    put("two")
    assert patterns() == ["two"]
    logs.delete_log_group(logGroupName="g")
    clock.skip(seconds("log-group-name-busy"))
    logs.create_log_group(logGroupName="g")
    assert patterns() == []
