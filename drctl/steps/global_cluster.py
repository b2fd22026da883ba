"""The Aurora global cluster: what ties the clusters of both regions together, and knows which of them writes.

It is one object for the account, seen from every region (RDS API Reference, DescribeGlobalClusters). Who is a member
and who writes is observed here and never repaired: after a failover the roles are swapped, and that is as it should be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from drctl.aws.clients import Region
from drctl.aws.errors import Refusal, absent_is_fine, already, is_gone
from drctl.aws.tags import as_list, as_map, is_ours
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.waiting import minutes
from drctl.errors import NotOurs, Refused
from drctl.names import GLOBAL

ENGINE = "aurora-postgresql"
#: Terraform provider: aws_rds_global_cluster, 30 min to create, delete or take a member out.
CREATION = DELETION = REMOVAL = minutes(30)
#: A switchover waits for the lag (Aurora User Guide, "Using switchover or failover in Aurora Global Database").
ROLE_CHANGE = minutes(60)
BUSY = (Refusal("InvalidGlobalClusterStateFault"), Refusal("InvalidDBClusterStateFault"))
#: How RDS says that a cluster is not a member (any more).
NO_MEMBER = (Refusal("InvalidParameterValue", "is not found in global cluster"), Refusal("DBClusterNotFoundFault"),
             Refusal("GlobalClusterNotFoundFault"))


@dataclass(frozen=True)
class Member:
    """A cluster of the global cluster; `synchronization` is empty for the writer."""

    arn: str
    region: str
    is_writer: bool
    synchronization: str

    @property
    def id(self) -> str:
        """The cluster's identifier."""
        return self.arn.rpartition(":")[2]


@dataclass(frozen=True)
class GlobalClusterOut:
    """The global cluster as it stands; `writer` is the region that writes, None while nobody does."""

    id: str
    arn: str
    status: str
    engine_version: str
    writer: str | None
    members: tuple[Member, ...]
    encrypted: bool
    protected: bool
    changing_roles: bool

    @property
    def at_rest(self) -> bool:
        """Whether nothing is under way."""
        return self.status == "available" and not self.changing_roles

    def is_copy(self, region: str) -> bool:
        """Whether a region holds a copy of the database that is connected to the writer."""
        member = self.member(region)
        return member is not None and not member.is_writer and member.synchronization == "connected"

    def member(self, region: str) -> Member | None:
        """The member in a region."""
        return next((member for member in self.members if member.region == region), None)

    def __str__(self) -> str:
        parts = [f"{member.region} {'writes' if member.is_writer else member.synchronization or 'reads'}"
                 for member in self.members]
        return ", ".join([self.status, *(["changing roles"] if self.changing_roles else []), *parts])


