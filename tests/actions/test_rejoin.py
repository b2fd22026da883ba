"""A region that was lost is waited for, becomes a connected copy again, and what stood alone is not thrown away."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from drctl.actions.dns_switch import Sent
from drctl.actions.failover import Failover
from drctl.actions.inventory import ProveEmpty, inventory
from drctl.actions.rejoin import AwaitRegion, CatchUp, Rejoin
from drctl.actions.switchover import Switchover, active_site, anew
from drctl.actions.unused import ProveUnused
from drctl.aws.clients import Aws
from drctl.aws.dns import Answer
from drctl.engine.events import Record
from drctl.engine.run import OUTAGE_BEGAN, Run
from drctl.engine.runbook import perform
from drctl.errors import ChecksFailed, Refused, WaitTimeout
from drctl.lab import outages
from drctl.settings import Settings
from drctl.steps.rescue_snapshot import SAVED, RescueSnapshots, last_name
from drctl.steps.zone import Zone
from tests.steps.database import AWAY, HOME, PRIMARY, WORLD, WRITERS, destroy, ensure_all
from tests.steps.edge import Edge

CLUSTER = "aurora-cluster-us-east-1-lab"
#: Nobody works with the cluster there: its database does not answer, and the name is that of another balancer.
UNUSED = ProveUnused(WORLD, PRIMARY, Edge(HOME, Zone(HOME)).balancer, HOME, ask=lambda *_, **__: {"ok": False},
                     sent=lambda *_: Sent(Answer(("192.0.2.1",)), Answer(("192.0.2.2",))))
BACK, REBUILT = Rejoin(WORLD, WRITERS, HOME, UNUSED), Rejoin(WORLD, WRITERS, HOME, UNUSED, rebuild=True)


@pytest.fixture(autouse=True)
def no_outage() -> Iterator[None]:
    yield
    outages.end()


def looks(records: list[Record]) -> list[str]:
    return [record["seen"] for record in records if record["event"] == "waiting"]


# The region answers --------------------------------------------------------------------------------------------------


def test_a_region_that_answers_is_not_waited_for_though_nothing_stands_in_it(run: Run, records: list[Record]) -> None:
    perform(run, AwaitRegion(HOME))
    assert looks(records) == ["all answer"]


@pytest.mark.parametrize(("service", "mode"), [("s3", "error"), ("rds", "refuse"), ("lambda", "error")])
def test_it_is_waited_for_until_the_last_service_answers(
        run: Run, records: list[Record], service: str, mode: str) -> None:
    def end_it(record: Record) -> None:
        if record["event"] == "waiting":
            outages.end()

    run.events.add_sink(end_it)
    outages.start(HOME.region, service, mode)
    perform(run, AwaitRegion(HOME))
    assert looks(records)[0].startswith(f"{service}: ")
    assert looks(records)[1:] == ["all answer"]


def test_a_service_that_hangs_is_heard_when_it_answers(run: Run, records: list[Record]) -> None:
    outages.start(HOME.region, "s3", "hang")
    over = threading.Timer(0.1, outages.end)
    over.start()
    perform(run, AwaitRegion(HOME))
    over.join()
    assert looks(records)[-1] == "all answer"


def test_a_region_that_does_not_come_back_ends_the_wait_with_who_is_silent(run: Run) -> None:
    run.clock.patience_s = 0.0
    outages.start(HOME.region, "s3", "error")
    with pytest.raises(WaitTimeout, match=r"us-east-1 answers: not so after .*; last seen: s3: ") as late:
        perform(run, AwaitRegion(HOME))
    assert "drctl failback again later" in late.value.next_step


def test_the_other_region_is_asked_nothing(run: Run, records: list[Record]) -> None:
    perform(run, AwaitRegion(HOME))
    assert {record["to"] for record in records if record["event"] == "call"} == {HOME.region}


# A member again ------------------------------------------------------------------------------------------------------


@pytest.fixture
def failed_over(run: Run, make_run: Callable[..., Run]) -> Run:
    """A run after a failover, the lost region being back."""
    ensure_all(run)
    failing = make_run()
    failing.lost = HOME.region
    outages.start(HOME.region, "", "refuse")
    perform(failing, Failover(WORLD, AWAY))
    outages.end()
    return make_run()


def test_what_aurora_adds_again_by_itself_is_waited_for_and_changed_by_nobody(
        failed_over: Run, make_run: Callable[..., Run]) -> None:
    perform(failed_over, BACK)
    assert failed_over.events.changes == {}
    member = anew(failed_over, WORLD).member(HOME.region)
    assert member is not None
    assert (member.is_writer, member.synchronization) == (False, "connected")
    again = make_run()
    assert BACK.needless(again)
    perform(again, CatchUp(HOME))
    perform(again, Switchover(WORLD, HOME))
    assert active_site(again, WORLD) == HOME


def test_a_tail_that_aurora_has_saved_is_unkept_until_somebody_has_kept_it(failed_over: Run) -> None:
    rescue = RescueSnapshots(HOME, PRIMARY)
    perform(failed_over, BACK)
    assert [one.startswith(f"rds:unplanned-global-failover-{CLUSTER}-") for one in rescue.unkept(failed_over)] == [True]
    rescue.ensure(failed_over)
    assert rescue.unkept(failed_over) == []


def test_the_writers_own_region_needs_no_rejoining(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_all(run)
    assert BACK.needless(make_run())


# Outside of the global database --------------------------------------------------------------------------------------


@pytest.fixture
def alone(failed_over: Run, aws: Aws, make_run: Callable[..., Run]) -> Run:
    """A run that finds the cluster of the old region outside of the global database."""
    perform(failed_over, BACK)
    aws[HOME.region].rds.remove_from_global_cluster(
        GlobalClusterIdentifier=failed_over.output(WORLD).id, DbClusterIdentifier=failed_over.output(PRIMARY).arn)
    failed_over.wait_until("it stands alone", lambda: anew(failed_over, WORLD).member(HOME.region),
                           lambda member: member is None, within=3600)
    return without_patience_for_aurora(make_run())


def without_patience_for_aurora(run: Run) -> Run:
    """A run that waits no real time for what Aurora does not do, and for everything else as ever."""
    def heard(record: Record) -> None:
        is_in_vain = record["event"] == "waiting" and record["sentence"].startswith("Aurora has added")
        run.clock.patience_s = 0.0 if is_in_vain else 10.0

    run.events.add_sink(heard)
    return run


def snapshots(aws: Aws, region: str = HOME.region) -> list[Any]:
    return list(aws[region].rds.describe_db_cluster_snapshots(SnapshotType="manual")["DBClusterSnapshots"])


def test_a_cluster_that_stands_outside_is_left_alone_unless_somebody_says_otherwise(alone: Run, aws: Aws) -> None:
    with pytest.raises(Refused, match="stands outside the global database") as refused:
        perform(alone, BACK)
    assert refused.value.next_step.startswith("drctl failback --rebuild")
    assert alone.events.changes == {}
    assert snapshots(aws) == []


@pytest.mark.parametrize("rejoin", [BACK, REBUILT])
def test_a_cluster_that_users_may_work_with_is_not_deleted_whatever_was_asked_for(
        alone: Run, aws: Aws, rejoin: Rejoin) -> None:
    there = Sent(Answer(("192.0.2.1",)), Answer(("192.0.2.1", "192.0.2.2")))
    with pytest.raises(Refused, match=f"the cluster {CLUSTER} in us-east-1 may be the one that users work") as refused:
        perform(alone, replace(rejoin, unused=replace(UNUSED, sent=lambda *_: there)))
    assert refused.value.findings == ("app.dr.example.com sends users to us-east-1",)
    assert alone.events.changes == {}
    assert snapshots(aws) == []


def test_a_rebuilt_one_is_a_connected_copy_and_a_last_snapshot_of_the_old_one_is_kept(
        alone: Run, aws: Aws, make_run: Callable[..., Run]) -> None:
    old = aws[HOME.region].rds.describe_db_clusters(DBClusterIdentifier=CLUSTER)["DBClusters"][0]
    perform(alone, REBUILT)
    fresh = make_run()
    member = anew(fresh, WORLD).member(HOME.region)
    assert member is not None
    assert member.synchronization == "connected"
    assert active_site(fresh, WORLD) == AWAY
    kept = snapshots(aws)
    assert [(one["DBClusterIdentifier"], one["SnapshotType"]) for one in kept] == [(CLUSTER, "manual")]
    assert kept[0]["DBClusterSnapshotIdentifier"] == last_name(alone, HOME, old["DbClusterResourceId"])
    assert BACK.needless(fresh)


class Counting(Run):
    """A run that tells for how many AWS seconds it would wait at most."""

    def wait_until(self, sentence: str, *given: Any, **more: Any) -> Any:
        self.measures[sentence] = more["within"]
        return super().wait_until(sentence, *given, **more)


@pytest.mark.parametrize(("rejoin", "minutes"), [(BACK, 60), (REBUILT, 5)])
def test_aurora_has_an_hour_and_where_a_rebuild_was_asked_for_some_minutes(
        alone: Run, rejoin: Rejoin, minutes: float) -> None:
    run = Counting(alone.id, alone.settings, alone.aws, alone.clock, alone.events)
    with suppress(Refused):
        perform(run, rejoin)
    assert run.measures[f"Aurora has added the cluster in {HOME.region} again"] == minutes * 60


def test_a_rebuild_that_was_killed_half_way_keeps_the_one_snapshot(alone: Run, aws: Aws, make_run: Callable[..., Run],
                                                                  ) -> None:
    WRITERS.remove_alone(alone)
    PRIMARY.remove_alone(alone, last_name(alone, HOME, alone.output(PRIMARY).resource_id))
    again = without_patience_for_aurora(make_run())
    perform(again, BACK)  # nothing is there any more that could be lost
    assert len(snapshots(aws)) == 1


def test_a_teardown_removes_the_last_snapshot_and_nobody_elses(alone: Run, aws: Aws, make_run: Callable[..., Run],
                                                               ) -> None:
    perform(alone, REBUILT)
    aws[HOME.region].rds.create_db_cluster_snapshot(DBClusterIdentifier=CLUSTER, DBClusterSnapshotIdentifier="mine")
    ours = next(one["DBClusterSnapshotArn"] for one in snapshots(aws)
                if one["DBClusterSnapshotIdentifier"] != "mine")
    run = make_run()
    assert [one.id for one in inventory(run) if one.kind == "rds:cluster-snapshot"] == [ours]
    with pytest.raises(ChecksFailed) as left:
        ProveEmpty().do(run)
    assert f"rds:cluster-snapshot {ours} (us-east-1)" in left.value.findings
    destroy(run)
    RescueSnapshots(HOME, PRIMARY).destroy(run)
    assert [one["DBClusterSnapshotIdentifier"] for one in snapshots(aws)] == ["mine"]
    assert [one for one in inventory(make_run()) if one.kind.startswith("rds:cluster")] == [
        one for one in inventory(make_run()) if one.kind == "rds:cluster-pg"]


@pytest.mark.parametrize("region", ["us-east-1", "ap-southeast-2"])
def test_the_snapshots_name_is_one_that_rds_takes(make_run: Callable[..., Run], region: str) -> None:
    settings = Settings.model_validate({"environment": "e" * 20, "regions": {"primary": region,
                                                                            "standby": "us-west-2"}})
    name = last_name(make_run(settings), settings.primary, "cluster-ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert name == f"snapshot-rescue-qrstuvwxyz-{region}-{'e' * 20}"
    assert len(name) <= 63


def test_a_cluster_of_the_same_name_has_a_snapshot_of_another_name(run: Run) -> None:
    one, other = (last_name(run, HOME, f"cluster-{letter * 26}") for letter in "AB")
    assert one != other


# What Aurora has saved ------------------------------------------------------------------------------------------------


KEPT = RescueSnapshots(HOME, PRIMARY)


def saved(aws: Aws) -> list[str]:
    """The automated snapshots of lost tails."""
    found = aws[HOME.region].rds.describe_db_cluster_snapshots(SnapshotType="automated")["DBClusterSnapshots"]
    return [name for one in found if (name := one["DBClusterSnapshotIdentifier"]).startswith(SAVED)]


def test_what_aurora_has_saved_is_kept_as_soon_as_the_cluster_is_a_member_again(
        failed_over: Run, aws: Aws, records: list[Record]) -> None:
    action = Rejoin(WORLD, WRITERS, HOME, UNUSED, rescue=KEPT)
    del records[:]
    action.do(failed_over)
    (tail,) = saved(aws)
    assert [(record["operation"], record["params"]["SourceDBClusterSnapshotIdentifier"]) for record in records
            if record["event"] == "call" and record["mutating"]] == [("CopyDBClusterSnapshot", tail)]
    sentences = [record["sentence"] for record in records if record["event"] == "waiting"]
    assert sentences.index("the rescue snapshots are available") < sentences.index(
        "the copy in us-east-1 is connected"), "Aurora takes hours, and what it has saved expires"
    assert [line.partition(" --")[0] for line in map(str, action.by_hand(failed_over))] == [
        "aws rds describe-global-clusters", "aws rds describe-db-cluster-snapshots",
        "aws rds copy-db-cluster-snapshot"]


def test_what_aurora_has_saved_is_kept_before_the_cluster_is_deleted_with_its_snapshots(
        alone: Run, aws: Aws, make_run: Callable[..., Run]) -> None:
    (tail,) = saved(aws)
    perform(alone, Rejoin(WORLD, WRITERS, HOME, UNUSED, rebuild=True, rescue=KEPT))
    assert saved(aws) == []
    assert len(snapshots(aws)) == 2
    found = KEPT.find(make_run())
    assert found is not None
    assert found.id.split("-")[2] == re.sub("[^0-9]", "", tail)[-10:]


def test_it_is_kept_too_where_the_cluster_is_left_alone_for_somebody_to_decide(alone: Run, aws: Aws) -> None:
    with pytest.raises(Refused, match="stands outside the global database"):
        perform(alone, Rejoin(WORLD, WRITERS, HOME, UNUSED, rescue=KEPT))
    assert len(snapshots(aws)) == 1


def test_without_anything_saved_a_rebuild_goes_on(alone: Run, aws: Aws) -> None:
    alone.measure(OUTAGE_BEGAN, time.time() + 1)  # what there is was saved in an earlier failover
    perform(alone, Rejoin(WORLD, WRITERS, HOME, UNUSED, rebuild=True, rescue=KEPT))
    assert len(snapshots(aws)) == 1


# Caught up -----------------------------------------------------------------------------------------------------------


def test_a_copy_has_caught_up_when_its_lag_is_below_the_alarm(run: Run, records: list[Record]) -> None:
    ensure_all(run)
    perform(run, CatchUp(AWAY))
    assert looks(records)[-1] == "0.1 s"


def test_a_copy_that_lags_is_waited_for(run: Run, records: list[Record]) -> None:
    ensure_all(run)
    outages.start(HOME.region, "rds", "refuse")  # the writer is lost: what was last replicated grows older
    strict = run.settings.model_copy(update={"alarms": run.settings.alarms.model_copy(
        update={"replication_lag_s": 0.5})})
    run.settings = strict
    over = threading.Timer(0.1, outages.end)
    over.start()
    perform(run, CatchUp(AWAY))
    over.join()
    assert any(float(seen.removesuffix(" s")) > 0.5 for seen in looks(records) if seen.endswith(" s"))


def test_steps_stand_as_a_provision_leaves_them_after_a_rebuild(alone: Run, make_run: Callable[..., Run]) -> None:
    perform(alone, REBUILT)
    again = make_run()
    ensure_all(again)
    assert again.events.changes == {}
