"""The whole global database: made in order, left as it is whatever its roles are, and taken down from any state."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.settings import Settings
from tests.conftest import ensure_with_needs
from tests.steps.database import (
    AWAY,
    DATABASE,
    HOME,
    PRIMARY,
    READERS,
    STANDBY,
    WORLD,
    WRITERS,
    changed,
    destroy,
    ensure_all,
    findings,
)


def switch_over(run: Run, aws: Aws) -> None:
    """Let the standby region write."""
    world = run.refresh(WORLD) or run.output(WORLD)
    target = run.output(STANDBY).arn
    aws[HOME.region].rds.switchover_global_cluster(GlobalClusterIdentifier=world.id, TargetDbClusterIdentifier=target)
    run.wait_until("the standby writes", lambda: run.refresh(WORLD) or run.output(WORLD),
                   lambda seen: seen.writer == AWAY.region and seen.at_rest, within=3600)


def nothing_left(aws: Aws) -> bool:
    return not any([*(aws[site.region].rds.describe_db_clusters()["DBClusters"] for site in (HOME, AWAY)),
                    *(aws[site.region].rds.describe_db_instances()["DBInstances"] for site in (HOME, AWAY)),
                    aws[HOME.region].rds.describe_global_clusters()["GlobalClusters"]])


def test_the_standby_is_connected_and_has_neither_user_nor_database_of_its_own(run: Run, aws: Aws) -> None:
    ensure_all(run)
    world = run.refresh(WORLD) or run.output(WORLD)
    assert world.writer == HOME.region
    assert [member.synchronization for member in world.members if not member.is_writer] == ["connected"]
    assert [findings(run, step) for step in DATABASE] == [[]] * 5
    assert run.output(STANDBY).key == run.output(STANDBY.encryption_key).arn != run.output(PRIMARY).key


def test_an_endpoint_has_its_name_whichever_role_the_cluster_has(run: Run, aws: Aws) -> None:
    ensure_all(run)
    shown = aws[AWAY.region].rds.describe_db_clusters()["DBClusters"][0]
    assert "Endpoint" not in shown
    before = [run.output(step).endpoint for step in (PRIMARY, STANDBY)]
    assert before[1] == shown["ReaderEndpoint"].replace(".cluster-ro-", ".cluster-")
    switch_over(run, aws)
    assert "Endpoint" not in aws[HOME.region].rds.describe_db_clusters()["DBClusters"][0]
    assert [(run.refresh(step) or run.output(step)).endpoint for step in (PRIMARY, STANDBY)] == before


def test_trap_3_both_clusters_are_made_with_the_version_that_was_asked_for(run: Run, aws: Aws) -> None:
    ensure_all(run)
    found = {run.output(WORLD).engine_version, run.output(PRIMARY).engine_version, run.output(STANDBY).engine_version}
    assert found == {run.settings.database.engine_version}


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_all(run)
    assert changed(make_run) == {}


def test_after_a_switchover_nothing_is_repaired(run: Run, aws: Aws, make_run: Callable[..., Run]) -> None:
    ensure_all(run)
    switch_over(run, aws)
    assert changed(make_run) == {}
    assert [findings(make_run(), step) for step in DATABASE] == [[]] * 5


def test_a_lost_home_cluster_comes_back_as_a_copy_of_the_region_that_writes(
        run: Run, aws: Aws, make_run: Callable[..., Run]) -> None:
    ensure_all(run)
    switch_over(run, aws)
    rds, home = aws[HOME.region].rds, run.output(PRIMARY)
    rds.remove_from_global_cluster(GlobalClusterIdentifier=run.output(WORLD).id, DbClusterIdentifier=home.arn)
    run.wait_until("it has left", lambda: run.refresh(WORLD) or run.output(WORLD), lambda seen: len(seen.members) == 1,
                   within=3600)
    WRITERS._delete(run, [one.id for one in run.output(WRITERS).instances])
    PRIMARY._delete(run)
    PRIMARY._wait_until_gone(run)
    again = make_run()
    ensure_with_needs(again, PRIMARY)
    ensure_with_needs(again, WRITERS)
    world = again.refresh(WORLD) or again.output(WORLD)
    assert (world.writer, len(world.members)) == (AWAY.region, 2)
    assert findings(again, PRIMARY) == []


@pytest.mark.parametrize("roles", ["as built", "swapped", "changing"])
def test_teardown_leaves_nothing_whatever_the_roles_are_and_twice_is_fine(run: Run, aws: Aws, roles: str) -> None:
    ensure_all(run)
    if roles == "swapped":
        switch_over(run, aws)
    elif roles == "changing":
        aws[HOME.region].rds.switchover_global_cluster(
            GlobalClusterIdentifier=run.output(WORLD).id, TargetDbClusterIdentifier=run.output(STANDBY).arn)
    destroy(run)
    assert nothing_left(aws)
    destroy(run)


@pytest.mark.parametrize("built", [1, 2, 3, 4], ids=lambda count: DATABASE[count - 1].key.replace(" ", "-"))
def test_teardown_of_a_half_built_database_leaves_nothing(run: Run, aws: Aws, built: int) -> None:
    ensure_with_needs(run, DATABASE[built - 1])
    destroy(run)
    assert nothing_left(aws)


def test_teardown_of_a_database_that_was_protected_once_lifts_the_protection(
        run: Run, aws: Aws, make_run: Callable[..., Run]) -> None:
    ensure_all(make_run(Settings(deletion_protection=True)))
    destroy(run)
    assert nothing_left(aws)


def test_a_protected_database_is_refused_before_anything_is_taken_apart(
        aws: Aws, make_run: Callable[..., Run]) -> None:
    run = make_run(Settings(deletion_protection=True))
    ensure_all(run)
    for step in (READERS, STANDBY, WRITERS, PRIMARY, WORLD):
        with pytest.raises(Refused, match="deletion_protection"):
            step.destroy(run)
    assert len((run.refresh(WORLD) or run.output(WORLD)).members) == 2


def test_a_member_that_drctl_did_not_make_stops_the_teardown(run: Run, aws: Aws) -> None:
    ensure_all(run)
    world = run.output(WORLD)
    aws["eu-west-1"].rds.create_db_cluster(
        DBClusterIdentifier="theirs", Engine="aurora-postgresql", EngineVersion="16.6", SourceRegion=HOME.region,
        GlobalClusterIdentifier=world.id, KmsKeyId=aws["eu-west-1"].kms.create_key()["KeyMetadata"]["Arn"])
    with pytest.raises(Refused, match="theirs"):
        READERS.destroy(run)
    assert len((run.refresh(WORLD) or world).members) == 3
