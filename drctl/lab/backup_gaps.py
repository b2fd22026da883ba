"""AWS Backup where moto falls short of it: selections, changes of a plan, recovery points, the account's choices."""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import unquote

from moto.backup import urls
from moto.backup.exceptions import (
    InvalidRequestException,
    ResourceNotFoundException,
)
from moto.backup.models import BackupBackend, Plan, Vault, backup_backends
from moto.backup.responses import BackupResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import unix_time

from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK
from drctl.lab.rules import operation, rule
from drctl.settings import LAB_ACCOUNT

for _path in (r"{0}/account-settings$", r"{0}/backup-vaults/(?P<name>[^/]+)/recovery-points/$",
              r"{0}/backup-vaults/(?P<name>[^/]+)/recovery-points/(?P<arn>.+)$"):
    urls.url_paths[_path] = BackupResponse.dispatch


def _kept(owner: Any, what: str) -> dict[str, Any]:
    """What the lab keeps beside a moto object; it goes when the object goes."""
    kept: dict[str, Any] = owner.__dict__.setdefault(f"_lab_{what}", {})
    return kept


def _plan(self: BackupResponse) -> Plan:
    return self.backup_backend.get_backup_plan(self.path.split("/plans/")[1].split("/")[0], None)


@operation("backup-selection-create", BackupResponse, "create_backup_selection")
def create_backup_selection(self: BackupResponse) -> ActionResult:
    """A selection says what a plan backs up, and with which role; the same CreatorRequestId gives the same one.

    Source: AWS Backup Developer Guide, CreateBackupSelection.
    """
    plan, asked = _plan(self), json.loads(self.body)
    selection, token = asked["BackupSelection"], asked.get("CreatorRequestId")
    before = _kept(plan, "selection_tokens").get(token)
    if token and before in _kept(plan, "selections"):
        return ActionResult({name: value for name, value in _kept(plan, "selections")[before].items()
                             if name != "BackupSelection"})
    made = {"SelectionId": str(uuid.uuid4()), "BackupPlanId": plan.backup_plan_id, "CreationDate": unix_time()}
    _kept(plan, "selections")[made["SelectionId"]] = {**made, "BackupSelection": selection}
    _kept(plan, "selection_tokens")[token] = made["SelectionId"]
    return ActionResult(made)


@operation("backup-selection-list", BackupResponse, "list_backup_selections")
def list_backup_selections(self: BackupResponse) -> ActionResult:
    """The selections of a plan, without what they select.

    Source: AWS Backup Developer Guide, ListBackupSelections.
    """
    return ActionResult({"BackupSelectionsList": [
        {"SelectionId": one["SelectionId"], "BackupPlanId": one["BackupPlanId"], "CreationDate": one["CreationDate"],
         "SelectionName": one["BackupSelection"]["SelectionName"],
         "IamRoleArn": one["BackupSelection"]["IamRoleArn"]} for one in _kept(_plan(self), "selections").values()]})


@operation("backup-selection-get", BackupResponse, "get_backup_selection")
def get_backup_selection(self: BackupResponse) -> ActionResult:
    """One selection with what it selects: ResourceNotFoundException when it is not there.

    Source: AWS Backup Developer Guide, GetBackupSelection.
    """
    selection = _kept(_plan(self), "selections").get(self.path.rstrip("/").split("/")[-1])
    if selection is None:
        raise ResourceNotFoundException("Cannot find the backup selection")
    return ActionResult(selection)


@operation("backup-selection-delete", BackupResponse, "delete_backup_selection")
def delete_backup_selection(self: BackupResponse) -> EmptyResult:
    """A selection is removed from its plan.

    Source: AWS Backup Developer Guide, DeleteBackupSelection.
    """
    _kept(_plan(self), "selections").pop(self.path.rstrip("/").split("/")[-1], None)
    return EmptyResult()


@rule("backup-plan-token", BackupBackend, "create_backup_plan")
def plan_token(proceed: Any, self: BackupBackend, backup_plan: Any, backup_plan_tags: Any,
               creator_request_id: str | None) -> Any:
    """A request with the CreatorRequestId of a plan that stands gives that plan.

    Source: AWS Backup Developer Guide, CreateBackupPlan, CreatorRequestId.
    """
    known = (plan for plan in self.plans.values() if creator_request_id
             and plan.creator_request_id == creator_request_id)
    return next(known, None) or proceed(backup_plan=backup_plan, backup_plan_tags=backup_plan_tags,
                                        creator_request_id=creator_request_id)


