"""The database is backed up by plan, every recovery point is copied to the other region, and teardown removes all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.lab.backup_gaps import add_recovery_point
from drctl.settings import Settings
from drctl.settings_operation import Backup as Choices
from drctl.stack import stack_of
from drctl.steps import backup as backups
from drctl.steps.backup import Backup
from drctl.steps.backup_vault import BackupVault
from drctl.steps.key import Key
from drctl.steps.role import Role
from tests.conftest import changes, ensure_with_needs
from tests.steps.lifecycle import (
    assert_a_second_run_changes_nothing,
    assert_mended,
    destroy_twice,
    findings,
    given,
    lagging,
)

HERE, THERE = Settings().sites
CLUSTER = f"arn:aws:rds:{HERE.region}:123456789012:cluster:aurora-here"
KEYS = Key(HERE), Key(THERE)
VAULTS = BackupVault(HERE, KEYS[0]), BackupVault(THERE, KEYS[1])
ROLE = Role(HERE, "backup", "backup.amazonaws.com", lambda run: backups.policy(run, HERE, *KEYS), KEYS)
BACKUP = Backup(HERE, *VAULTS, ROLE, given(HERE, "cluster", arn=CLUSTER))


def test_the_plan_selects_the_cluster_and_copies_to_the_other_region(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, BACKUP)
    out = run.refresh(BACKUP) or run.output(BACKUP)
    assert out.selection["Resources"] == [CLUSTER]
    copy = out.plan["Rules"][0]["CopyActions"][0]
    assert copy["DestinationBackupVaultArn"] == run.output(VAULTS[1]).arn
    assert f":{THERE.region}:" in run.output(VAULTS[1]).arn
    vault = aws[THERE.region].backup.list_backup_vaults()["BackupVaultList"][0]
    assert vault["EncryptionKeyArn"] == run.output(KEYS[1]).arn
    assert findings(run, BACKUP) == []


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, BACKUP)
    assert_a_second_run_changes_nothing(make_run, BACKUP)


def test_another_schedule_is_put_into_the_same_plan(run: Run, make_run: Callable[..., Run]) -> None:
    before = ensure_with_needs(run, BACKUP)
    hourly = make_run(Settings(backup=Choices(enabled=True, schedule="cron(0 * ? * * *)")))
    after = ensure_with_needs(hourly, BACKUP)
    assert (after.plan_id, changes(hourly, BACKUP)) == (before.plan_id, 1)
    assert after.plan["Rules"][0]["ScheduleExpression"] == "cron(0 * ? * * *)"


@pytest.mark.notices("Backup")
def test_a_lost_or_changed_selection_is_noticed_and_made_anew(run: Run, aws: Aws) -> None:
    out, backup = ensure_with_needs(run, BACKUP), aws[HERE.region].backup
    named: Any = {"BackupPlanId": out.plan_id, "SelectionId": out.selection_id}
    assert_mended(run, BACKUP, lambda: backup.delete_backup_selection(**named), "nothing is backed up")
    assert len(backup.list_backup_selections(BackupPlanId=out.plan_id)["BackupSelectionsList"]) == 1


@pytest.mark.notices("BackupVault")
def test_a_lost_vault_is_noticed_and_made_anew_beside_the_same_plan(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, BACKUP)
    for vault in VAULTS:
        aws[vault.region].backup.delete_backup_vault(BackupVaultName=run.name("backup", "vault", vault.site))
        assert findings(run, vault) == ["absent"]
    assert ensure_with_needs(run, BACKUP).plan_id == out.plan_id
    assert [findings(run, vault) for vault in VAULTS] == [[], []]


def test_each_region_backs_up_its_own_cluster_and_copies_it_to_the_other(run: Run) -> None:
    """Which of the two writes is not asked: after a failover nothing has to be changed."""
    stack = stack_of(Settings(backup=Choices(enabled=True)))
    plans = [step for step in stack.steps if isinstance(step, Backup)]
    assert [(plan.region, plan.vault.region, plan.copy_vault.region) for plan in plans] == [
        (HERE.region, HERE.region, THERE.region), (THERE.region, THERE.region, HERE.region)]
    assert [plan.cluster for plan in plans] == list(stack.database.cluster.all)


def test_an_account_that_has_not_chosen_aurora_is_told(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, BACKUP)
    aws[HERE.region].backup.update_region_settings(ResourceTypeOptInPreference={"Aurora": False})
    assert "does not let AWS Backup" in findings(run, BACKUP)[0]


def test_a_vault_with_another_key_is_refused(run: Run, aws: Aws) -> None:
    aws[HERE.region].backup.create_backup_vault(BackupVaultName=run.name("backup", "vault", HERE),
                                                EncryptionKeyArn="arn:aws:kms:us-east-1:123456789012:key/other")
    with pytest.raises(Refused, match="cannot be changed"):
        ensure_with_needs(run, BACKUP)


def test_destroy_deletes_recovery_points_in_both_regions_and_the_name_is_free_again(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, BACKUP)
    for site in (HERE, THERE):
        for _ in range(3):
            add_recovery_point(site.region, run.name("backup", "vault", site), CLUSTER)
    destroy_twice(run, BACKUP, *VAULTS)
    assert [aws[site.region].backup.list_backup_vaults()["BackupVaultList"] for site in (HERE, THERE)] == [[], []]
    ensure_with_needs(run, BACKUP)
    assert findings(run, BACKUP) == []


def test_a_vault_of_somebody_else_is_not_deleted(run: Run, aws: Aws) -> None:
    aws[THERE.region].backup.create_backup_vault(BackupVaultName=run.name("backup", "vault", THERE))
    with pytest.raises(Refused, match="does not belong"):
        VAULTS[1].destroy(run)


def test_a_plan_of_somebody_else_keeps_its_rules(run: Run, aws: Aws) -> None:
    backup, name = aws[HERE.region].backup, run.name("backup", "plan", HERE)
    backup.create_backup_plan(BackupPlan={"BackupPlanName": name, "Rules": [
        {"RuleName": "theirs", "TargetBackupVaultName": "theirs"}]})
    with pytest.raises(Refused, match=name):
        ensure_with_needs(run, BACKUP)
    plan = backup.list_backup_plans()["BackupPlansList"][0]["BackupPlanId"]
    assert backup.get_backup_plan(BackupPlanId=plan)["BackupPlan"]["Rules"][0]["RuleName"] == "theirs"


def test_vaults_plan_and_selection_are_made_once_while_aws_lags(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, ROLE)
    with lagging():
        out = ensure_with_needs(run, BACKUP)
    assert list(BACKUP.verify(run, out)) == []
    assert len(aws[HERE.region].backup.list_backup_plans()["BackupPlansList"]) == 1
