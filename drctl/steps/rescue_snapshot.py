"""The lost tail of a failover, kept: manual snapshots of a volume that Aurora has replaced, or drctl has made anew.

When the region of an old primary returns, Aurora tries to save what its volume held as an automated snapshot whose name
begins with `rds:unplanned-global-failover-`; it expires with the cluster's retention, so a manual copy of it is made
(Aurora User Guide, "Recovering an Amazon Aurora global database from an unplanned outage").
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, already
from drctl.aws.tags import as_list, as_map, is_ours
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.waiting import minutes
from drctl.settings import Site
from drctl.steps.cluster import Cluster
from drctl.steps.cluster_snapshot import BUSY, SNAPSHOT, SnapshotOut, out_of
from drctl.steps.steady import PAUSE

#: How the automated snapshots are called.
SAVED = "rds:unplanned-global-failover-"
#: What the manual ones are for, as their names say it.
RESCUE = "rescue"


def rescue_name(run: Run, site: Site, mark: str) -> str:
    """Name of one snapshot; `mark`, of ten characters at most, tells it from those of other failovers."""
    return run.name("snapshot", f"{RESCUE}-{mark}", site)


def last_name(run: Run, site: Site, resource_id: str) -> str:
    """Name of the last snapshot of a cluster that is made anew, by its resource id: no other cluster has it."""
    return rescue_name(run, site, resource_id.lower()[-10:])


@dataclass(frozen=True, eq=False)
class RescueSnapshots(Step[SnapshotOut]):
    """All that were kept of one cluster; the newest is what stands for them."""

    cluster: Cluster

    def _all(self, run: Run, kind: str) -> list[Any]:
        pages = run.at(self.site).rds.get_paginator("describe_db_cluster_snapshots").paginate(
            DBClusterIdentifier=self.cluster.cluster_id(run), SnapshotType=kind)
        return sorted((one for page in pages for one in page["DBClusterSnapshots"]),
                      key=lambda one: str(one.get("SnapshotCreateTime", "")))

    def kept(self, run: Run) -> list[Any]:
        """The manual ones, the newest last."""
        called = re.compile(re.escape(rescue_name(run, self.site, "MARK")).replace("mark", r"[a-z0-9-]+"))
        return [one for one in self._all(run, "manual") if called.fullmatch(one["DBClusterSnapshotIdentifier"])
                and is_ours(as_map(one.get("TagList")), run.settings.environment)]

    def find(self, run: Run) -> SnapshotOut | None:
        kept = [one for one in self.kept(run) if one["Status"] != "deleting"]
        return out_of(kept[-1]) if kept else None

    def unkept(self, run: Run) -> list[str]:
        """Identifiers of those that Aurora has saved and of which nobody has made a manual copy."""
        kept = {one["DBClusterSnapshotIdentifier"] for one in self.kept(run)}
        saved = [one["DBClusterSnapshotIdentifier"] for one in self._all(run, "automated")]
        return [one for one in saved if one.startswith(SAVED) and self._name_of_the_copy(run, one) not in kept]

    def _name_of_the_copy(self, run: Run, saved: str) -> str:
        moment = re.sub(r"[^0-9]+", "", saved.removeprefix(SAVED))[-14:]  # to the second; names are short
        return rescue_name(run, self.site, moment[2:12])

    def ensure(self, run: Run) -> SnapshotOut:
        """Every saved one is copied, once. Raises NotBuilt when there is none, saved or kept."""
        for one in self._all(run, "automated"):
            if one["DBClusterSnapshotIdentifier"].startswith(SAVED):
                self._keep(run, one)
        run.forget(self)
        run.wait_until("the rescue snapshots are available", lambda: [one["Status"] for one in self.kept(run)],
                       lambda states: set(states) <= {"available"}, within=SNAPSHOT, every=PAUSE,
                       show=lambda states: ", ".join(states) or "none")
        return run.output(self)

    def _keep(self, run: Run, saved: Any) -> None:
        source = saved["DBClusterSnapshotIdentifier"]
        name = self._name_of_the_copy(run, source)
        if any(one["DBClusterSnapshotIdentifier"] == name for one in self.kept(run)):
            return
        with already(Refusal("DBClusterSnapshotAlreadyExistsFault")):
            run.retry(f"{source} can be copied", lambda: run.at(self.site).rds.copy_db_cluster_snapshot(
                SourceDBClusterSnapshotIdentifier=source, TargetDBClusterSnapshotIdentifier=name,
                KmsKeyId=run.output(self.cluster.encryption_key).arn,
                Tags=as_list(run.tags(self.site, name))), BUSY, within=SNAPSHOT)

    def verify(self, run: Run, out: SnapshotOut) -> Iterable[Finding]:
        return ()

    def destroy(self, run: Run) -> None:
        for one in self.kept(run):
            name = one["DBClusterSnapshotIdentifier"]
            if one["Status"] != "deleting":
                with absent_is_fine():
                    run.retry(f"snapshot {name} can be deleted", partial(
                        run.at(self.site).rds.delete_db_cluster_snapshot, DBClusterSnapshotIdentifier=name), BUSY,
                        within=SNAPSHOT)
        run.wait_until("the rescue snapshots are gone", lambda: self.kept(run), lambda left: not left,
                       within=minutes(15), show=lambda left: f"{len(left)} left")

    def resources(self, out: SnapshotOut) -> Iterable[Resource]:
        yield Resource("rds:cluster-snapshot", out.arn, self.region)
