"""Alarms in the lab are as strict as CloudWatch's."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.aws.errors import code_of

ALARM: Any = {"AlarmName": "a", "Namespace": "x", "MetricName": "x", "Threshold": 1, "Period": 60,
              "EvaluationPeriods": 1, "Statistic": "Sum", "ComparisonOperator": "LessThanThreshold"}


def test_an_alarm_cannot_speak_to_a_topic_of_another_region(aws: Aws) -> None:
    with pytest.raises(ClientError, match="Invalid region") as refused:
        aws["us-east-1"].cloudwatch.put_metric_alarm(**ALARM, AlarmActions=["arn:aws:sns:us-west-2:1:t"])
    assert code_of(refused.value) == "ValidationError"


def test_one_unknown_name_and_no_alarm_is_deleted(aws: Aws) -> None:
    cloudwatch = aws["us-east-1"].cloudwatch
    cloudwatch.put_metric_alarm(**ALARM)
    with pytest.raises(ClientError) as refused:
        cloudwatch.delete_alarms(AlarmNames=["a", "b"])
    assert code_of(refused.value) in {"ResourceNotFound", "404"}
    assert len(cloudwatch.describe_alarms()["MetricAlarms"]) == 1
