"""A manual snapshot of a cluster, made by drctl or given: what a temporary copy is restored from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, already, or_none
from drctl.aws.tags import as_list, as_map, is_ours, refuse_foreign
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.waiting import minutes
from drctl.errors import Refused
from drctl.steps.cluster import Cluster
from drctl.steps.steady import PAUSE

#: It takes as long as the data is large (Terraform provider: aws_db_cluster_snapshot, 20 min, which are too few for
#: much data).
SNAPSHOT = minutes(120)
#: The cluster, or the snapshot itself, is in the middle of something.
CLUSTER_BUSY = (Refusal("InvalidDBClusterStateFault"),)
BUSY = (Refusal("InvalidDBClusterSnapshotStateFault"),)


@dataclass(frozen=True)
class SnapshotOut:
    """A snapshot as it stands."""

    id: str
    arn: str
    status: str
    cluster: str
    engine_version: str


def seen(run: Run, region: str, name: str) -> Any:
    """The manual snapshot of that name, whoever made it; None without one."""
    answer: Any = or_none(lambda: run.at(region).rds.describe_db_cluster_snapshots(
        DBClusterSnapshotIdentifier=name, SnapshotType="manual"))
    return answer["DBClusterSnapshots"][0] if answer and answer["DBClusterSnapshots"] else None


def out_of(one: Any) -> SnapshotOut:
    """A snapshot as DescribeDBClusterSnapshots shows it."""
    return SnapshotOut(one["DBClusterSnapshotIdentifier"], one["DBClusterSnapshotArn"], one["Status"],
                       one["DBClusterIdentifier"], one["EngineVersion"])


@dataclass(frozen=True, eq=False)
class ClusterSnapshot(Step[SnapshotOut]):
    """A snapshot of one cluster of the stack, found by its name."""

    waits = ("snapshot-create",)

    label: str
    cluster: Cluster

    @property
    def purpose(self) -> str:
        return self.label

    def name(self, run: Run) -> str:
        """Identifier of the snapshot."""
        return run.name("snapshot", self.label, self.site)

    def _seen(self, run: Run) -> Any:
        return seen(run, self.region, self.name(run))

    def find(self, run: Run) -> SnapshotOut | None:
        one = self._seen(run)
        return None if one is None or one["Status"] == "deleting" or not self._is_ours(run, one) else out_of(one)

    def _is_ours(self, run: Run, one: Any) -> bool:
        """A cluster hands its tags on to snapshots that anybody makes of it: the Name tag of ours is the snapshot's."""
        tags = as_map(one["TagList"])
        return is_ours(tags, run.settings.environment) and tags.get("Name") == self.name(run)

    def ensure(self, run: Run) -> SnapshotOut:
        out = run.found(self)
        if out is not None and out.status == "available":
            return out
        if out is None:
            self._create(run)
        return run.wait_until(
            f"snapshot {self.name(run)} is available", lambda: self.find(run),
            lambda found: found is not None and found.status == "available", within=SNAPSHOT, every=PAUSE,
            failed=lambda found: "it failed" if found and found.status == "failed" else None,
            show=lambda found: found.status if found else "not visible yet") or run.output(self)

    def _create(self, run: Run) -> None:
        rds, name, of = run.at(self.site).rds, self.name(run), self.cluster.cluster_id(run)
        if (one := self._seen(run)) and one["Status"] != "deleting":
            self._refuse_a_foreign(run, one)
        self._wait_until_gone(run)
        with already(Refusal("DBClusterSnapshotAlreadyExistsFault")):
            run.retry(f"a snapshot of {of} can be made", lambda: rds.create_db_cluster_snapshot(
                DBClusterSnapshotIdentifier=name, DBClusterIdentifier=of, Tags=as_list(run.tags(self.site, name))),
                CLUSTER_BUSY, within=minutes(15))

    def _refuse_a_foreign(self, run: Run, one: Any) -> None:
        refuse_foreign("snapshot", f"{one['DBClusterSnapshotIdentifier']} in {self.region}",
                       as_map(one["TagList"]) if self._is_ours(run, one) else {}, run.settings.environment)

    def verify(self, run: Run, out: SnapshotOut) -> Iterable[Finding]:
        if out.status != "available":
            yield Finding(f"snapshot {out.id} is {out.status}", mend="wait until it is available")
        if out.cluster != self.cluster.cluster_id(run):
            yield Finding(f"snapshot {out.id} is of {out.cluster}, not of {self.cluster.cluster_id(run)}",
                          mend="remove it")

    def destroy(self, run: Run) -> None:
        one = self._seen(run)
        if one is not None:
            self._refuse_a_foreign(run, one)
            if one["Status"] != "deleting":
                # while it is being made it cannot be deleted
                run.retry(f"snapshot {self.name(run)} can be deleted", lambda: self._delete(run), BUSY, within=SNAPSHOT)
            self._wait_until_gone(run)

    def _delete(self, run: Run) -> None:
        with absent_is_fine():
            if (one := self._seen(run)) and one["Status"] != "deleting":
                run.at(self.site).rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=self.name(run))

    def _wait_until_gone(self, run: Run) -> None:
        run.wait_until(f"snapshot {self.name(run)} is gone", lambda: self._seen(run), lambda one: one is None,
                       within=minutes(15), show=lambda one: one["Status"] if one else "gone")

    def resources(self, out: SnapshotOut) -> Iterable[Resource]:
        yield Resource("rds:cluster-snapshot", out.arn, self.region)


@dataclass(frozen=True, eq=False)
class GivenSnapshot(Step[SnapshotOut]):
    """A manual snapshot that somebody has made in the region; drctl reads it and never removes it."""

    name: str

    @property
    def purpose(self) -> str:
        return self.name

    def find(self, run: Run) -> SnapshotOut | None:
        one = seen(run, self.region, self.name)
        return out_of(one) if one else None

    def ensure(self, run: Run) -> SnapshotOut:
        out = run.found(self)
        if out is None:
            raise Refused(f"there is no manual snapshot {self.name} in {self.region}",
                          next_step="aws rds describe-db-cluster-snapshots lists those there are")
        return out

    def verify(self, run: Run, out: SnapshotOut) -> Iterable[Finding]:
        if out.status != "available":
            yield Finding(f"snapshot {out.id} is {out.status}", mend="wait until it is available")

    def destroy(self, run: Run) -> None:
        """It is not ours to remove."""
