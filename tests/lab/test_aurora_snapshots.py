"""Snapshots, clones and restores: what RDS refuses, how long each takes, and that the data is that of the moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab import aurora, aurora_quotas
from drctl.lab.clock import CLOCK, LabClock
from drctl.lab.databases import DATABASES
from drctl.lab.postgres import ReplicatedDatabase
from drctl.lab.postgres_server import until
from drctl.lab.rules import SWITCHED_OFF
from tests.conftest import SPEED
from tests.lab.aurora_world import (
    EAST,
    WEST,
    bare,
    begin_a_change,
    delete_cluster,
    fail_over,
    headless,
    members,
    pair,
    pass_an_hour,
    pass_some_seconds,
    refusal,
    single,
    writer,
)
from tests.lab.test_aurora_outage import host, numbers, server

rule = pytest.mark.rule
World = Callable[[Aws, LabClock], None]
Deed = Callable[[Aws], Any]
#: Of the name `single` and `pair` give their clusters.
SOURCE = {"SourceDBClusterIdentifier": f"db-{EAST}"}
CLONE: dict[str, Any] = {"DBClusterIdentifier": "twin", "RestoreType": "copy-on-write",
                         "UseLatestRestorableTime": True, **SOURCE}


def save(aws: Aws, region: str = EAST, name: str = "kept") -> Any:
    return aws[region].rds.create_db_cluster_snapshot(DBClusterIdentifier=f"db-{region}",
                                                      DBClusterSnapshotIdentifier=name)


def snapshot(aws: Aws, name: str = "kept", region: str = EAST, **asked: Any) -> Any:
    return aws[region].rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=name, **asked)[
        "DBClusterSnapshots"][0]


def load(aws: Aws, name: str = "kept", region: str = EAST, **asked: Any) -> Any:
    return aws[region].rds.restore_db_cluster_from_snapshot(**{
        "DBClusterIdentifier": "twin", "SnapshotIdentifier": name, "Engine": "aurora-postgresql", **asked})


def copy(aws: Aws, name: str = "kept", region: str = EAST, **asked: Any) -> Any:
    return aws[region].rds.copy_db_cluster_snapshot(**{
        "SourceDBClusterSnapshotIdentifier": name, "TargetDBClusterSnapshotIdentifier": "copied", **asked})


def drop(aws: Aws, name: str = "kept", region: str = EAST) -> Any:
    return aws[region].rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=name)


def clone(aws: Aws, region: str = EAST, **asked: Any) -> Any:
    return aws[region].rds.restore_db_cluster_to_point_in_time(**{
        name: value for name, value in {**CLONE, **asked}.items() if value is not None})


def twin(aws: Aws, region: str = EAST) -> Any:
    return aws[region].rds.describe_db_clusters(DBClusterIdentifier="twin")["DBClusters"][0]


def an_instance_of_the_twin(aws: Aws, region: str = EAST) -> Any:
    return aws[region].rds.create_db_instance(DBInstanceIdentifier="twin-1", DBClusterIdentifier="twin",
                                              Engine="aurora-postgresql", DBInstanceClass="db.r6g.large")


def automated(aws: Aws, region: str = EAST) -> list[Any]:
    return list(aws[region].rds.describe_db_cluster_snapshots(
        DBClusterIdentifier=f"db-{region}", SnapshotType="automated")["DBClusterSnapshots"])


def rescued(aws: Aws) -> list[Any]:
    return [one for one in automated(aws) if one["DBClusterSnapshotIdentifier"].startswith(
        f"rds:unplanned-global-failover-db-{EAST}-")]


# Worlds --------------------------------------------------------------------------------------------------------------


def saved(aws: Aws, clock: LabClock) -> None:
    """A cluster and a snapshot of it."""
    bare(aws, clock)
    save(aws)
    pass_an_hour(clock)


def saving(aws: Aws, clock: LabClock) -> None:
    """A cluster and a snapshot of it that is being made."""
    bare(aws, clock)
    save(aws)
    pass_some_seconds(clock)


def modifying(aws: Aws, clock: LabClock) -> None:
    """A cluster that is being changed."""
    single(aws, clock)
    begin_a_change(aws, clock, EAST)


def encrypted(aws: Aws, clock: LabClock) -> None:
    """An encrypted cluster and a snapshot of it."""
    key = aws[EAST].kms.create_key()["KeyMetadata"]["Arn"]
    bare(aws, clock, StorageEncrypted=True, KmsKeyId=key)
    save(aws)
    pass_an_hour(clock)


def restoring(aws: Aws, clock: LabClock) -> None:
    """A cluster that is being made of a snapshot."""
    saved(aws, clock)
    load(aws)
    pass_some_seconds(clock)


#: Rule, world, what is done in it, and the code of the refusal.
REFUSED: list[tuple[str, World, Deed, str]] = [
    ("snapshot-of-an-available-cluster", modifying, save, "InvalidDBClusterStateFault"),
    ("snapshot-identifier", saved, lambda aws: save(aws, name="two--hyphens"), "InvalidParameterValue"),
    ("snapshot-copy-source", saving, copy, "InvalidDBClusterSnapshotStateFault"),
    ("snapshot-copy-key", encrypted, lambda aws: copy(
        aws, snapshot(aws)["DBClusterSnapshotArn"], WEST, SourceRegion=EAST), "KMSKeyNotAccessibleFault"),
    ("snapshot-available-to-delete", saving, drop, "InvalidDBClusterSnapshotStateFault"),
    ("automated-snapshots-stay", single, lambda aws: drop(aws, automated(aws)[0]["DBClusterSnapshotIdentifier"]),
     "InvalidDBClusterSnapshotStateFault: Only manual snapshots may be deleted"),
    ("automated-snapshots-by-type", single, lambda aws: snapshot(
        aws, automated(aws)[0]["DBClusterSnapshotIdentifier"]), "DBClusterSnapshotNotFoundFault"),
    ("clone-of-a-secondary", pair, lambda aws: clone(aws, WEST, SourceDBClusterIdentifier=f"db-{WEST}"),
     "InvalidDBClusterStateFault"),
    ("clone-needs-an-instance", bare, clone, "InvalidDBClusterStateFault"),
    ("restore-source-available", modifying, clone, "InvalidDBClusterStateFault"),
    ("one-point-in-time", single, lambda aws: clone(aws, UseLatestRestorableTime=None), "InvalidParameterCombination"),
    ("one-point-in-time", single, lambda aws: clone(aws, UseLatestRestorableTime=None,
                                                    RestoreToTime="2026-01-01T00:00:00Z"),
     "InvalidParameterCombination"),
    ("restore-version", saved, lambda aws: load(aws, Engine="aurora-mysql"), "InvalidParameterCombination"),
    ("restored-before-its-instances", restoring, an_instance_of_the_twin, "InvalidDBClusterStateFault"),
]


@pytest.mark.parametrize(("world", "deed", "code"), [
    pytest.param(world, deed, code, marks=rule(name), id=f"{name}-{number}")
    for number, (name, world, deed, code) in enumerate(REFUSED)])
def test_what_rds_refuses(aws: Aws, clock: LabClock, world: World, deed: Deed, code: str) -> None:
    world(aws, clock)
    assert refusal(deed, aws).startswith(code)


def test_names_that_are_taken_and_things_that_are_not_there_are_refused(aws: Aws, clock: LabClock) -> None:
    saved(aws, clock)
    assert refusal(save, aws).startswith("DBClusterSnapshotAlreadyExistsFault")
    assert refusal(save, aws, WEST).startswith("DBClusterNotFoundFault")
    for deed in (lambda: drop(aws, "none"), lambda: load(aws, "none"), lambda: copy(aws, "none"),
                 lambda: load(aws, snapshot(aws)["DBClusterSnapshotArn"], WEST)):
        assert refusal(deed).startswith("DBClusterSnapshotNotFoundFault")
    assert refusal(load, aws, DBClusterIdentifier=f"db-{EAST}").startswith("DBClusterAlreadyExistsFault")
    assert refusal(clone, aws, WEST).startswith("DBClusterNotFoundFault")
    far = aws[WEST].kms.create_key()["KeyMetadata"]["Arn"]
    assert refusal(load, aws, KmsKeyId=far).startswith("KMSKeyNotAccessibleFault")


@rule("snapshot-quota")
def test_one_snapshot_more_than_the_quota_is_refused(
        aws: Aws, clock: LabClock, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(aws, clock)
    monkeypatch.setitem(aurora_quotas.QUOTAS, "snapshots", 1)
    assert refusal(save, aws, EAST, "more").startswith("SnapshotQuotaExceeded")
    assert refusal(copy, aws).startswith("SnapshotQuotaExceeded")


# What takes time -----------------------------------------------------------------------------------------------------


@rule("snapshot-visible-late")
def test_a_snapshot_just_made_is_not_found_for_seconds(aws: Aws, clock: LabClock) -> None:
    bare(aws, clock)
    save(aws)
    assert refusal(snapshot, aws).startswith("DBClusterSnapshotNotFoundFault")


@rule("snapshot-states")
def test_a_snapshot_is_creating_for_as_long_as_aws_takes(aws: Aws, clock: LabClock) -> None:
    saving(aws, clock)
    assert (snapshot(aws)["Status"], snapshot(aws)["PercentProgress"]) == ("creating", 0)
    clock.skip(seconds("snapshot-create"))
    shown = snapshot(aws)
    assert (shown["Status"], shown["PercentProgress"], shown["SnapshotType"]) == ("available", 100, "manual")


@rule("snapshot-copying")
def test_a_copy_is_copying_for_as_long_as_aws_takes(aws: Aws, clock: LabClock) -> None:
    saved(aws, clock)
    copy(aws)
    pass_some_seconds(clock)
    assert snapshot(aws, "copied")["Status"] == "copying"
    clock.skip(seconds("snapshot-copy"))
    shown = snapshot(aws, "copied")
    assert (shown["Status"], shown["SnapshotType"]) == ("available", "manual")
    assert shown["SourceDBClusterSnapshotArn"] == snapshot(aws)["DBClusterSnapshotArn"]


@rule("snapshot-deletion")
def test_a_deleted_snapshot_is_deleting_before_it_is_gone(aws: Aws, clock: LabClock) -> None:
    saved(aws, clock)
    drop(aws)
    assert snapshot(aws)["Status"] == "deleting"
    clock.skip(seconds("snapshot-delete"))
    assert refusal(snapshot, aws).startswith("DBClusterSnapshotNotFoundFault")
    save(aws)


@rule("cluster-to-a-point-in-time")
def test_a_clone_of_a_primary_is_a_cluster_of_its_own_after_minutes(aws: Aws, clock: LabClock) -> None:
    pair(aws, clock)
    clone(aws)
    pass_some_seconds(clock)
    assert twin(aws)["Status"] == "creating"
    clock.skip(seconds("cluster-clone"))
    shown = twin(aws)
    assert (shown["Status"], shown["MasterUsername"], shown["EngineVersion"]) == ("available", "dradmin", "16.6")
    assert set(members(aws)) == {EAST, WEST}
    assert "GlobalClusterIdentifier" not in shown
    assert an_instance_of_the_twin(aws)["DBInstance"]["DBInstanceStatus"] == "creating"
    delete_cluster_named_twin(aws, clock)


def delete_cluster_named_twin(aws: Aws, clock: LabClock) -> None:
    pass_an_hour(clock)
    aws[EAST].rds.delete_db_instance(DBInstanceIdentifier="twin-1")
    aws[EAST].rds.delete_db_cluster(DBClusterIdentifier="twin", SkipFinalSnapshot=True)
    pass_an_hour(clock)
    assert set(members(aws)) == {EAST, WEST}


def test_without_its_rule_a_secondary_is_cloned(aws: Aws, clock: LabClock) -> None:
    pair(aws, clock)
    SWITCHED_OFF.add("clone-of-a-secondary")
    clone(aws, WEST, SourceDBClusterIdentifier=f"db-{WEST}")
    pass_an_hour(clock)
    assert (twin(aws, WEST)["Status"], twin(aws, WEST)["MasterUsername"]) == ("available", "dradmin")


@rule("cluster-from-a-snapshot")
def test_a_snapshot_is_restored_after_many_minutes(aws: Aws, clock: LabClock) -> None:
    headless(aws, clock)
    save(aws, WEST)
    pass_an_hour(clock)
    load(aws, region=WEST, EngineVersion="16.6")
    pass_some_seconds(clock)
    clock.skip(seconds("cluster-create"))
    assert twin(aws, WEST)["Status"] == "creating"
    clock.skip(seconds("snapshot-restore"))
    shown = twin(aws, WEST)
    assert (shown["Status"], shown["MasterUsername"]) == ("available", "dradmin")
    assert not shown.get("ServerlessV2ScalingConfiguration")


@rule("restored-cluster-visible-late")
def test_a_cluster_just_restored_is_not_found_for_seconds(aws: Aws, clock: LabClock) -> None:
    saved(aws, clock)
    load(aws)
    assert refusal(twin, aws).startswith("DBClusterNotFoundFault")


# The lost tail -------------------------------------------------------------------------------------------------------


@rule("rescue-snapshot")
def test_when_the_old_region_is_back_what_only_it_has_is_saved_once(aws: Aws, clock: LabClock) -> None:
    pair(aws, clock)
    aurora.lose(EAST)
    fail_over(aws)
    pass_an_hour(clock)
    assert rescued(aws) == []
    aurora.restore(EAST)
    pass_some_seconds(clock)
    (tail,) = rescued(aws)
    assert (tail["SnapshotType"], tail["Status"]) == ("automated", "creating")
    aurora.lose(EAST)
    aurora.restore(EAST)
    pass_an_hour(clock)
    assert [one["Status"] for one in rescued(aws)] == ["available"]
    copy(aws, tail["DBClusterSnapshotIdentifier"])
    pass_an_hour(clock)
    assert snapshot(aws, "copied")["SnapshotType"] == "manual"


def test_it_expires_with_its_cluster_and_its_copy_does_not(aws: Aws, clock: LabClock) -> None:
    bare(aws, clock)
    copy(aws, automated(aws)[0]["DBClusterSnapshotIdentifier"])
    pass_an_hour(clock)
    delete_cluster(aws, EAST)
    pass_an_hour(clock)
    left = aws[EAST].rds.describe_db_cluster_snapshots()["DBClusterSnapshots"]
    assert [one["DBClusterSnapshotIdentifier"] for one in left] == ["copied"]


# The data ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def servers(aws: Aws, clock: LabClock) -> Iterator[ReplicatedDatabase]:
    """The real servers of both regions, at the speed of tests, with one table and one row."""
    pair(aws, clock)
    CLOCK.set_speed(SPEED)
    assert DATABASES.port_of(host(EAST))
    database = DATABASES._known[0].database
    east, west = (server(database, region) for region in (EAST, WEST))
    east.ask("CREATE TABLE beats (n int PRIMARY KEY)")
    east.ask("INSERT INTO beats VALUES (1)")
    until(lambda: west.ask("SELECT to_regclass('beats')") != [[None]] and numbers(west) == [1], "the row")
    yield database
    DATABASES.stop()


def of_the_twin(aws: Aws, region: str) -> list[int]:
    """The rows that the restored cluster's server holds; it takes writes of its own."""
    until(lambda: twin(aws, region)["Status"] == "available", "the restore")
    arn = twin(aws, region)["DBClusterArn"]
    found = next(known.database for known in DATABASES._known if "twin" in arn
                 and known.database.writer not in DATABASES._known[0].database.servers)
    one = found.servers[found.writer]
    held = numbers(one)
    one.ask("INSERT INTO beats VALUES (99)")
    assert 99 in numbers(one)
    return held


