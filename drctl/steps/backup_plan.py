"""The backup plan of a region: looked for by name, compared by what it says, deleted after its selections."""

from __future__ import annotations

from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, already, or_none
from drctl.aws.tags import refuse_foreign
from drctl.engine.run import Run
from drctl.engine.waiting import minutes
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


def create_plan(run: Run, site: Site, document: Any) -> str:
    """Make the plan and return its id, with which everything else goes on: the list shows it later."""
    made = ""
    with already(Refusal("AlreadyExistsException")):
        made = run.at(site).backup.create_backup_plan(
            BackupPlan=document, BackupPlanTags=run.tags(site))["BackupPlanId"]
    return made or run.wait_until("the backup plan that is there is listed", lambda: find_plan(run, site) or "", bool,
                          within=PROPAGATION, show=lambda seen: seen or "not listed yet")


def select(run: Run, site: Site, plan_id: str, selection: Any) -> None:
    """Let the plan have this selection alone; a selection cannot be changed, only made anew."""
    backup = run.at(site).backup
    for old in backup.list_backup_selections(BackupPlanId=plan_id)["BackupSelectionsList"]:
        backup.delete_backup_selection(BackupPlanId=plan_id, SelectionId=old["SelectionId"])
    run.retry("AWS Backup can assume its role", lambda: backup.create_backup_selection(
        BackupPlanId=plan_id, BackupSelection=selection), TOO_YOUNG, within=PROPAGATION)


def refuse_foreign_plan(run: Run, site: Site, plan_id: str) -> None:
    """Raise Refused for a plan of our name without our tag."""
    _refuse_foreign(run, site, run.at(site).backup.get_backup_plan(BackupPlanId=plan_id)["BackupPlanArn"])


def _refuse_foreign(run: Run, site: Site, plan_arn: str) -> None:
    tags = run.at(site).backup.list_tags(ResourceArn=plan_arn).get("Tags", {})
    refuse_foreign("backup plan", f"{plan_name(run, site)} ({plan_arn})", tags, run.settings.environment)


def delete_plan(run: Run, site: Site) -> None:
    """Delete the plan's selections and the plan, if it is ours; Refused when it is not."""
    backup = run.at(site).backup
    if (plan_id := find_plan(run, site)) is None:
        return
    if (plan := or_none(lambda: backup.get_backup_plan(BackupPlanId=plan_id))) is None:
        return
    _refuse_foreign(run, site, plan["BackupPlanArn"])
    for old in backup.list_backup_selections(BackupPlanId=plan_id)["BackupSelectionsList"]:
        with absent_is_fine():
            backup.delete_backup_selection(BackupPlanId=plan_id, SelectionId=old["SelectionId"])
    with absent_is_fine():
        run.retry("the plan has no selection", lambda: backup.delete_backup_plan(BackupPlanId=plan_id),
                  (Refusal("InvalidRequestException", "selection"),), within=PROPAGATION)
