"""The home cluster is made with the secret's credentials and keeps its settings; data is never replaced."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from moto.rds.models import rds_backends

from drctl.aws.clients import Aws
from drctl.engine.events import Record
from drctl.engine.run import Run
from drctl.errors import Refused, WaitFailed
from drctl.lab import aurora_states
from drctl.settings import LAB_ACCOUNT, Database, Settings, Site
from tests.conftest import changes, ensure_with_needs
from tests.steps.database import (
    AWAY,
    HOME,
    PRIMARY,
    SECRET,
    STANDBY,
    WORLD,
    WRITERS,
    changed,
    ensure_all,
    findings,
)


def modify(aws: Aws, run: Run, **changes: object) -> None:
    """Damage the cluster by hand."""
    aws[HOME.region].rds.modify_db_cluster(
        DBClusterIdentifier=PRIMARY.cluster_id(run), ApplyImmediately=True,
        **changes)  # type: ignore[arg-type]  # any argument of the call
    run.wait_until("the damage is done", lambda: run.refresh(PRIMARY) or run.output(PRIMARY),
                   lambda seen: seen.status == "available", within=600)


def test_it_is_encrypted_with_its_regions_key_and_backed_up(run: Run) -> None:
    out = ensure_with_needs(run, PRIMARY)
    assert out.id == "aurora-cluster-us-east-1-lab"
    assert out.key == run.output(PRIMARY.encryption_key).arn
    assert out.settings["BackupRetentionPeriod"] == 7
    assert out.settings["logs"] == ("postgresql",)
    assert findings(run, PRIMARY) == []


def test_the_password_is_in_no_record(run: Run, records: list[Record]) -> None:
    out = ensure_with_needs(run, PRIMARY)
    assert SECRET.credentials(run).password not in repr(records) + repr(out)


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, PRIMARY)
    again = make_run()
    ensure_with_needs(again, PRIMARY)
    assert changes(again, PRIMARY) == 0


@pytest.mark.notices("PrimaryCluster")
def test_verify_notices_changed_settings_and_ensure_puts_them_back(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, PRIMARY)
    modify(aws, run, BackupRetentionPeriod=1, CopyTagsToSnapshot=False, DeletionProtection=True,
           ServerlessV2ScalingConfiguration={"MinCapacity": 1, "MaxCapacity": 2},
           DBClusterParameterGroupName="default.aurora-postgresql16")
    assert len(findings(run, PRIMARY)) == 5
    ensure_with_needs(run, PRIMARY)
    assert findings(run, PRIMARY) == []


def test_the_databases_log_ends_and_is_encrypted_before_rds_writes_it(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, PRIMARY)
    ensure_with_needs(run, WRITERS)
    (group,) = aws[HOME.region].logs.describe_log_groups(logGroupNamePrefix="/aws/rds/")["logGroups"]
    assert group["logGroupName"] == f"/aws/rds/cluster/{out.id}/postgresql"
    assert (group["retentionInDays"], group["kmsKeyId"]) == (90, run.output(PRIMARY.encryption_key).arn)


def test_a_log_that_rds_made_anew_is_taken_over_and_goes_with_the_cluster(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, PRIMARY)
    logs, name = aws[HOME.region].logs, f"/aws/rds/cluster/{out.id}/postgresql"
    logs.delete_log_group(logGroupName=name)
    logs.create_log_group(logGroupName=name)
    key = run.output(PRIMARY.encryption_key).arn
    assert findings(run, PRIMARY) == [f"the log group of cluster {out.id} keeps its lines for ever, not for 90 d and "
                                      f"is encrypted with no key of ours, not with {key}"]
    ensure_with_needs(run, PRIMARY)
    assert findings(run, PRIMARY) == []
    PRIMARY.destroy(run)
    logs.create_log_group(logGroupName=name)  # what RDS still held
    PRIMARY.destroy(run)
    assert logs.describe_log_groups(logGroupNamePrefix="/aws/rds/")["logGroups"] == []


def test_somebody_elses_log_of_that_name_stays(run: Run, aws: Aws) -> None:
    name = f"/aws/rds/cluster/{PRIMARY.cluster_id(run)}/postgresql"
    aws[HOME.region].logs.create_log_group(logGroupName=name, tags={"drctl:stack": "other"})
    with pytest.raises(Refused, match="log group"):
        ensure_with_needs(run, PRIMARY)
    with pytest.raises(Refused, match="log group"):
        PRIMARY.destroy(run)


def test_the_logs_are_exported_again(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, PRIMARY)
    modify(aws, run, CloudwatchLogsExportConfiguration={"DisableLogTypes": ["postgresql"]})
    assert len(findings(run, PRIMARY)) == 1
    ensure_with_needs(run, PRIMARY)
    assert findings(run, PRIMARY) == []


@pytest.mark.parametrize("database", [Database(name="other"), Database(username="other")], ids=["database", "user"])
def test_what_would_replace_the_data_is_refused(make_run: Callable[..., Run], database: Database) -> None:
    ensure_with_needs(make_run(), PRIMARY)
    run = make_run(Settings(database=database))
    with pytest.raises(Refused, match="cannot be changed"):
        ensure_with_needs(run, PRIMARY)
    assert changes(run, PRIMARY) == 0


def test_a_secret_that_was_lost_gives_the_database_a_new_password(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, PRIMARY)
    SECRET.destroy(run)
    again = make_run()
    ensure_with_needs(again, SECRET)
    assert "password of an earlier secret" in findings(again, PRIMARY)[0]
    ensure_with_needs(again, PRIMARY)
    assert findings(again, PRIMARY) == []


def test_a_cluster_that_was_taken_out_of_the_global_cluster_is_explained_not_replaced(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, PRIMARY)
    aws[HOME.region].rds.remove_from_global_cluster(
        GlobalClusterIdentifier=run.output(WORLD).id, DbClusterIdentifier=out.arn)
    run.wait_until("it has left", lambda: run.refresh(WORLD) or run.output(WORLD), lambda seen: not seen.members,
                   within=3600)
    before = changes(run, PRIMARY)
    ensure_with_needs(run, PRIMARY)
    assert changes(run, PRIMARY) == before
    assert "can join only when it is made" in findings(run, PRIMARY)[0]


def test_a_dead_end_is_told_at_once(run: Run) -> None:
    out = ensure_with_needs(run, PRIMARY)
    aurora_states.passes_through(out.arn, [(float("inf"), "inaccessible-encryption-credentials")])
    with pytest.raises(WaitFailed, match="inaccessible-encryption-credentials"):
        ensure_with_needs(run, PRIMARY)


def test_somebody_elses_cluster_of_that_name_is_left_alone(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, WORLD)
    rds, name = aws[HOME.region].rds, PRIMARY.cluster_id(run)
    rds.create_db_cluster(DBClusterIdentifier=name, Engine="aurora-postgresql", MasterUsername="them",
                          MasterUserPassword="their-password")
    with pytest.raises(Refused, match="does not belong"):
        ensure_with_needs(run, PRIMARY)
    with pytest.raises(Refused, match="does not belong"):
        PRIMARY.destroy(run)
    assert len(rds.describe_db_clusters()["DBClusters"]) == 1


@pytest.mark.parametrize("writer", [HOME, AWAY], ids=["at home", "after a switchover"])
def test_a_rotated_password_is_set_where_the_database_writes(
        run: Run, make_run: Callable[..., Run], aws: Aws, records: list[Record], writer: Site) -> None:
    ensure_all(run)
    if writer == AWAY:
        aws[HOME.region].rds.switchover_global_cluster(
            GlobalClusterIdentifier=WORLD.name(run), TargetDbClusterIdentifier=run.output(STANDBY).arn)
        run.wait_until("roles have changed", lambda: run.refresh(WORLD), lambda seen: (
            seen is not None and seen.writer == AWAY.region and seen.at_rest), within=3600)
    rotating = Settings(database=Database(password_generation=2))
    records.clear()
    assert changed(make_run, rotating) == {PRIMARY.key: 2}
    assert {str(one["to"]) for one in records if one.get("operation") == "ModifyDBCluster"} == {writer.region}
    again = make_run(rotating)
    ensure_with_needs(again, PRIMARY)
    assert findings(again, PRIMARY) == []
    name = run.name("aurora", "cluster", writer)
    password = SECRET.credentials(again).password
    assert rds_backends[LAB_ACCOUNT][writer.region].clusters[name]._master_user_password == password
    assert password not in repr(records)
    assert changed(make_run, rotating) == {}
