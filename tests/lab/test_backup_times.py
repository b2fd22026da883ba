"""AWS Backup in the lab: names, and what is seen late."""

from __future__ import annotations

from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from tests.lab.account import REGION, refusal, role

WRONG = "InvalidParameterValueException"


def plan(name: str = "p", rule: str = "r") -> Any:
    return {"BackupPlanName": name, "Rules": [{"RuleName": rule, "TargetBackupVaultName": "v"}]}


@pytest.fixture
def backup(aws: Aws) -> Any:
    client = aws[REGION].backup
    client.list_backup_vaults()  # the client is made before time stands still
    return client


@pytest.mark.rule("backup-vault-name")
@pytest.mark.parametrize("name", ["v", "v" * 51, "v.w"])
def test_a_vaults_name_has_two_to_fifty_letters_digits_hyphens_and_underscores(backup: Any, name: str) -> None:
    assert refusal(lambda: backup.create_backup_vault(BackupVaultName=name)) == WRONG


@pytest.mark.rule("backup-plan-name")
def test_names_of_plans_rules_and_selections_have_fifty_characters_at_most(aws: Aws, backup: Any) -> None:
    for wrong in (plan(name="p" * 51), plan(rule="r" * 51)):
        assert refusal(lambda: backup.create_backup_plan(BackupPlan=wrong)) == WRONG  # noqa: B023  # called at once
    plan_id = backup.create_backup_plan(BackupPlan=plan("p" * 50, "r" * 50))["BackupPlanId"]
    wanted = {"IamRoleArn": role(aws, "backup.amazonaws.com"), "Resources": ["*"]}
    assert refusal(lambda: backup.create_backup_selection(
        BackupPlanId=plan_id, BackupSelection={"SelectionName": "s" * 51, **wanted})) == WRONG
    backup.create_backup_selection(BackupPlanId=plan_id, BackupSelection={"SelectionName": "s" * 50, **wanted})


@pytest.mark.rule("backup-vault-visible")
def test_a_vault_just_made_is_unknown_for_some_seconds(backup: Any, clock: LabClock) -> None:
    backup.create_backup_vault(BackupVaultName="vault")
    assert refusal(lambda: backup.describe_backup_vault(BackupVaultName="vault")) == "ResourceNotFoundException"
    assert refusal(lambda: backup.create_backup_vault(BackupVaultName="vault")) == "AlreadyExistsException"
    clock.skip(seconds("vault-visible"))
    backup.describe_backup_vault(BackupVaultName="vault")


@pytest.mark.rule("backup-plan-listed")
def test_a_plan_just_made_is_not_listed_for_some_seconds(backup: Any, clock: LabClock) -> None:
    plan_id = backup.create_backup_plan(BackupPlan=plan())["BackupPlanId"]
    assert backup.list_backup_plans()["BackupPlansList"] == []
    assert backup.get_backup_plan(BackupPlanId=plan_id)["BackupPlan"]["BackupPlanName"] == "p"
    clock.skip(seconds("backup-plan-listed"))
    assert len(backup.list_backup_plans()["BackupPlansList"]) == 1
