"""One dashboard shows both regions, and whether a failover could begin."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.settings import Settings
from drctl.steps.dashboard import Dashboard
from tests.conftest import ensure_with_needs
from tests.steps.lifecycle import assert_a_second_run_changes_nothing, assert_mended, destroy_twice, given, lagging

SITES = HERE, THERE = Settings().sites
DASHBOARD = Dashboard(
    HERE,
    clusters=tuple(given(site, "cluster", id=f"aurora-{site.region}") for site in SITES),
    balancers=tuple(given(site, "balancer", arn=f"arn:x:loadbalancer/app/alb-{site.region}/1") for site in SITES),
    functions=tuple(given(site, "app", name=f"lambda-app-{site.region}") for site in SITES),
    replications=(),
    dead_letters=tuple(given(site, "dead", arn=f"arn:aws:sqs:{site.region}:1:dead") for site in SITES),
    checks=given(HERE, "checks", primary_app="id-1", standby_app="id-2", combined="id-3"))


def test_it_shows_both_regions_and_readiness(run: Run) -> None:
    out = ensure_with_needs(run, DASHBOARD)
    text = json.dumps(json.loads(out.body))
    assert all(word in text for word in (
        "aurora-us-east-1", "aurora-us-west-2", "lambda-app-us-west-2", "FailoverReadiness", "AuroraGlobalDBRPOLag"))


def test_graphs_do_not_lie_on_one_another(run: Run) -> None:
    widgets = json.loads(ensure_with_needs(run, DASHBOARD).body)["widgets"]
    assert len({(one["x"], one["y"]) for one in widgets}) == len(widgets)


def test_the_link_opens_in_the_standby_region(run: Run) -> None:
    assert ensure_with_needs(run, DASHBOARD).url.startswith(f"https://{THERE.region}.console.aws.amazon.com/")


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, DASHBOARD)
    assert_a_second_run_changes_nothing(make_run, DASHBOARD)


@pytest.mark.notices("Dashboard")
def test_the_order_of_keys_is_no_difference_but_a_lost_graph_is(run: Run, aws: Aws) -> None:
    out, cloudwatch = ensure_with_needs(run, DASHBOARD), aws[HERE.region].cloudwatch
    body = json.loads(out.body)
    cloudwatch.put_dashboard(DashboardName=out.name, DashboardBody=json.dumps(body, sort_keys=True, indent=2))
    assert not list(DASHBOARD.verify(run, run.refresh(DASHBOARD) or out))
    less = json.dumps({"widgets": body["widgets"][:-1]})
    assert_mended(run, DASHBOARD, lambda: cloudwatch.put_dashboard(DashboardName=out.name, DashboardBody=less), "show")


def test_something_new_to_show_is_shown(run: Run) -> None:
    ensure_with_needs(run, DASHBOARD)
    replication = given(HERE, "replication", source="a", target="b", rule_id="drctl")
    more = replace(DASHBOARD, replications=(replication,))
    assert "ReplicationLatency" in ensure_with_needs(run, more).body


def test_destroy_removes_it_and_twice_is_fine(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, DASHBOARD)
    aws[HERE.region].cloudwatch.put_dashboard(DashboardName="somebody-elses", DashboardBody='{"widgets": []}')
    destroy_twice(run, DASHBOARD)
    left = aws[HERE.region].cloudwatch.list_dashboards()["DashboardEntries"]
    assert [one["DashboardName"] for one in left] == ["somebody-elses"]


def test_a_dashboard_of_somebody_else_is_neither_replaced_nor_deleted(run: Run, aws: Aws) -> None:
    aws[HERE.region].cloudwatch.put_dashboard(DashboardName=run.name("dashboard", "dr", "global"),
                                              DashboardBody='{"widgets": []}')
    for touch in (DASHBOARD.ensure, DASHBOARD.destroy):
        with pytest.raises(Refused, match="does not say"):
            touch(run)


def test_it_is_made_while_cloudwatch_lags(run: Run) -> None:
    with lagging():
        out = DASHBOARD.ensure(run)
    assert list(DASHBOARD.verify(run, out)) == []
