"""Each region has a bus with an archive that only the other region's forwarding may reach."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.settings import EventBuses, Settings
from drctl.steps.event_bus import EventBus
from tests.conftest import ensure_with_needs
from tests.steps.lifecycle import assert_a_second_run_changes_nothing, assert_mended, destroy_twice, findings, lagging

SITE, OTHER = Settings().sites
BUS = EventBus(SITE, OTHER)


def test_the_bus_admits_the_forwarding_of_the_other_region_alone(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, BUS)
    policy = json.loads(aws[SITE.region].events.describe_event_bus(Name=out.name)["Policy"])
    statement = policy["Statement"][0]
    role = f"arn:aws:iam::123456789012:role/{run.name('iam', 'forwarding', OTHER)}"
    assert statement["Condition"] == {"ArnEquals": {"aws:PrincipalArn": role}}
    assert statement["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
    assert findings(run, BUS) == []


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, BUS)
    assert_a_second_run_changes_nothing(make_run, BUS)


@pytest.mark.notices("EventBus")
def test_a_bus_without_policy_or_archive_is_noticed_and_mended(run: Run, aws: Aws) -> None:
    name, events = ensure_with_needs(run, BUS).name, aws[SITE.region].events
    assert_mended(run, BUS, lambda: events.remove_permission(EventBusName=name, RemoveAllPermissions=True), "admit")
    archive = events.list_archives()["Archives"][0]["ArchiveName"]
    assert_mended(run, BUS, lambda: events.delete_archive(ArchiveName=archive), "archive")


def test_another_retention_is_applied_to_the_archive(run: Run, make_run: Callable[..., Run], aws: Aws) -> None:
    ensure_with_needs(run, BUS)
    longer = Settings(events=EventBuses(archive_days=90))
    ensure_with_needs(make_run(longer), BUS)
    assert aws[SITE.region].events.list_archives()["Archives"][0]["RetentionDays"] == 90


def test_the_archives_name_fits_for_every_region_and_environment(make_run: Callable[..., Run]) -> None:
    run = make_run(Settings(environment="a-rather-long-environment"))
    assert len(ensure_with_needs(run, BUS).name) <= 64
    assert findings(run, BUS) == []


def test_destroy_takes_bus_and_archive_and_leaves_the_default_bus(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, BUS)
    destroy_twice(run, BUS)
    events = aws[SITE.region].events
    assert [bus["Name"] for bus in events.list_event_buses()["EventBuses"]] == ["default"]
    assert events.list_archives()["Archives"] == []


def test_a_bus_of_somebody_else_is_not_deleted(run: Run, aws: Aws) -> None:
    aws[SITE.region].events.create_event_bus(Name=run.name("bus", "events", SITE))
    with pytest.raises(Refused, match="does not belong"):
        BUS.destroy(run)


def test_a_bus_of_somebody_else_keeps_its_policy(run: Run, aws: Aws) -> None:
    events, name = aws[SITE.region].events, run.name("bus", "events", SITE)
    events.create_event_bus(Name=name)
    with pytest.raises(Refused, match=name):
        ensure_with_needs(run, BUS)
    assert "Policy" not in events.describe_event_bus(Name=name)
    assert events.list_archives()["Archives"] == []


def test_a_bus_is_made_while_eventbridge_lags(run: Run) -> None:
    with lagging():
        out = BUS.ensure(run)
    assert list(BUS.verify(run, out)) == []


def test_a_bus_is_destroyed_while_the_rule_of_its_archive_lingers(run: Run) -> None:
    ensure_with_needs(run, BUS)
    with lagging():
        BUS.destroy(run)
    assert findings(run, BUS) == ["absent"]


def test_an_archive_of_another_bus_is_neither_used_nor_deleted(run: Run, aws: Aws) -> None:
    events, name = aws[SITE.region].events, run.name("archive", "events", SITE)
    ensure_with_needs(run, BUS)
    events.delete_archive(ArchiveName=name)
    other = events.create_event_bus(Name="other")["EventBusArn"]
    events.create_archive(ArchiveName=name, EventSourceArn=other, RetentionDays=run.settings.events.archive_days)
    with pytest.raises(Refused, match=name):
        ensure_with_needs(run, BUS)
    BUS.destroy(run)
    assert events.describe_archive(ArchiveName=name)["EventSourceArn"] == other
