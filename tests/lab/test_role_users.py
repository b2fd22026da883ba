"""Services refuse a role that they cannot assume, or that is too young, each in its own words."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK, LabClock
from tests.lab.account import ACCOUNT, REGION, refusal, role, words

ARN = f"arn:aws:iam::{ACCOUNT}:role/worker"


def function(at: Any) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", "")
    at.lambda_.create_function(FunctionName="f", Role=ARN, Runtime="python3.12", Handler="app.handler",
                               Code={"ZipFile": packed.getvalue()})


def flow_log(at: Any) -> None:
    vpc = at.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    at.ec2.create_flow_logs(ResourceIds=[vpc], ResourceType="VPC", TrafficType="ALL", LogGroupName="flow",
                            DeliverLogsPermissionArn=ARN)


def event_rule(at: Any) -> None:
    at.events.put_rule(Name="r", EventPattern=json.dumps({"source": ["s"]}), RoleArn=ARN)


def event_target(at: Any) -> None:
    at.events.put_rule(Name="r", EventPattern=json.dumps({"source": ["s"]}))
    CLOCK.skip(seconds("event-rule-visible"))
    bus = f"arn:aws:events:us-west-2:{ACCOUNT}:event-bus/default"
    at.events.put_targets(Rule="r", Targets=[{"Id": "t", "Arn": bus, "RoleArn": ARN}])


def selection(at: Any) -> None:
    if not (plans := at.backup.list_backup_plans()["BackupPlansList"]):
        at.backup.create_backup_vault(BackupVaultName="vault")
        plans = [at.backup.create_backup_plan(BackupPlan={"BackupPlanName": "p", "Rules": [
            {"RuleName": "r", "TargetBackupVaultName": "vault"}]})]
        CLOCK.skip(seconds("backup-plan-listed"))
    at.backup.create_backup_selection(BackupPlanId=plans[0]["BackupPlanId"], BackupSelection={
        "SelectionName": "s", "IamRoleArn": ARN, "Resources": ["*"]})


USERS: list[tuple[Callable[[Any], None], str, str, str]] = [
    (function, "lambda", "InvalidParameterValueException", "cannot be assumed by Lambda"),
    (flow_log, "vpc-flow-logs", "InvalidParameter", "Unable to assume given IAM role"),
    (event_rule, "events", "ValidationException", "cannot be assumed by principal"),
    (event_target, "events", "ValidationException", "cannot be assumed by principal"),
    (selection, "backup", "InvalidParameterValueException", "cannot be assumed by AWS Backup")]
RULES: dict[Any, str] = {function: "function-role", flow_log: "flow-log-role", event_rule: "event-rule-role",
                         event_target: "event-target-region", selection: "backup-selection-role"}


@pytest.mark.parametrize(("use", "service", "code", "text"), [
    pytest.param(*user, marks=pytest.mark.rule(RULES[user[0]]), id=RULES[user[0]]) for user in USERS])
def test_a_role_is_refused_until_its_service_can_assume_it(
        aws: Aws, clock: LabClock, use: Callable[[Any], None], service: str, code: str, text: str) -> None:
    at = aws[REGION]
    role(aws, f"{service}.amazonaws.com")
    assert refusal(lambda: use(at)) == code
    assert text in words(lambda: use(at))
    clock.skip(seconds("role-usable"))
    use(at)


@pytest.mark.parametrize(("use", "service", "code", "text"), USERS, ids=[RULES[user[0]] for user in USERS])
def test_a_role_that_trusts_another_service_is_refused(
        aws: Aws, use: Callable[[Any], None], service: str, code: str, text: str) -> None:
    role(aws, "ec2.amazonaws.com")
    assert refusal(lambda: use(aws[REGION])) == code
