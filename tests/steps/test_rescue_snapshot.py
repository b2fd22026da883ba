"""What stands for the lost tail is of the failover that is being cleaned up after, whatever earlier ones have left."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from moto.rds.models import rds_backends

from drctl.actions.rescue import KeepRescueSnapshot
from drctl.aws.clients import Aws
from drctl.engine.events import Record
from drctl.engine.run import OUTAGE_BEGAN, NotBuilt, Run
from drctl.engine.runbook import perform
from drctl.lab.aurora_snapshots import save_the_tail
from drctl.settings import LAB_ACCOUNT
from drctl.steps.rescue_snapshot import RescueSnapshots, last_name
from tests.conftest import SPEED, ensure_with_needs
from tests.steps.database import HOME, PRIMARY

RESCUE = RescueSnapshots(HOME, PRIMARY)
CLUSTER = "aurora-cluster-us-east-1-lab"


@pytest.fixture(autouse=True)
def old_primary(run: Run) -> None:
    """The cluster whose tail is lost."""
    ensure_with_needs(run, PRIMARY)


def saved(run: Run) -> None:
    """Aurora saves the tail of a failover."""
    save_the_tail(rds_backends[LAB_ACCOUNT][HOME.region].clusters[CLUSTER])


def later() -> float:
    """When an outage began that is to come."""
    return time.time() + 1


def since(make_run: Callable[..., Run], began: float | None) -> Run:
    """A run that cleans up after an outage that began then."""
    run = make_run()
    if began is not None:
        run.measure(OUTAGE_BEGAN, began)
    return run


def names(aws: Aws, kind: str = "manual") -> list[str]:
    return [one["DBClusterSnapshotIdentifier"] for one in aws[HOME.region].rds.describe_db_cluster_snapshots(
        DBClusterIdentifier=CLUSTER, SnapshotType=kind)["DBClusterSnapshots"]]


def test_what_aurora_has_saved_of_this_failover_is_kept_and_found(
        run: Run, make_run: Callable[..., Run], aws: Aws) -> None:
    began = time.time()
    saved(run)
    out = RESCUE.ensure(since(make_run, began))
    assert (out.id, out.status) == (names(aws)[0], "available")
    assert RESCUE.find(since(make_run, began)) == out


def test_what_an_earlier_failover_has_left_is_not_taken_for_this_ones(
        run: Run, make_run: Callable[..., Run], records: list[Record]) -> None:
    saved(run)
    earlier = RESCUE.ensure(since(make_run, None)).id
    now = since(make_run, later())
    assert RESCUE.find(now) is None
    with pytest.raises(NotBuilt):
        RESCUE.ensure(now)
    perform(now, KeepRescueSnapshot(RESCUE))
    told = next(record["text"] for record in reversed(records) if record["event"] == "note")
    assert told.startswith("Aurora has saved no rescue snapshot in us-east-1 since the outage began: lost rows cannot "
                           "be listed; from before it there are ")
    assert earlier in told
    assert "rescue_snapshot" not in now.measures


def test_two_failovers_of_one_minute_have_a_snapshot_each(run: Run, make_run: Callable[..., Run], aws: Aws) -> None:
    saved(run)
    first = RESCUE.ensure(since(make_run, None)).id
    run.clock.sleep(1.1 * SPEED)  # their names are to the second
    began = time.time()
    saved(run)
    second = RESCUE.ensure(since(make_run, began)).id
    assert sorted(names(aws)) == sorted({first, second})
    assert first != second


def test_what_was_never_kept_of_an_earlier_failover_is_not_kept_as_this_ones(
        run: Run, make_run: Callable[..., Run], aws: Aws) -> None:
    saved(run)
    assert RESCUE.keep(since(make_run, later())) is None
    assert names(aws) == []


@pytest.mark.parametrize(("minutes", "taken"), [(1, True), (5, False)])
def test_clocks_may_differ_by_a_minute(
        run: Run, make_run: Callable[..., Run], aws: Aws, minutes: float, taken: bool) -> None:
    saved(run)
    made: Any = aws[HOME.region].rds.describe_db_cluster_snapshots(SnapshotType="automated")["DBClusterSnapshots"][-1]
    began = made["SnapshotCreateTime"].timestamp() + minutes * 60 / SPEED
    assert (RESCUE.keep(since(make_run, began)) is not None) == taken


def test_what_aurora_has_saved_goes_before_the_last_snapshot_of_a_rebuild(
        run: Run, make_run: Callable[..., Run], aws: Aws, records: list[Record]) -> None:
    began = time.time()
    saved(run)
    tail = RESCUE.ensure(since(make_run, began)).id
    last = last_name(run, HOME, "cluster-ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    aws[HOME.region].rds.create_db_cluster_snapshot(
        DBClusterIdentifier=CLUSTER, DBClusterSnapshotIdentifier=last, Tags=[
            {"Key": key, "Value": value} for key, value in run.tags(HOME, last).items()])
    now = since(make_run, began)
    perform(now, KeepRescueSnapshot(RESCUE))
    assert now.measures["rescue_snapshot"] == tail
    assert [record["text"] for record in records if record["event"] == "note"] == [
        f"lost rows are listed from {tail}; {last} is kept too"]
    assert {tail, last} == set(names(aws))


def test_a_teardown_finds_and_removes_them_all(run: Run, make_run: Callable[..., Run], aws: Aws) -> None:
    saved(run)
    RESCUE.ensure(since(make_run, None))
    fresh = make_run()
    assert RESCUE.find(fresh) is not None
    RESCUE.destroy(since(make_run, later()))
    assert names(aws) == []
