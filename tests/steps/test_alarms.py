"""Whatever can go wrong in a region has an alarm, and every alarm has somebody to speak to in its own region."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.settings import Settings
from drctl.settings_operation import Alarms as Thresholds
from drctl.steps.alarms import Alarms
from drctl.steps.key import Key
from drctl.steps.topic import Topic
from tests.conftest import changes, ensure_with_needs
from tests.steps.lifecycle import assert_a_second_run_changes_nothing, assert_mended, destroy_twice, given

SITE, OTHER = Settings().sites
ELB = f"arn:aws:elasticloadbalancing:{SITE.region}:123456789012"
ALARMS = Alarms(
    SITE, Topic(SITE, Key(SITE)),
    balancer=given(SITE, "balancer", arn=f"{ELB}:loadbalancer/app/alb/50dc6c495c0c9188"),
    listeners=given(SITE, "listeners", target_group_arn=f"{ELB}:targetgroup/tg/73e2d6bc24d8a067"),
    cluster=given(SITE, "cluster", id="aurora-here"), app=given(SITE, "app", name="lambda-app"),
    probe=given(SITE, "probe", name="lambda-probe"), latch=given(SITE, "latch", name="lambda-latch"),
    dead_letters=given(SITE, "dead", arn=f"arn:aws:sqs:{SITE.region}:123456789012:queue-dead"),
    replication=given(OTHER, "replication", source="there", target="here", rule_id="drctl"),
    certificate=given(SITE, "certificate", arn=f"arn:aws:acm:{SITE.region}:123456789012:certificate/1"))


def described(aws: Aws) -> dict[str, Any]:
    return {alarm["AlarmName"]: alarm for alarm in aws[SITE.region].cloudwatch.describe_alarms()["MetricAlarms"]}


def metrics_of(alarm: Any) -> set[str]:
    stats = [query.get("MetricStat", {}) for query in alarm.get("Metrics", [])]
    return {alarm.get("MetricName", "")} | {one["Metric"]["MetricName"] for one in stats if one}


def test_trap_11_every_metric_that_matters_has_an_alarm_that_speaks_to_the_topic(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, ALARMS)
    alarms = described(aws).values()
    watched = {metric for alarm in alarms for metric in metrics_of(alarm)}
    assert {"CPUUtilization", "DatabaseConnections", "AuroraGlobalDBReplicationLag", "AuroraGlobalDBRPOLag", "Errors",
            "Invocations", "Throttles", "UnHealthyHostCount", "HTTPCode_ELB_5XX_Count", "HTTPCode_Target_5XX_Count",
            "ReplicationLatency", "OperationsFailedReplication", "ApproximateNumberOfMessagesVisible",
            "DaysToExpiry"} <= watched
    assert all(alarm["AlarmActions"] == [run.output(ALARMS.topic).arn] for alarm in alarms)
    assert all(alarm["ActionsEnabled"] for alarm in alarms)


def test_lag_is_no_alarm_where_the_writer_is(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, ALARMS)
    lags = [alarm for alarm in described(aws).values() if "Lag" in alarm.get("MetricName", "")]
    assert {alarm["TreatMissingData"] for alarm in lags} == {"notBreaching"}
    assert {alarm["Threshold"] for alarm in lags} == {60_000.0, 900_000.0}


def test_dimensions_are_those_the_services_publish(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, ALARMS)
    hosts = described(aws)[run.name("alarm", "unhealthy-hosts", SITE)]
    assert {one["Name"]: one["Value"] for one in hosts["Dimensions"]} == {
        "LoadBalancer": "app/alb/50dc6c495c0c9188", "TargetGroup": "targetgroup/tg/73e2d6bc24d8a067"}


@pytest.mark.parametrize("replication", [
    given(OTHER, "incoming", source="there", target="here", rule_id="drctl"),
    given(SITE, "outgoing", source="here", target="there", rule_id="drctl")])
def test_latency_is_watched_where_objects_arrive_and_failures_where_they_start(
        run: Run, aws: Aws, replication: Any) -> None:
    ensure_with_needs(run, replace(ALARMS, replication=replication))
    latency, failed = (described(aws)[run.name("alarm", f"object-replication-{what}", SITE)]["Dimensions"]
                       for what in ("latency", "failed"))
    assert {"Name": "DestinationBucket", "Value": "here"} in latency
    assert {"Name": "SourceBucket", "Value": "here"} in failed


def test_a_second_run_changes_nothing_and_needs_one_look(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, ALARMS)
    assert_a_second_run_changes_nothing(make_run, ALARMS)
    again = make_run()
    ensure_with_needs(again, ALARMS)
    assert again.events.calls[ALARMS.key] <= 3


def test_only_the_alarm_that_differs_is_put(run: Run, make_run: Callable[..., Run], aws: Aws) -> None:
    ensure_with_needs(run, ALARMS)
    stricter = make_run(Settings(alarms=Thresholds(database_cpu_percent=50)))
    ensure_with_needs(stricter, ALARMS)
    assert changes(stricter, ALARMS) == 1
    assert described(aws)[run.name("alarm", "database-cpu", SITE)]["Threshold"] == 50


@pytest.mark.notices("Alarms")
def test_every_alarm_that_is_gone_or_silenced_is_noticed_and_mended(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, ALARMS)
    cloudwatch = aws[SITE.region].cloudwatch
    for name, alarm in described(aws).items():
        assert_mended(run, ALARMS, partial(cloudwatch.delete_alarms, AlarmNames=[name]), "absent")
        assert_mended(run, ALARMS, partial(cloudwatch.disable_alarm_actions, AlarmNames=[name]), "nobody")
        assert alarm["AlarmDescription"]


def test_without_tls_there_is_no_certificate_to_expire(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, replace(ALARMS, certificate=None))
    assert run.name("alarm", "certificate-expiry", SITE) not in described(aws)


def test_destroy_removes_what_is_left_and_keeps_foreign_alarms(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, ALARMS)
    cloudwatch = aws[SITE.region].cloudwatch
    cloudwatch.put_metric_alarm(AlarmName="somebody-elses", Namespace="x", MetricName="x", Threshold=1, Period=60,
                                EvaluationPeriods=1, Statistic="Sum", ComparisonOperator="LessThanThreshold")
    cloudwatch.delete_alarms(AlarmNames=[run.name("alarm", "rpo-lag", SITE)])
    destroy_twice(run, ALARMS)
    assert list(described(aws)) == ["somebody-elses"]


def test_an_alarm_of_somebody_else_with_our_name_is_neither_replaced_nor_deleted(run: Run, aws: Aws) -> None:
    aws[SITE.region].cloudwatch.put_metric_alarm(
        AlarmName=run.name("alarm", "rpo-lag", SITE), Namespace="x", MetricName="x", Threshold=1, Period=60,
        EvaluationPeriods=1, Statistic="Sum", ComparisonOperator="LessThanThreshold")
    with pytest.raises(Refused, match="does not belong"):
        ensure_with_needs(run, ALARMS)
    with pytest.raises(Refused, match="does not belong"):
        ALARMS.destroy(run)
