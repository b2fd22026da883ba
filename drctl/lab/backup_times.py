"""AWS Backup: names, and what is seen late."""

from __future__ import annotations

import json
import re
from typing import Any

from moto.backup.exceptions import InvalidParameterValueException, ResourceNotFoundException
from moto.backup.models import BackupBackend
from moto.backup.responses import BackupResponse

from drctl.aws.durations import seconds
from drctl.lab import backup_gaps  # noqa: F401  # its operations must be there before a rule goes round them
from drctl.lab.rules import hide, is_hidden, rule

_VAULT = re.compile(r"[a-zA-Z0-9_-]{2,50}")
_PLAN = re.compile(r"[a-zA-Z0-9_.-]{1,50}")


@rule("backup-vault-name", BackupBackend, "create_backup_vault")
def vault_name(proceed: Any, _self: BackupBackend, backup_vault_name: str, **kwargs: Any) -> Any:
    """2 to 50 letters, digits, hyphens and underscores. Refuses with InvalidParameterValueException.

    Source: AWS Backup Developer Guide, CreateBackupVault.
    """
    if not _VAULT.fullmatch(backup_vault_name):
        raise InvalidParameterValueException(f"Invalid vault name: {backup_vault_name}")
    return proceed(backup_vault_name=backup_vault_name, **kwargs)


@rule("backup-plan-name", BackupResponse, "create_backup_plan", "create_backup_selection")
def plan_name(proceed: Any, self: BackupResponse) -> Any:
    """Names of plans, rules and selections have 1 to 50 characters. Refuses with InvalidParameterValueException.

    Source: AWS Backup Developer Guide, BackupPlanInput, BackupRuleInput and BackupSelection.
    """
    given = json.loads(self.body)
    plan = given.get("BackupPlan") or {}
    names = [plan.get("BackupPlanName"), *(one.get("RuleName") for one in plan.get("Rules", []))]
    for name in names if plan else [(given.get("BackupSelection") or {}).get("SelectionName")]:
        if not _PLAN.fullmatch(name or ""):
            raise InvalidParameterValueException(f"Invalid name: {name}")
    return proceed()


@rule("backup-vault-visible", BackupBackend, "create_backup_vault", "describe_backup_vault")
def backup_vault_visible(proceed: Any, _self: BackupBackend, *args: Any, **kwargs: Any) -> Any:
    """A vault just made is unknown for some seconds. Refuses with ResourceNotFoundException.

    Source: Terraform provider: aws_backup_vault, reads it until it is found.
    """
    vault = proceed(*args, **kwargs)
    if proceed.func.__name__ == "create_backup_vault":
        hide(vault, seconds("vault-visible"))
    elif is_hidden(vault):
        raise ResourceNotFoundException(vault.backup_vault_name)
    return vault


@rule("backup-plan-listed", BackupBackend, "create_backup_plan", "list_backup_plans")
def backup_plan_listed(proceed: Any, _self: BackupBackend, *args: Any, **kwargs: Any) -> Any:
    """A plan just made is not listed for some seconds, though its id is known.

    Source: AWS Backup Developer Guide, ListBackupPlans; field experience.
    """
    answer = proceed(*args, **kwargs)
    if proceed.func.__name__ == "create_backup_plan":
        if "_lab_hidden_until" not in answer.__dict__:
            hide(answer, seconds("backup-plan-listed"))
        return answer
    return [plan for plan in answer if not is_hidden(plan)]