@dataclass(frozen=True, eq=False)
class GlobalCluster(Step[GlobalClusterOut]):
    """One global cluster, found by its name; clusters join it when they are made."""

    waits = ("global-cluster-create",)

    def name(self, run: Run) -> str:
        """Identifier of the global cluster."""
        return run.name("aurora", "database", GLOBAL)

    def _seen(self, run: Run, region: Region | None = None) -> Any:
        """What AWS shows under our name, whoever made it. Looked at by name: an answer may list others too."""
        rds, name = (region or run.vantage).rds, self.name(run)
        try:
            clusters = rds.describe_global_clusters(GlobalClusterIdentifier=name)["GlobalClusters"]
        except rds.exceptions.ClientError as error:
            if is_gone(error):
                return None
            raise
        return next((one for one in clusters if one["GlobalClusterIdentifier"] == name), None)

    def find(self, run: Run) -> GlobalClusterOut | None:
        return self.find_from(run, run.vantage)

    def find_from(self, run: Run, region: Region) -> GlobalClusterOut | None:
        """The global cluster as a region shows it, by these clients."""
        seen = self._seen(run, region)
        if seen is None or seen["Status"] == "deleting" or not self._is_ours(run, seen):
            return None
        return _out(seen)

    def _is_ours(self, run: Run, seen: Any) -> bool:
        return is_ours(as_map(seen.get("TagList")), run.settings.environment)

    def _refuse_a_foreign(self, run: Run, seen: Any) -> None:
        if not self._is_ours(run, seen):
            raise NotOurs(f"global cluster {seen['GlobalClusterIdentifier']} exists and does not belong to this stack",
                          next_step="delete it, or choose another environment name")

    def ensure(self, run: Run) -> GlobalClusterOut:
        out = run.found(self)
        if out is not None and (problems := list(self.fixed_differences(run, out))):
            raise Refused(f"global cluster {out.id}: {problems[0].text}", next_step=problems[0].mend,
                          findings=tuple(one.text for one in problems))
        if out is None:
            self._create(run)
        if out is None or not out.at_rest:
            out = self.at_rest(run)
        if out.protected != run.settings.deletion_protection:
            self._protect(run, run.settings.deletion_protection)
        return out

    def _create(self, run: Run) -> None:
        rds, name = run.at(self.site).rds, self.name(run)
        if (seen := self._seen(run)) and seen["Status"] != "deleting":
            self._refuse_a_foreign(run, seen)
        self._wait_until_gone(run)
        with already(Refusal("GlobalClusterAlreadyExistsFault")):
            rds.create_global_cluster(
                GlobalClusterIdentifier=name, Engine=ENGINE, EngineVersion=run.settings.database.engine_version,
                StorageEncrypted=True, DeletionProtection=run.settings.deletion_protection,
                Tags=as_list(run.tags(None, name)))

    def at_rest(self, run: Run) -> GlobalClusterOut:
        """Wait until it is available and no roles are changing, and return it."""
        return run.wait_until(
            f"global cluster {self.name(run)} is at rest", lambda: self.find(run),
            lambda seen: seen is not None and seen.at_rest, within=ROLE_CHANGE,
            show=lambda seen: str(seen or "not visible yet")) or run.output(self)

    def _protect(self, run: Run, wanted: bool) -> None:
        rds = run.at(self.site).rds
        run.retry("the global cluster can be changed", lambda: rds.modify_global_cluster(
            GlobalClusterIdentifier=self.name(run), DeletionProtection=wanted), BUSY[:1], within=minutes(10))
        run.wait_until(f"deletion protection of the global cluster is {'on' if wanted else 'off'}",
                       lambda: self.find(run), lambda seen: seen is None or (seen.protected == wanted and seen.at_rest),
                       within=minutes(10), show=str)

    def verify(self, run: Run, out: GlobalClusterOut) -> Iterable[Finding]:
        if out.status != "available":
            yield Finding(f"global cluster {out.id} is {out.status}", mend="wait until it is available")
        yield from self.fixed_differences(run, out)
        if not out.encrypted:
            yield Finding(f"global cluster {out.id} is not encrypted, which cannot be changed", mend="drctl teardown")
        if out.protected != run.settings.deletion_protection:
            yield Finding(f"deletion protection of global cluster {out.id} is {'on' if out.protected else 'off'}")

    def fixed_differences(self, run: Run, out: GlobalClusterOut) -> Iterable[Finding]:
        """What no provision makes so: other regions, and a version that no minor upgrade leads to."""
        regions = {site.region for site in run.settings.sites}
        if strange := [member.region for member in out.members if member.region not in regions]:
            stands = ", ".join(member.region for member in out.members)
            yield Finding(f"its database is in {stands}, the configuration says {', '.join(sorted(regions))}: a stack "
                          f"does not leave {strange[0]}", mend="put regions back, or build a stack in the other "
                          "regions under another environment name and move the data")
        wanted, found = run.settings.database.engine_version, out.engine_version
        if wanted != found and not strange:
            yield from self._unreachable(run, found, wanted)

    def _unreachable(self, run: Run, found: str, wanted: str) -> Iterable[Finding]:
        """Why the version that runs does not become the wanted one, if it does not."""
        back = f"set database.engine_version to {found}"
        if number(wanted) < number(found):
            yield Finding(f"it runs {found}, the configuration says {wanted}: Aurora takes no version back",
                          mend=f"{back}; older data is in a snapshot, restored beside this stack")
        elif number(wanted)[0] != number(found)[0]:
            yield Finding(f"it runs {found}, the configuration says {wanted}: drctl does not upgrade to another major "
                          "version, which needs other parameter groups and stops the database for long",
                          mend=f"{back}; a major version is tried on a copy and made with ModifyGlobalCluster and "
                          "AllowMajorVersionUpgrade (Aurora User Guide, upgrading a global database), or build a "
                          "stack of another environment name and move the data")
        elif wanted not in (targets := self._targets(run, found)):
            yield Finding(f"it runs {found}, which AWS does not upgrade to {wanted} in {self.region}",
                          mend=f"{back}, or to one of {', '.join(targets) or 'none'}")

    def _targets(self, run: Run, version: str) -> list[str]:
        """Versions of the same major one to which AWS upgrades a global database."""
        rds = run.at(self.site).rds
        known = rds.describe_db_engine_versions(Engine=ENGINE, EngineVersion=version)["DBEngineVersions"]
        return [one["EngineVersion"] for found in known for one in found.get("ValidUpgradeTarget", [])
                if not one.get("IsMajorVersionUpgrade") and one.get("SupportsGlobalDatabases", True)]

    # Teardown ----------------------------------------------------------------------------------------------------

    def dissolve(self, run: Run) -> None:
        """Take every cluster out: readers first, the writer last, whichever region that is now.

        Refuses while a cluster is a member that drctl did not make.
        """
        out = self.find(run)
        if out is None or not out.members:
            return
        if not out.at_rest:
            out = self.at_rest(run)
        known = {run.name("aurora", "cluster", site) for site in run.settings.sites}
        if foreign := [member.arn for member in out.members if member.id not in known]:
            raise Refused(f"global cluster {out.id} has a member that drctl did not make: {foreign[0]}",
                          next_step="take that cluster out of the global cluster, then the same command again")
        for member in sorted(out.members, key=lambda one: one.is_writer):
            self._remove(run, member)

    def _remove(self, run: Run, member: Member) -> None:
        """Asked for in the member's own region; the list shows it for up to half an hour more."""
        rds = run.at(member.region).rds
        with already(*NO_MEMBER):
            run.retry(f"{member.id} can leave the global cluster", lambda: rds.remove_from_global_cluster(
                GlobalClusterIdentifier=self.name(run), DbClusterIdentifier=member.arn), BUSY, within=REMOVAL)
        run.wait_until(f"{member.id} has left the global cluster", lambda: self.find(run),
                       lambda seen: seen is None or seen.member(member.region) is None, within=REMOVAL,
                       show=lambda seen: str(seen or "gone"))

    def destroy(self, run: Run) -> None:
        seen = self._seen(run)
        if seen is None:
            return
        self._refuse_a_foreign(run, seen)
        if seen["Status"] != "deleting":
            refuse_protected(run, f"global cluster {self.name(run)}")
            self.dissolve(run)
            if seen.get("DeletionProtection"):
                self._protect(run, wanted=False)
            rds = run.at(self.site).rds
            with absent_is_fine():
                # "is not empty" until the last member is really out (Terraform provider: 5 min)
                run.retry("the global cluster is empty", lambda: rds.delete_global_cluster(
                    GlobalClusterIdentifier=self.name(run)), BUSY[:1], within=minutes(10))
        self._wait_until_gone(run)

    def _wait_until_gone(self, run: Run) -> None:
        run.wait_until(f"global cluster {self.name(run)} is gone", lambda: self._seen(run), lambda seen: seen is None,
                       within=DELETION, show=lambda seen: seen["Status"] if seen else "gone")

    def foreseen(self, run: Run, out: GlobalClusterOut | None) -> Mapping[str, Any]:
        return {"id": self.name(run), "engine_version": run.settings.database.engine_version}

    def resources(self, out: GlobalClusterOut) -> Iterable[Resource]:
        yield Resource("rds:global-cluster", out.arn, GLOBAL)


def refuse_protected(run: Run, what: str) -> None:
    """Raise Refused while the configuration protects the database from deletion."""
    if run.settings.deletion_protection:
        raise Refused(f"{what} is protected: the configuration has deletion_protection: true",
                      next_step="set deletion_protection: false, then the same command again")


def _out(seen: Any) -> GlobalClusterOut:
    members = tuple(Member(one["DBClusterArn"], one["DBClusterArn"].split(":")[3], bool(one.get("IsWriter")),
                           one.get("SynchronizationStatus") or "") for one in seen.get("GlobalClusterMembers", []))
    return GlobalClusterOut(
        seen["GlobalClusterIdentifier"], seen["GlobalClusterArn"], seen["Status"], seen.get("EngineVersion", ""),
        next((member.region for member in members if member.is_writer), None), members,
        bool(seen.get("StorageEncrypted")), bool(seen.get("DeletionProtection")),
        bool((seen.get("FailoverState") or {}).get("Status")))


def number(version: str) -> tuple[int, ...]:
    """An engine version as numbers, to be compared: (16, 10) is after (16, 9)."""
    return tuple(int(part) for part in version.split("."))
