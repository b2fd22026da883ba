"""Dashboards in the lab belong to the account, as CloudWatch's do."""

from __future__ import annotations

from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.aws.errors import GONE
from drctl.lab.clock import LabClock
from tests.lab.account import refusal

BODY = '{"widgets": []}'


@pytest.fixture
def cloudwatch(aws: Aws) -> Any:
    client = aws["us-east-1"].cloudwatch
    client.list_dashboards()  # the client is made before time stands still
    return client


@pytest.mark.rule("dashboards-global")
def test_every_region_shows_and_replaces_the_same_dashboards(aws: Aws, cloudwatch: Any) -> None:
    other = aws["us-west-2"].cloudwatch
    cloudwatch.put_dashboard(DashboardName="d", DashboardBody=BODY)
    assert other.get_dashboard(DashboardName="d")["DashboardBody"] == BODY
    other.put_dashboard(DashboardName="d", DashboardBody="{}")
    assert cloudwatch.get_dashboard(DashboardName="d")["DashboardBody"] == "{}"
    assert [one["DashboardName"] for one in other.list_dashboards()["DashboardEntries"]] == ["d"]
    other.delete_dashboards(DashboardNames=["d"])
    assert cloudwatch.list_dashboards()["DashboardEntries"] == []


@pytest.mark.rule("dashboard-visible")
def test_a_new_dashboard_is_unknown_for_some_seconds(cloudwatch: Any, clock: LabClock) -> None:
    cloudwatch.put_dashboard(DashboardName="d", DashboardBody=BODY)
    assert refusal(lambda: cloudwatch.get_dashboard(DashboardName="d")) in GONE
    clock.skip(seconds("dashboard-visible"))
    cloudwatch.get_dashboard(DashboardName="d")


@pytest.mark.rule("dashboard-name")
@pytest.mark.parametrize("name", ["a.b", "a b", "d" * 256])
def test_a_name_has_letters_digits_hyphens_and_underscores(cloudwatch: Any, name: str) -> None:
    cloudwatch.put_dashboard(DashboardName="d-_1", DashboardBody=BODY)
    code = refusal(lambda: cloudwatch.put_dashboard(DashboardName=name, DashboardBody=BODY))
    assert code in {"InvalidParameterInput", "DashboardInvalidInputError"}


def test_one_name_that_is_not_there_and_no_dashboard_is_deleted(cloudwatch: Any) -> None:
    cloudwatch.put_dashboard(DashboardName="d", DashboardBody=BODY)
    assert refusal(lambda: cloudwatch.delete_dashboards(DashboardNames=["d", "e"])) in GONE
    cloudwatch.get_dashboard(DashboardName="d")
