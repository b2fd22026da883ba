"""Alarms in the lab are as strict as CloudWatch's."""

from __future__ import annotations

from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from tests.lab.account import refusal, words

ALARM: Any = {"AlarmName": "a", "Namespace": "x", "MetricName": "x", "Threshold": 1, "Period": 60,
              "EvaluationPeriods": 1, "Statistic": "Sum", "ComparisonOperator": "LessThanThreshold"}
TOPIC = "arn:aws:sns:us-east-1:1:t"


@pytest.fixture
def cloudwatch(aws: Aws) -> Any:
    client = aws["us-east-1"].cloudwatch
    client.list_metrics()  # the client is made before time stands still
    return client


@pytest.mark.rule("alarm-action-region")
def test_an_alarm_cannot_speak_to_a_topic_of_another_region(cloudwatch: Any) -> None:
    def put() -> None:
        cloudwatch.put_metric_alarm(**ALARM, AlarmActions=["arn:aws:sns:us-west-2:1:t"])

    assert refusal(put) == "ValidationError"
    assert "Invalid region" in words(put)


@pytest.mark.rule("alarm-limits")
@pytest.mark.parametrize("more", [{"AlarmName": "a" * 256}, {"OKActions": [f"{TOPIC}{n}" for n in range(6)]}])
def test_a_name_and_the_actions_of_a_state_have_their_limits(cloudwatch: Any, more: Any) -> None:
    cloudwatch.put_metric_alarm(**{**ALARM, "AlarmName": "a" * 255, "OKActions": [TOPIC] * 5})
    assert refusal(lambda: cloudwatch.put_metric_alarm(**{**ALARM, **more})) == "ValidationError"


@pytest.mark.rule("alarm-begins")
def test_a_new_alarm_has_seen_no_data_and_a_changed_one_keeps_its_state(cloudwatch: Any) -> None:
    def state() -> str:
        return str(cloudwatch.describe_alarms()["MetricAlarms"][0]["StateValue"])

    cloudwatch.put_metric_alarm(**ALARM)
    assert state() == "INSUFFICIENT_DATA"
    cloudwatch.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="test")
    cloudwatch.put_metric_alarm(**ALARM)
    assert state() == "ALARM"


@pytest.mark.rule("alarm-tags")
def test_a_change_of_an_alarm_does_not_tag_it(cloudwatch: Any) -> None:
    for value in "12":
        cloudwatch.put_metric_alarm(**ALARM, Tags=[{"Key": "k", "Value": value}])
    arn = cloudwatch.describe_alarms()["MetricAlarms"][0]["AlarmArn"]
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "k", "Value": "1"}]


@pytest.mark.rule("alarm-visible")
def test_a_new_alarm_is_not_described_for_some_seconds(cloudwatch: Any, clock: LabClock) -> None:
    cloudwatch.put_metric_alarm(**ALARM)
    assert cloudwatch.describe_alarms(AlarmNames=["a"])["MetricAlarms"] == []
    clock.skip(seconds("alarm-visible"))
    assert len(cloudwatch.describe_alarms(AlarmNames=["a"])["MetricAlarms"]) == 1


@pytest.mark.rule("alarm-delete")
def test_one_unknown_name_and_no_alarm_is_deleted(cloudwatch: Any) -> None:
    cloudwatch.put_metric_alarm(**ALARM)
    assert refusal(lambda: cloudwatch.delete_alarms(AlarmNames=["a", "b"])) in {"ResourceNotFound", "404"}
    assert len(cloudwatch.describe_alarms()["MetricAlarms"]) == 1
