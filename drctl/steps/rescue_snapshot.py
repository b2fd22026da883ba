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
from drctl.engine.run import OUTAGE_BEGAN, Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.waiting import minutes
from drctl.settings import Site
from drctl.steps.cluster import Cluster
from drctl.steps.cluster_snapshot import BUSY, SNAPSHOT, SnapshotOut, out_of
from drctl.steps.steady import PAUSE

#: How the automated snapshots are called.
SAVED = "rds:unplanned-global-failover-"
#: AWS seconds by which the clock that the beginning was taken from may be ahead of RDS's.
SKEW = minutes(2)
#: What the manual ones are for, as their names say it.
RESCUE = "rescue"


def rescue_name(run: Run, site: Site, mark: str) -> str:
    """Name of one snapshot; `mark`, of ten characters at most, tells it from those of other failovers."""
    return run.name("snapshot", f"{RESCUE}-{mark}", site)


def last_name(run: Run, site: Site, resource_id: str) -> str:
    """Name of the last snapshot of a cluster that is made anew, by its resource id: no other cluster has it."""
    return rescue_name(run, site, resource_id.lower()[-10:])


def is_since(run: Run, one: Any) -> bool:
    """Whether a snapshot was made since the outage that is cleaned up after began; one that is being made was.

    Always, for a run that knows of no outage. What is kept stays until teardown: it may be of an earlier failover, and
    what has changed since then is not lost.
    """
    began, made = run.measures.get(OUTAGE_BEGAN), one.get("SnapshotCreateTime")
    return began is None or made is None or bool(made.timestamp() >= began - SKEW / run.clock.speed)


def _is_saved(run: Run, site: Site, one: Any) -> bool:
    """Whether a kept one is a copy of what Aurora has saved, and not the last one of a cluster that was made anew."""
    return bool(re.fullmatch(re.escape(rescue_name(run, site, "MARK")).replace("mark", "[0-9]{10}"),
                             one["DBClusterSnapshotIdentifier"]))


@dataclass(frozen=True, eq=False)
class RescueSnapshots(Step[SnapshotOut]):
    """All that were kept of one cluster. What stands for them is the newest of what Aurora has saved since the outage
    began; without it the last one of a cluster that was made anew.
    """

    cluster: Cluster

    def _all(self, run: Run, kind: str) -> list[Any]:
        pages = run.at(self.site).rds.get_paginator("describe_db_cluster_snapshots").paginate(
            DBClusterIdentifier=self.cluster.cluster_id(run), SnapshotType=kind)
        return sorted((one for page in pages for one in page["DBClusterSnapshots"]),
                      key=lambda one: str(one.get("SnapshotCreateTime", "")))

    def kept(self, run: Run) -> list[Any]:
        """The manual ones of any failover, the newest last."""
        called = re.compile(re.escape(rescue_name(run, self.site, "MARK")).replace("mark", r"[a-z0-9-]+"))
        return [one for one in self._all(run, "manual") if called.fullmatch(one["DBClusterSnapshotIdentifier"])
                and is_ours(as_map(one.get("TagList")), run.settings.environment)]

    def find(self, run: Run) -> SnapshotOut | None:
        found = self.of_this_failover(run)
        return out_of(found[-1]) if found else None

    def of_this_failover(self, run: Run) -> list[Any]:
        """The kept ones that the lost rows may be in; the last is the first to look into."""
        found = [one for one in self.kept(run) if one["Status"] != "deleting" and is_since(run, one)]
        return sorted(found, key=lambda one: _is_saved(run, self.site, one))

    def from_before(self, run: Run) -> list[Any]:
        """Those, saved or kept, that were made before the outage began."""
        return [one for one in (*self._saved(run), *self.kept(run)) if not is_since(run, one)]

    def _saved(self, run: Run) -> list[Any]:
        return [one for one in self._all(run, "automated") if one["DBClusterSnapshotIdentifier"].startswith(SAVED)]

    def unkept(self, run: Run) -> list[str]:
        """Identifiers of those that Aurora has saved and of which nobody has made a manual copy."""
        kept = {one["DBClusterSnapshotIdentifier"] for one in self.kept(run)}
        saved = [one["DBClusterSnapshotIdentifier"] for one in self._saved(run)]
        return [one for one in saved if self._name_of_the_copy(run, one) not in kept]

    def _name_of_the_copy(self, run: Run, saved: str) -> str:
        moment = re.sub(r"[^0-9]+", "", saved.removeprefix(SAVED))  # to the second, without the year: names are short
        return rescue_name(run, self.site, moment[-10:])

    def ensure(self, run: Run) -> SnapshotOut:
        """Raises NotBuilt when there is none, saved or kept."""
        self.keep(run)
        return run.output(self)

    def keep(self, run: Run) -> SnapshotOut | None:
        """Every one saved since the outage began is copied, once; None when there is none, saved or kept."""
        for one in self._saved(run):
            if is_since(run, one):
                self._keep(run, one)
        run.forget(self)
        run.wait_until("the rescue snapshots are available", lambda: [one["Status"] for one in self.kept(run)],
                       lambda states: set(states) <= {"available"}, within=SNAPSHOT, every=PAUSE,
                       show=lambda states: ", ".join(states) or "none")
        return run.found(self)

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
