"""A minor upgrade goes through the members one by one: those that read first, the writer last, each waited for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.engine.events import Record
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.settings import Database, Settings
from drctl.steps.engine_version import EngineVersion
from tests.conftest import changes, ensure_with_needs
from tests.steps.database import AWAY, DATABASE, HOME, PRIMARY, READERS, STANDBY, WORLD, WRITERS

VERSION = EngineVersion(HOME, (PRIMARY, STANDBY), (WRITERS, READERS), WORLD)
NEWER = Settings(database=Database(engine_version="16.8"))


def findings(run: Run) -> list[str]:
    return [one.text for one in VERSION.verify(run, run.refresh(VERSION) or run.output(VERSION))]


def upgrades(records: list[Record]) -> list[str]:
    """The regions whose cluster was upgraded, in order."""
    return [str(one["to"]) for one in records
            if one.get("operation") == "ModifyDBCluster" and "EngineVersion" in one.get("params", {})]


def versions(aws: Aws) -> set[str]:
    """Of both clusters, their instances, and the global cluster."""
    found = {aws[HOME.region].rds.describe_global_clusters()["GlobalClusters"][0]["EngineVersion"]}
    for site in (HOME, AWAY):
        rds: Any = aws[site.region].rds
        found |= {one["EngineVersion"] for one in rds.describe_db_clusters()["DBClusters"]}
        found |= {one["EngineVersion"] for one in rds.describe_db_instances()["DBInstances"]}
    return found


def upgraded(make_run: Callable[..., Run], settings: Settings = NEWER) -> Run:
    run: Run = make_run(settings)
    ensure_with_needs(run, VERSION)
    return run


def switch_over(run: Run, aws: Aws) -> None:
    """The other region's database writes."""
    aws[HOME.region].rds.switchover_global_cluster(
        GlobalClusterIdentifier=WORLD.name(run), TargetDbClusterIdentifier=run.output(STANDBY).arn)
    run.wait_until("roles have changed", lambda: run.refresh(WORLD), lambda seen: (
        seen is not None and seen.writer == AWAY.region and seen.at_rest), within=3600)


@pytest.mark.notices("EngineVersion")
def test_the_standby_is_upgraded_before_the_writer_and_nothing_else_is_changed(
        run: Run, make_run: Callable[..., Run], aws: Aws, records: list[Record]) -> None:
    ensure_with_needs(run, VERSION)
    assert findings(run) == []
    looking = make_run(NEWER)
    assert findings(looking) == [f"the cluster in {site.region} runs 16.6, not 16.8" for site in (HOME, AWAY)]
    records.clear()
    later = upgraded(make_run)
    assert upgrades(records) == [AWAY.region, HOME.region]
    assert versions(aws) == {"16.8"}
    assert findings(later) == []
    assert {step.key: changes(later, step) for step in (*DATABASE, VERSION) if changes(later, step)} == {
        VERSION.key: 2}
    assert not any(changes(upgraded(make_run), step) for step in (*DATABASE, VERSION))


def test_after_a_switchover_the_other_order_is_right(
        run: Run, make_run: Callable[..., Run], aws: Aws, records: list[Record]) -> None:
    ensure_with_needs(run, VERSION)
    switch_over(run, aws)
    records.clear()
    upgraded(make_run)
    assert upgrades(records) == [HOME.region, AWAY.region]
    assert versions(aws) == {"16.8"}


def test_an_upgrade_that_was_killed_half_way_is_carried_on_and_not_taken_back(
        run: Run, make_run: Callable[..., Run], aws: Aws, records: list[Record]) -> None:
    ensure_with_needs(run, VERSION)
    aws[AWAY.region].rds.modify_db_cluster(
        DBClusterIdentifier=run.output(STANDBY).id, EngineVersion="16.8", ApplyImmediately=True)
    run.wait_until("the standby is upgraded", lambda: run.refresh(STANDBY), lambda seen: (
        seen is not None and seen.engine_version == "16.8" and seen.status == "available"), within=3600)
    with pytest.raises(Refused, match=r"the cluster in us-west-2 runs 16\.8 already") as refused:
        upgraded(make_run, Settings())
    assert "set database.engine_version to 16.8" in refused.value.next_step
    records.clear()
    upgraded(make_run)
    assert upgrades(records) == [HOME.region]
    assert versions(aws) == {"16.8"}