@operation("backup-plan-update", BackupResponse, "update_backup_plan")
def update_backup_plan(self: BackupResponse) -> ActionResult:
    """An update replaces the plan's document and makes a new version.

    Source: AWS Backup Developer Guide, UpdateBackupPlan.
    """
    plan = _plan(self)
    plan.backup_plan, plan.version_id = json.loads(self.body)["BackupPlan"], uuid.uuid4().hex
    return ActionResult(plan.to_dict())


@rule("backup-plan-delete", BackupBackend, "delete_backup_plan")
def plan_delete(proceed: Any, self: BackupBackend, backup_plan_id: str) -> Any:
    """A plan with selections cannot be deleted (InvalidRequestException); one that was deleted is known no more.

    Source: AWS Backup Developer Guide, DeleteBackupPlan.
    """
    if _kept(self.get_backup_plan(backup_plan_id, None), "selections"):
        raise InvalidRequestException("Related backup plan selections must be deleted prior to backup plan deletion")
    answer = proceed(backup_plan_id)
    del self.plans[backup_plan_id]
    return answer


@operation("backup-region-settings", BackupResponse, "describe_region_settings")
def describe_region_settings(self: BackupResponse) -> ActionResult:
    """Which resource types the account lets AWS Backup back up in a region.

    Source: AWS Backup Developer Guide, DescribeRegionSettings.
    """
    chosen = _kept(self.backup_backend, "settings")
    return ActionResult({"ResourceTypeOptInPreference": {"Aurora": True, "RDS": True, "S3": True, **chosen}})


@operation("backup-region-settings-update", BackupResponse, "update_region_settings")
def update_region_settings(self: BackupResponse) -> EmptyResult:
    """Types that are not named keep their choice.

    Source: AWS Backup Developer Guide, UpdateRegionSettings.
    """
    _kept(self.backup_backend, "settings").update(json.loads(self.body)["ResourceTypeOptInPreference"])
    return EmptyResult()


def add_recovery_point(region: str, vault_name: str, resource_arn: str) -> str:
    """Put a finished recovery point into a vault, as a backup job would; returns its ARN."""
    vault = backup_backends[LAB_ACCOUNT][region].vaults[vault_name]
    arn = f"arn:aws:rds:{region}:{LAB_ACCOUNT}:cluster-snapshot:awsbackup:job-{uuid.uuid4()}"
    _kept(vault, "points")[arn] = {
        "RecoveryPointArn": arn, "BackupVaultName": vault_name, "ResourceArn": resource_arn, "ResourceType": "Aurora",
        "Status": "COMPLETED", "CreationDate": unix_time()}
    return arn


def _vault(self: BackupResponse) -> Vault:
    return self.backup_backend.describe_backup_vault(self.path.split("/backup-vaults/")[1].split("/")[0])


@operation("recovery-point-list", BackupResponse, "list_recovery_points_by_backup_vault")
def list_recovery_points_by_backup_vault(self: BackupResponse) -> ActionResult:
    """The recovery points of a vault, also those that are being deleted.

    Source: AWS Backup Developer Guide, ListRecoveryPointsByBackupVault.
    """
    return ActionResult({"RecoveryPoints": list(_kept(_vault(self), "points").values())})


@operation("recovery-point-delete", BackupResponse, "delete_recovery_point")
def delete_recovery_point(self: BackupResponse) -> EmptyResult:
    """A recovery point is DELETING for a while and then gone; a second deletion is an InvalidRequestException.

    Source: AWS Backup Developer Guide, DeleteRecoveryPoint.
    """
    points, arn = _kept(_vault(self), "points"), unquote(self.path.split("/recovery-points/")[1])
    if arn not in points:
        raise ResourceNotFoundException("Cannot find the recovery point")
    if points[arn]["Status"] == "DELETING":
        raise InvalidRequestException("Recovery point is being deleted already")
    points[arn]["Status"] = "DELETING"
    CLOCK.after(seconds("recovery-point-delete"), lambda: points.pop(arn, None))
    return EmptyResult()


@rule("backup-vault-with-points", BackupBackend, "delete_backup_vault")
def vault_with_points(proceed: Any, self: BackupBackend, backup_vault_name: str) -> None:
    """A vault with recovery points cannot be deleted: InvalidRequestException.

    Source: AWS Backup Developer Guide, DeleteBackupVault.
    """
    vault = self.vaults.get(backup_vault_name)
    if vault is not None and _kept(vault, "points"):
        raise InvalidRequestException("Backup vault cannot be deleted because it contains recovery points")
    proceed(backup_vault_name)
