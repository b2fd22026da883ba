"""Readiness is published in both regions by a run that changed something, and by no other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from drctl.actions.readiness import PublishReadiness, published
from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.engine.runbook import perform


def test_a_run_that_changed_nothing_publishes_nothing(run: Run) -> None:
    perform(run, PublishReadiness())
    assert run.events.changes == {}


def test_a_run_that_changed_something_is_seen_in_both_regions(run: Run, aws: Aws) -> None:
    run.at(run.settings.primary).sqs.create_queue(QueueName="anything")
    perform(run, PublishReadiness())
    for site in run.settings.sites:
        metrics = aws[site.region].cloudwatch.list_metrics(Namespace="drctl", MetricName="FailoverReadiness")["Metrics"]
        assert [metric["Dimensions"] for metric in metrics] == [[{"Name": "Environment", "Value": "lab"}]]


def test_a_score_is_told_beside_whether_a_failover_could_begin(run: Run, aws: Aws) -> None:
    for call in published(run, ready=False, score=49):
        call.send(run.aws)
    now = datetime.now(UTC)
    for site in run.settings.sites:
        values = {name: aws[site.region].cloudwatch.get_metric_statistics(
            Namespace="drctl", MetricName=name, Dimensions=[{"Name": "Environment", "Value": "lab"}], Period=60,
            StartTime=now - timedelta(hours=1), EndTime=now + timedelta(hours=1),
            Statistics=["Maximum"])["Datapoints"][0]["Maximum"] for name in ("FailoverReadiness", "ReadinessScore")}
        assert values == {"FailoverReadiness": 0.0, "ReadinessScore": 49.0}
