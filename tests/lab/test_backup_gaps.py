"""AWS Backup refuses in the lab what AWS refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.aws.errors import code_of, message_of
from drctl.lab.backup_gaps import add_recovery_point
from drctl.lab.clock import CLOCK

REGION = "us-east-1"
PLAN: Any = {"BackupPlanName": "p", "Rules": [{"RuleName": "r", "TargetBackupVaultName": "v"}]}


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


def test_a_selection_that_is_asked_for_twice_with_one_token_is_one_selection(aws: Aws) -> None:
    backup = aws[REGION].backup
    plan_id, role = backup.create_backup_plan(BackupPlan=PLAN)["BackupPlanId"], a_role(aws, "backup.amazonaws.com")
    CLOCK.skip(600)
    chosen: Any = {"SelectionName": "s", "IamRoleArn": role, "Resources": ["arn:aws:rds:us-east-1:1:cluster:c"]}
    made = [backup.create_backup_selection(BackupPlanId=plan_id, BackupSelection=chosen, CreatorRequestId="once")[
        "SelectionId"] for _ in range(2)]
    assert made[0] == made[1]
    assert len(backup.list_backup_selections(BackupPlanId=plan_id)["BackupSelectionsList"]) == 1


def test_a_plan_goes_only_after_its_selections(aws: Aws) -> None:
    backup = aws[REGION].backup
    plan_id = backup.create_backup_plan(BackupPlan=PLAN)["BackupPlanId"]
    selection_id = select(aws, plan_id, a_role(aws, "backup.amazonaws.com"))
    with pytest.raises(ClientError, match="InvalidRequestException"):
        backup.delete_backup_plan(BackupPlanId=plan_id)
    backup.delete_backup_selection(BackupPlanId=plan_id, SelectionId=selection_id)
    backup.delete_backup_plan(BackupPlanId=plan_id)
    assert backup.list_backup_plans()["BackupPlansList"] == []


def test_a_vault_goes_only_after_its_recovery_points_and_they_take_their_time(aws: Aws) -> None:
    backup = aws[REGION].backup
    backup.create_backup_vault(BackupVaultName="v")
    point = add_recovery_point(REGION, "v", "arn:aws:rds:us-east-1:1:cluster:c")
    with pytest.raises(ClientError, match="InvalidRequestException"):
        backup.delete_backup_vault(BackupVaultName="v")
    speed = CLOCK.speed
    CLOCK.set_speed(1.0)
    try:
        backup.delete_recovery_point(BackupVaultName="v", RecoveryPointArn=point)
        seen = backup.list_recovery_points_by_backup_vault(BackupVaultName="v")["RecoveryPoints"]
    finally:
        CLOCK.set_speed(speed)
    assert [one["Status"] for one in seen] == ["DELETING"]


def test_a_choice_of_the_account_that_is_not_named_stays(aws: Aws) -> None:
    aws[REGION].backup.update_region_settings(ResourceTypeOptInPreference={"Aurora": False})
    chosen = aws[REGION].backup.describe_region_settings()["ResourceTypeOptInPreference"]
    assert (chosen["Aurora"], chosen["S3"]) == (False, True)
