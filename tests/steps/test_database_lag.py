"""The database's steps under the lab's delays: what AWS shows late is waited for, and nothing is made twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from drctl.aws.clients import Aws, Credentials, Door
from drctl.engine.clock import Clock
from drctl.engine.events import Events, Record
from drctl.engine.run import Run
from drctl.engine.step import Step, dependencies
from drctl.errors import Refused
from drctl.lab.clock import CLOCK
from drctl.lab.server import Lab
from drctl.settings import Database, Settings
from tests.conftest import SPEED, ensure_with_needs
from tests.steps.database import AWAY, GROUPS, HOME, PRIMARY, READERS, STANDBY, WORLD, WRITERS

#: AWS seconds in a second: three seconds of lag last as long as some calls.
SLOW = 400.0
#: The lab's speed when its lags have to outlast several looks of a run at SLOW.
LATE = 80.0


@pytest.fixture
def slow_run(lab: Lab, make_run: Callable[..., Run], records: list[Record]) -> Iterator[Callable[..., Run]]:
    """A run for one step whose needs stand, with the lab and the run's own clock slow enough to see the lags."""

    def make(step: Step[Any], settings: Settings | None = None, *, again: bool = False) -> Run:
        CLOCK.set_speed(SPEED)
        for need in dependencies(step):
            ensure_with_needs(make_run(), need)
        if again:
            ensure_with_needs(make_run(), step)
        records.clear()
        CLOCK.set_speed(SLOW)
        clock = Clock(SLOW)
        events = Events(clock, records.append)
        door = Door(lab.endpoint, Credentials("lab", "lab"))
        return Run("slow", settings or Settings(), Aws(door, events), clock, events)

    yield make
    CLOCK.set_speed(SPEED)


@pytest.mark.parametrize("step", [WORLD, GROUPS[HOME], PRIMARY], ids=lambda step: step.key)
def test_a_step_that_aws_shows_late_is_made_once(slow_run: Callable[..., Run], step: Step[Any]) -> None:
    run = slow_run(step)
    with run.events.at(step.key, step.region):
        step.ensure(run)
        made = run.events.changes[step.key]
        run.forget(step)
        step.ensure(run)
    assert run.events.changes[step.key] == made
    assert step.find(run) is not None


def test_an_instance_whose_answer_was_lost_is_taken_for_ours_although_it_is_not_shown_yet(
        slow_run: Callable[..., Run], aws: Aws) -> None:
    run = slow_run(WRITERS)
    name = run.name("aurora", "instance-1", HOME)
    CLOCK.set_speed(1)
    aws[HOME.region].rds.create_db_instance(
        DBInstanceIdentifier=name, DBClusterIdentifier=PRIMARY.cluster_id(run), Engine="aurora-postgresql",
        DBInstanceClass="db.serverless", Tags=[{"Key": key, "Value": value} for key, value in
                                               run.tags(HOME, name).items()])
    assert WRITERS.find(run) is None
    CLOCK.set_speed(6)
    WRITERS._create(run, name)
    assert len(aws[HOME.region].rds.describe_db_instances()["DBInstances"]) == 1


def test_an_instance_of_that_name_in_another_cluster_is_refused(slow_run: Callable[..., Run], aws: Aws) -> None:
    run = slow_run(WRITERS)
    name, rds = run.name("aurora", "instance-1", HOME), aws[HOME.region].rds
    rds.create_db_cluster(DBClusterIdentifier="theirs", Engine="aurora-postgresql", MasterUsername="dradmin",
                          MasterUserPassword="long-enough-1")
    rds.create_db_instance(
        DBInstanceIdentifier=name, DBClusterIdentifier="theirs", Engine="aurora-postgresql",
        DBInstanceClass="db.r6g.large", Tags=[{"Key": key, "Value": value} for key, value in
                                              run.tags(HOME, name).items()])
    with pytest.raises(Refused, match="does not belong"):
        WRITERS._create(run, name)


def test_another_retention_is_waited_for_until_it_is_pending_no_more(slow_run: Callable[..., Run], aws: Aws) -> None:
    settings = Settings(database=Database(backup_retention_days=9))
    run = slow_run(PRIMARY, settings, again=True)
    CLOCK.set_speed(LATE)
    PRIMARY.ensure(run)
    (shown,) = aws[HOME.region].rds.describe_db_clusters()["DBClusters"]
    assert (shown["BackupRetentionPeriod"], shown["Status"]) == (9, "available")
    assert not shown.get("PendingModifiedValues")


def test_another_class_is_waited_for_until_it_is_pending_no_more(slow_run: Callable[..., Run], aws: Aws) -> None:
    settings = Settings(database=Database(instance_class="db.r6g.large"))
    run = slow_run(WRITERS, settings, again=True)
    CLOCK.set_speed(LATE)
    WRITERS.ensure(run)
    (shown,) = aws[HOME.region].rds.describe_db_instances()["DBInstances"]
    assert (shown["DBInstanceClass"], shown["DBInstanceStatus"], shown["PendingModifiedValues"]) == (
        "db.r6g.large", "available", {})


def test_a_limit_is_taken_back_and_a_parameter_set_again_although_the_group_settles_in_between(
        slow_run: Callable[..., Run], aws: Aws) -> None:
    step = GROUPS[HOME]
    run = slow_run(step, again=True)
    group = run.output(step).cluster_parameters
    CLOCK.set_speed(LATE / 2)
    aws[HOME.region].rds.modify_db_cluster_parameter_group(DBClusterParameterGroupName=group, Parameters=[
        {"ParameterName": "rds.global_db_rpo", "ParameterValue": "20", "ApplyMethod": "immediate"},
        {"ParameterName": "rds.force_ssl", "ParameterValue": "0", "ApplyMethod": "immediate"}])
    run.forget(step)
    step.ensure(run)
    now = run.refresh(step)
    assert now is not None
    assert now.cluster_values == {"rds.force_ssl": "1"}


def test_the_teardown_waits_for_a_membership_that_is_cleared_late(slow_run: Callable[..., Run], aws: Aws) -> None:
    run = slow_run(READERS)
    STANDBY.destroy(run)
    assert aws[AWAY.region].rds.describe_db_clusters()["DBClusters"] == []
