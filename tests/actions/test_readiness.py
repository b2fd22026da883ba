"""Readiness is published in both regions by a run that changed something, and by no other."""

from __future__ import annotations

from drctl.actions.readiness import PublishReadiness
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
