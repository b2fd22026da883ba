"""A backup vault: where recovery points of one region lie, encrypted with that region's key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, already, is_gone, is_one_of
from drctl.aws.tags import refuse_foreign
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.waiting import minutes
from drctl.errors import Refused
from drctl.settings import Site
from drctl.steps.key import Key

#: A missing vault is also answered as one that may not be seen (Terraform provider: backup vault).
HIDDEN = Refusal("AccessDeniedException")
NOT_EMPTY = Refusal("InvalidRequestException", "recovery points")


def vault_name(run: Run, site: Site) -> str:
    """The name of the vault in a region."""
    return run.name("backup", "vault", site)


def vault_arn(run: Run, site: Site) -> str:
    """The ARN of the vault in a region, known before it stands."""
    return f"arn:aws:backup:{site.region}:{run.settings.account_id}:backup-vault:{vault_name(run, site)}"


@dataclass(frozen=True)
class BackupVaultOut:
    """The vault as it stands, and the key that it keeps for ever."""

    arn: str
    key: str


@dataclass(frozen=True, eq=False)
class BackupVault(Step[BackupVaultOut]):
    """One in each region: for the recovery points of the region's cluster, and for copies of the other one's."""

    encryption_key: Key

    def find(self, run: Run) -> BackupVaultOut | None:
        seen = self._described(run)
        return BackupVaultOut(seen["BackupVaultArn"], seen.get("EncryptionKeyArn", "")) if seen else None

    def _described(self, run: Run) -> Any:
        backup = run.at(self.site).backup
        try:
            return backup.describe_backup_vault(BackupVaultName=vault_name(run, self.site))
        except backup.exceptions.ClientError as error:
            if is_gone(error) or is_one_of(error, HIDDEN):
                return None
            raise

    def ensure(self, run: Run) -> BackupVaultOut:
        """Make the vault; a vault keeps its key for ever, so another key is refused."""
        name, key, seen = vault_name(run, self.site), run.output(self.encryption_key).arn, run.found(self)
        if seen is None:
            with already(Refusal("AlreadyExistsException")):
                run.at(self.site).backup.create_backup_vault(BackupVaultName=name, EncryptionKeyArn=key,
                                                             BackupVaultTags=run.tags(self.site, name))
            seen = run.wait_until(f"vault {name} is known", lambda: self.find(run), lambda vault: vault is not None,
                                  within=minutes(2), show=lambda vault: "known" if vault else "not visible yet")
        if seen is None or seen.key != key:
            raise Refused(f"vault {name} is encrypted with {seen.key if seen else 'nothing'}, which cannot be changed",
                          next_step="move or delete its recovery points and the vault, then drctl provision")
        return seen

    def verify(self, run: Run, out: BackupVaultOut) -> Iterable[Finding]:
        if out.key != run.output(self.encryption_key).arn:
            yield Finding(f"vault {out.arn} is encrypted with {out.key}, not with the region's key",
                          "move or delete its recovery points and the vault, then drctl provision")

    def destroy(self, run: Run) -> None:
        """Delete the vault with every recovery point in it, if it is ours; Refused when it is not."""
        seen = self._described(run)
        if seen is None:
            return
        name = seen["BackupVaultName"]
        with absent_is_fine():  # the vault itself may go between two looks, after a deletion whose answer was lost
            tags = run.at(self.site).backup.list_tags(ResourceArn=seen["BackupVaultArn"]).get("Tags", {})
            refuse_foreign("backup vault", name, tags, run.settings.environment)
            run.retry(f"vault {name} is empty", lambda: _empty_and_delete(run, self.site, name), (NOT_EMPTY,),
                      within=minutes(30))

    def foreseen(self, run: Run, out: BackupVaultOut | None) -> Mapping[str, Any]:
        return {"arn": vault_arn(run, self.site)}

    def resources(self, out: BackupVaultOut) -> Iterable[Resource]:
        yield Resource("backup:vault", out.arn, self.region)


def _empty_and_delete(run: Run, site: Site, name: str) -> None:
    """Recovery points go one by one and take a while; a job under way can add one after the last look."""
    backup = run.at(site).backup
    for point in _recovery_points(run, site):
        if point["Status"] != "DELETING":
            with absent_is_fine():
                backup.delete_recovery_point(BackupVaultName=name, RecoveryPointArn=point["RecoveryPointArn"])
    run.wait_until(f"the recovery points of {name} are gone", lambda: len(_recovery_points(run, site)),
                   lambda count: count == 0, within=minutes(60), every=30, show=lambda count: f"{count} left")
    with absent_is_fine():
        backup.delete_backup_vault(BackupVaultName=name)


def _recovery_points(run: Run, site: Site) -> list[Any]:
    pages = run.at(site).backup.get_paginator("list_recovery_points_by_backup_vault").paginate(
        BackupVaultName=vault_name(run, site))
    return [point for page in pages for point in page["RecoveryPoints"]]
