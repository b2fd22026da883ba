"""The backup plan of a region: looked for by name, compared by what it says, deleted after its selections."""

from __future__ import annotations

from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, or_none
from drctl.aws.tags import is_ours
from drctl.engine.run import Run
from drctl.engine.waiting import minutes
from drctl.errors import Refused
from drctl.settings import Site

#: A role just made cannot be assumed, or has no rights, for a while (Terraform provider: 2 min).
TOO_YOUNG = (Refusal("InvalidParameterValueException", "assumed"), Refusal("InvalidParameterValueException", "author"))
PROPAGATION = minutes(2)


def plan_name(run: Run, site: Site) -> str:
    """The name of the plan in a region."""
    return run.name("backup", "plan", site)


def find_plan(run: Run, site: Site) -> str | None:
    """The plan's id. Names are not unique and there is no filter: the list is short, it is read."""
    pages = run.at(site).backup.get_paginator("list_backup_plans").paginate()
    return next((plan["BackupPlanId"] for page in pages for plan in page["BackupPlansList"]
                 if plan["BackupPlanName"] == plan_name(run, site)), None)


def select(run: Run, site: Site, plan_id: str, selection: Any) -> None:
    """Let the plan have this selection alone; a selection cannot be changed, only made anew."""
    backup = run.at(site).backup
    for old in backup.list_backup_selections(BackupPlanId=plan_id)["BackupSelectionsList"]:
        backup.delete_backup_selection(BackupPlanId=plan_id, SelectionId=old["SelectionId"])
    run.retry("AWS Backup can assume its role", lambda: backup.create_backup_selection(
        BackupPlanId=plan_id, BackupSelection=selection), TOO_YOUNG, within=PROPAGATION)


def delete_plan(run: Run, site: Site) -> None:
    """Delete the plan's selections and the plan, if it is ours; Refused when it is not."""
    backup = run.at(site).backup
    if (plan_id := find_plan(run, site)) is None:
        return
    if (plan := or_none(lambda: backup.get_backup_plan(BackupPlanId=plan_id))) is None:
        return
    if not is_ours(backup.list_tags(ResourceArn=plan["BackupPlanArn"]).get("Tags", {}), run.settings.environment):
        raise Refused(f"backup plan {plan_id} does not belong to this stack", next_step="rename that plan")
    for old in backup.list_backup_selections(BackupPlanId=plan_id)["BackupSelectionsList"]:
        with absent_is_fine():
            backup.delete_backup_selection(BackupPlanId=plan_id, SelectionId=old["SelectionId"])
    with absent_is_fine():
        run.retry("the plan has no selection", lambda: backup.delete_backup_plan(BackupPlanId=plan_id),
                  (Refusal("InvalidRequestException", "selection"),), within=PROPAGATION)