def test_a_snapshot_of_a_secondary_holds_the_rows_of_its_moment(aws: Aws, servers: ReplicatedDatabase) -> None:
    east, west = (server(servers, region) for region in (EAST, WEST))
    save(aws, WEST)
    east.ask("INSERT INTO beats VALUES (2)")
    until(lambda: numbers(west) == [1, 2], "the second row")
    until(lambda: snapshot(aws, region=WEST)["Status"] == "available", "the snapshot")
    load(aws, region=WEST)
    assert of_the_twin(aws, WEST) == [1]
    assert (numbers(east), numbers(west)) == ([1, 2], [1, 2])


def test_a_clone_holds_the_rows_of_its_moment_and_keeps_its_own(aws: Aws, servers: ReplicatedDatabase) -> None:
    SWITCHED_OFF.add("clone-of-a-secondary")
    east = server(servers, EAST)
    clone(aws, WEST, SourceDBClusterIdentifier=f"db-{WEST}")
    east.ask("INSERT INTO beats VALUES (2)")
    assert of_the_twin(aws, WEST) == [1]
    assert numbers(east) == [1, 2]


def test_the_rescue_snapshot_holds_what_the_rebuild_undoes(aws: Aws, servers: ReplicatedDatabase) -> None:
    east, west = (server(servers, region) for region in (EAST, WEST))
    aurora.lose(EAST)
    until(lambda: servers.lag_s(west.label) == float("inf"), "the cut")
    east.ask("INSERT INTO beats VALUES (7)")
    fail_over(aws)
    until(lambda: servers.writer == west.label and writer(aws) == [WEST], "the new writer")
    west.ask("INSERT INTO beats VALUES (8)")
    aurora.restore(EAST)
    until(lambda: members(aws)[EAST]["SynchronizationStatus"] == "connected", "the rebuild")
    assert DATABASES.port_of(host(EAST)) == east.port
    until(lambda: numbers(east) == [1, 8], "the old primary")
    (tail,) = rescued(aws)
    copy(aws, tail["DBClusterSnapshotIdentifier"])
    until(lambda: snapshot(aws, "copied")["Status"] == "available", "the copy")
    load(aws, "copied")
    assert of_the_twin(aws, EAST) == [1, 7]
