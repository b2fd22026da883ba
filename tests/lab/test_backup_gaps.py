"""AWS Backup refuses in the lab what AWS refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.aws.errors import code_of, message_of
from drctl.lab.backup_gaps import add_recovery_point
from drctl.lab.clock import CLOCK, LabClock
from tests.lab.conftest import eventually

REGION = "us-east-1"
PLAN: Any = {"BackupPlanName": "p", "Rules": [{"RuleName": "r", "TargetBackupVaultName": "vv"}]}


def a_role(aws: Aws, service: str) -> str:
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]}
    return aws[REGION].iam.create_role(RoleName=service, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]


def select(aws: Aws, plan_id: str, role: str) -> str:
    return aws[REGION].backup.create_backup_selection(BackupPlanId=plan_id, BackupSelection={
        "SelectionName": "s", "IamRoleArn": role, "Resources": ["arn:aws:rds:us-east-1:1:cluster:c"]})["SelectionId"]


def test_a_selection_needs_a_role_that_aws_backup_can_assume(aws: Aws) -> None:
    plan_id = aws[REGION].backup.create_backup_plan(BackupPlan=PLAN)["BackupPlanId"]
    with pytest.raises(ClientError) as refused:
        select(aws, plan_id, a_role(aws, "lambda.amazonaws.com"))
    assert code_of(refused.value) == "InvalidParameterValueException"
    assert "cannot be assumed by AWS Backup" in message_of(refused.value)


@pytest.mark.rule("backup-plan-token")
def test_a_plan_that_is_asked_for_twice_with_one_token_is_one_plan(aws: Aws) -> None:
    backup = aws[REGION].backup
    plans = [backup.create_backup_plan(BackupPlan=PLAN, CreatorRequestId="once")["BackupPlanId"] for _ in range(2)]
    assert plans[0] == plans[1]


@pytest.mark.rule("backup-selection-create")
def test_a_selection_that_is_asked_for_twice_with_one_token_is_one_selection(aws: Aws) -> None:
    backup = aws[REGION].backup
    plan_id, role = backup.create_backup_plan(BackupPlan=PLAN)["BackupPlanId"], a_role(aws, "backup.amazonaws.com")
    CLOCK.skip(600)
    chosen: Any = {"SelectionName": "s", "IamRoleArn": role, "Resources": ["arn:aws:rds:us-east-1:1:cluster:c"]}
    made = [backup.create_backup_selection(BackupPlanId=plan_id, BackupSelection=chosen, CreatorRequestId="once")[
        "SelectionId"] for _ in range(2)]
    assert made[0] == made[1]
    assert len(backup.list_backup_selections(BackupPlanId=plan_id)["BackupSelectionsList"]) == 1


@pytest.mark.rule("backup-plan-delete")
def test_a_plan_goes_only_after_its_selections(aws: Aws) -> None:
    backup = aws[REGION].backup
    plan_id = backup.create_backup_plan(BackupPlan=PLAN)["BackupPlanId"]
    selection_id = select(aws, plan_id, a_role(aws, "backup.amazonaws.com"))
    with pytest.raises(ClientError, match="InvalidRequestException"):
        backup.delete_backup_plan(BackupPlanId=plan_id)
    backup.delete_backup_selection(BackupPlanId=plan_id, SelectionId=selection_id)
    backup.delete_backup_plan(BackupPlanId=plan_id)
    assert backup.list_backup_plans()["BackupPlansList"] == []


@pytest.fixture
def selected(aws: Aws) -> tuple[str, str]:
    """A plan and its one selection."""
    plan_id = aws[REGION].backup.create_backup_plan(BackupPlan=PLAN)["BackupPlanId"]
    role = a_role(aws, "backup.amazonaws.com")
    CLOCK.skip(600)
    return plan_id, select(aws, plan_id, role)


@pytest.mark.rule("backup-selection-list")
def test_the_selections_of_a_plan_are_listed(aws: Aws, selected: tuple[str, str]) -> None:
    listed = aws[REGION].backup.list_backup_selections(BackupPlanId=selected[0])["BackupSelectionsList"]
    assert [(one["SelectionId"], one["SelectionName"]) for one in listed] == [(selected[1], "s")]


@pytest.mark.rule("backup-selection-get")
def test_a_selection_is_shown_with_what_it_selects_and_an_unknown_one_is_not_found(
        aws: Aws, selected: tuple[str, str]) -> None:
    backup = aws[REGION].backup
    shown = backup.get_backup_selection(BackupPlanId=selected[0], SelectionId=selected[1])["BackupSelection"]
    assert shown["Resources"] == ["arn:aws:rds:us-east-1:1:cluster:c"]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        backup.get_backup_selection(BackupPlanId=selected[0], SelectionId="none")


@pytest.mark.rule("backup-selection-delete")
def test_a_deleted_selection_is_listed_no_more(aws: Aws, selected: tuple[str, str]) -> None:
    backup = aws[REGION].backup
    backup.delete_backup_selection(BackupPlanId=selected[0], SelectionId=selected[1])
    assert backup.list_backup_selections(BackupPlanId=selected[0])["BackupSelectionsList"] == []


@pytest.mark.rule("backup-plan-update")
def test_an_update_replaces_a_plan_and_makes_a_version(aws: Aws) -> None:
    backup = aws[REGION].backup
    made = backup.create_backup_plan(BackupPlan=PLAN)
    new: Any = {**PLAN, "Rules": [{"RuleName": "other", "TargetBackupVaultName": "vv"}]}
    changed = backup.update_backup_plan(BackupPlanId=made["BackupPlanId"], BackupPlan=new)
    shown = backup.get_backup_plan(BackupPlanId=made["BackupPlanId"])
    assert [one["RuleName"] for one in shown["BackupPlan"]["Rules"]] == ["other"]
    assert shown["VersionId"] == changed["VersionId"] != made["VersionId"]


@pytest.fixture
def point(aws: Aws) -> str:
    """A recovery point in the vault `v`."""
    aws[REGION].backup.create_backup_vault(BackupVaultName="vv")
    return add_recovery_point(REGION, "vv", "arn:aws:rds:us-east-1:1:cluster:c")


@pytest.mark.rule("backup-vault-with-points")
def test_a_vault_goes_only_after_its_recovery_points(aws: Aws, point: str) -> None:
    backup = aws[REGION].backup
    with pytest.raises(ClientError, match="InvalidRequestException"):
        backup.delete_backup_vault(BackupVaultName="vv")
    backup.delete_recovery_point(BackupVaultName="vv", RecoveryPointArn=point)
    assert eventually(lambda: not backup.list_recovery_points_by_backup_vault(BackupVaultName="vv")["RecoveryPoints"])
    backup.delete_backup_vault(BackupVaultName="vv")


@pytest.mark.rule("recovery-point-list")
def test_the_recovery_points_of_a_vault_are_listed(aws: Aws, point: str) -> None:
    listed = aws[REGION].backup.list_recovery_points_by_backup_vault(BackupVaultName="vv")["RecoveryPoints"]
    assert [(one["RecoveryPointArn"], one["Status"]) for one in listed] == [(point, "COMPLETED")]


@pytest.mark.rule("recovery-point-delete")
def test_a_recovery_point_is_deleting_for_a_while_and_is_deleted_once(
        aws: Aws, point: str, clock: LabClock) -> None:
    backup = aws[REGION].backup
    backup.delete_recovery_point(BackupVaultName="vv", RecoveryPointArn=point)
    listed = backup.list_recovery_points_by_backup_vault(BackupVaultName="vv")["RecoveryPoints"]
    assert [one["Status"] for one in listed] == ["DELETING"]
    with pytest.raises(ClientError, match="InvalidRequestException"):
        backup.delete_recovery_point(BackupVaultName="vv", RecoveryPointArn=point)


@pytest.mark.rule("backup-region-settings")
def test_a_region_says_what_may_be_backed_up(aws: Aws) -> None:
    assert aws[REGION].backup.describe_region_settings()["ResourceTypeOptInPreference"]["Aurora"] is True


@pytest.mark.rule("backup-region-settings-update")
def test_a_choice_of_the_account_that_is_not_named_stays(aws: Aws) -> None:
    aws[REGION].backup.update_region_settings(ResourceTypeOptInPreference={"Aurora": False})
    chosen = aws[REGION].backup.describe_region_settings()["ResourceTypeOptInPreference"]
    assert (chosen["Aurora"], chosen["S3"]) == (False, True)
