"""Backups of the database by AWS Backup, each copied to the other region: a second line of defence.

Replication copies mistakes within a second; a recovery point does not. Each region has a plan of its own for its own
cluster: which of them writes is nobody's setting, so that a failover leaves no writer without backups, and none that
only the lost region could make. Copies are full snapshots without point-in-time
restore, encrypted with the key of the vault they go to (AWS Backup Developer Guide, "Creating backup copies across AWS
Regions").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drctl.aws.errors import or_none
from drctl.aws.policies import contains
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.usage import Use
from drctl.settings import Site
from drctl.steps.backup_plan import (
    PROPAGATION,
    create_plan,
    delete_plan,
    find_plan,
    plan_name,
    refuse_foreign_plan,
    select,
)
from drctl.steps.backup_vault import BackupVault, vault_arn, vault_name
from drctl.steps.key import Key
from drctl.steps.role import Role

if TYPE_CHECKING:
    from drctl.steps.primary_cluster import PrimaryCluster
    from drctl.steps.standby_cluster import StandbyCluster

@dataclass(frozen=True)
class BackupOut:
    """Plan and selection as they stand; `opted_in` is whether this account backs Aurora up at all."""

    plan_id: str
    plan: dict[str, Any]
    selection_id: str
    selection: dict[str, Any]
    opted_in: bool


def policy(run: Run, site: Site, key: Key, other_key: Key) -> list[dict[str, Any]]:
    """What the role (service backup.amazonaws.com) may do: snapshot the cluster and copy the snapshot (AWS managed
    policy AWSBackupServiceRolePolicyForBackup, cut down to Aurora)."""
    other, account = run.settings.other(site), run.settings.account_id
    snapshots = [f"arn:aws:rds:{place.region}:{account}:cluster-snapshot:awsbackup:*" for place in (site, other)]
    keys = [run.output(one).arn for one in (key, other_key)]
    return [
        {"Sid": "Look", "Effect": "Allow", "Resource": "*", "Action": [
            "rds:DescribeDBClusters", "rds:DescribeDBClusterSnapshots", "rds:ListTagsForResource", "tag:GetResources"]},
        {"Sid": "Snapshot", "Effect": "Allow", "Action": "rds:CreateDBClusterSnapshot",
         "Resource": [f"arn:aws:rds:{site.region}:{account}:cluster:*", *snapshots]},
        {"Sid": "Keep", "Effect": "Allow", "Resource": snapshots, "Action": [
            "rds:AddTagsToResource", "rds:CopyDBClusterSnapshot", "rds:DeleteDBClusterSnapshot"]},
        {"Sid": "Copy", "Effect": "Allow", "Action": ["backup:DescribeBackupVault", "backup:CopyIntoBackupVault"],
         "Resource": [vault_arn(run, place) for place in (site, other)]},
        {"Sid": "Keys", "Effect": "Allow", "Resource": keys, "Action": [
            "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*", "kms:ReEncrypt*"]},
        {"Sid": "Grants", "Effect": "Allow", "Action": "kms:CreateGrant", "Resource": keys,
         "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}},
    ]


@dataclass(frozen=True, eq=False)
class Backup(Step[BackupOut]):
    """A plan that selects the region's cluster by its ARN, with a copy into the other region's vault."""

    vault: BackupVault
    copy_vault: BackupVault
    role: Role
    cluster: PrimaryCluster | StandbyCluster

    def _plan(self, run: Run) -> dict[str, Any]:
        other, chosen = run.settings.other(self.site), run.settings.backup
        lifecycle = {"DeleteAfterDays": chosen.retention_days}
        return {"BackupPlanName": plan_name(run, self.site), "Rules": [{
            "RuleName": "database", "TargetBackupVaultName": vault_name(run, self.site),
            "ScheduleExpression": chosen.schedule, "StartWindowMinutes": 60, "CompletionWindowMinutes": 480,
            "Lifecycle": lifecycle, "RecoveryPointTags": run.tags(self.site),
            "CopyActions": [{"DestinationBackupVaultArn": vault_arn(run, other), "Lifecycle": lifecycle}]}]}

    def _selection(self, run: Run) -> dict[str, Any]:
        return {"SelectionName": run.name("backup", "database", self.site), "IamRoleArn": run.output(self.role).arn,
                "Resources": [run.output(self.cluster).arn]}

    def find(self, run: Run) -> BackupOut | None:
        backup = run.at(self.site).backup
        if (plan_id := find_plan(run, self.site)) is None:
            return None
        # A plan that was deleted is listed for a moment longer.
        plan: Any = or_none(lambda: backup.get_backup_plan(BackupPlanId=plan_id)["BackupPlan"])
        chosen = or_none(lambda: backup.list_backup_selections(BackupPlanId=plan_id)["BackupSelectionsList"])
        if plan is None or chosen is None:
            return None
        selection_id = chosen[0]["SelectionId"] if chosen else ""
        selection: Any = backup.get_backup_selection(
            BackupPlanId=plan_id, SelectionId=selection_id)["BackupSelection"] if chosen else {}
        choices = backup.describe_region_settings().get("ResourceTypeOptInPreference", {})
        return BackupOut(plan_id, plan, selection_id, selection, choices.get("Aurora", True))

    def ensure(self, run: Run) -> BackupOut:
        out, backup, plan = run.found(self), run.at(self.site).backup, self._plan(run)
        if out and not list(self._differences(run, out)):
            return out
        plan_id = out.plan_id if out else find_plan(run, self.site)
        if plan_id is not None:
            refuse_foreign_plan(run, self.site, plan_id)
        document: Any = plan
        if plan_id is None:
            plan_id = create_plan(run, self.site, document)
        elif out is None or not contains(out.plan, plan):
            backup.update_backup_plan(BackupPlanId=plan_id, BackupPlan=document)
        if out is None or not contains(out.selection, self._selection(run)):
            select(run, self.site, plan_id, self._selection(run))
        return run.wait_until("backup plan and selection stand", lambda: self.find(run), within=PROPAGATION,
                              ready=lambda seen: seen is not None and not list(self._differences(run, seen)),
                              show=lambda seen: "not up to date yet" if seen else "not visible yet") or run.output(self)

    def _differences(self, run: Run, out: BackupOut) -> Iterable[Finding]:
        if not contains(out.plan, self._plan(run)):
            yield Finding(f"backup plan {out.plan_id} does not say when to back up, how long to keep, where to copy")
        if not contains(out.selection, self._selection(run)):
            yield Finding(f"backup plan {out.plan_id} does not select the database, so nothing is backed up")

    def verify(self, run: Run, out: BackupOut) -> Iterable[Finding]:
        yield from self._differences(run, out)
        if not out.opted_in:
            # A choice for the whole account, so not one that a stack may make; Aurora is skipped silently without it
            # even when it is selected by ARN (AWS Backup Developer Guide, "Service opt-in").
            yield Finding(f"this account does not let AWS Backup back up Aurora in {self.region}",
                          "aws backup update-region-settings --resource-type-opt-in-preference Aurora=true")

    def destroy(self, run: Run) -> None:
        delete_plan(run, self.site)

    def uses(self, run: Run, out: BackupOut | None) -> Iterable[Use]:
        """A recovery point here and its copy there; later ones hold what has changed."""
        size_gb = run.settings.estimate.database_gb
        yield Use("backup", "backup-gb", 2 * size_gb)
        yield Use("backup", "backup-copied-gb", size_gb)

    def resources(self, out: BackupOut) -> Iterable[Resource]:
        yield Resource("backup:plan", out.plan_id, self.region)
        if out.selection_id:
            yield Resource("backup:selection", out.selection_id, self.region)
