"""The writes that a failover has lost, found in what is left of the old volume and listed by table and key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from drctl.actions import probe
from drctl.actions.comparison import COMPARED, Comparison, Side
from drctl.actions.prove import until_done
from drctl.actions.reconcile import tell
from drctl.aws.commands import Command
from drctl.engine import runner
from drctl.engine.run import Run
from drctl.engine.runbook import Action
from drctl.settings import Site
from drctl.steps.rescue_snapshot import SAVED, RescueSnapshots
from drctl.steps.temporary_copy import TemporaryCopy


def keep_by_hand(run: Run, snapshots: RescueSnapshots) -> Iterable[Command | str]:
    """How a person keeps what Aurora has saved."""
    yield Command(snapshots.region, "rds", "DescribeDBClusterSnapshots", {
        "DBClusterIdentifier": snapshots.cluster.cluster_id(run), "SnapshotType": "automated"})
    yield (f"aws rds copy-db-cluster-snapshot --source-db-cluster-snapshot-identifier {SAVED}… "
           f"--target-db-cluster-snapshot-identifier NAME --region {snapshots.region}")


@dataclass(frozen=True, eq=False)
class KeepRescueSnapshot(Action):
    """Keep what Aurora has saved of the lost tail beyond the retention of automated snapshots."""

    snapshots: RescueSnapshots
    why = "it holds the only copy of what was lost, and expires with the cluster's retention"
    typical_minutes = 5.0
    if_stuck = "aws rds copy-db-cluster-snapshot; the name begins with rds:unplanned-global-failover-"
    phase: ClassVar[str] = "reconcile"

    @property
    def title(self) -> str:
        return f"keep the rescue snapshot of {self.snapshots.region}"

    @property
    def region(self) -> str:
        return self.snapshots.region

    def by_hand(self, run: Run) -> Iterable[Command | str]:
        return keep_by_hand(run, self.snapshots)

    def do(self, run: Run) -> None:
        kept = self.snapshots.keep(run)
        if kept is None:
            earlier = [one["DBClusterSnapshotIdentifier"] for one in self.snapshots.from_before(run)]
            run.say(f"Aurora has saved no rescue snapshot in {self.region} since the outage began: lost rows cannot be "
                    "listed" + (f"; from before it there are {', '.join(earlier)}" if earlier else ""))
            return
        run.measure("rescue_snapshot", kept.id)
        for one in self.snapshots.of_this_failover(run)[:-1]:
            run.say(f"lost rows are listed from {kept.id}; {one['DBClusterSnapshotIdentifier']} is kept too")


@dataclass(frozen=True, eq=False)
class ListRows(Action):
    """List the rows that the old volume holds and the new writer does not, or holds otherwise.

    The snapshot is restored beside the old cluster, out of reach of everything, and read through a probe of its own.
    """

    snapshots: RescueSnapshots
    copy: TemporaryCopy
    writer: Site
    #: Rows of one table that are compared at most.
    most: int = COMPARED
    why = "acknowledged writes are not forgotten because a region was: somebody decides about each"
    typical_minutes = 30.0
    if_stuck = "drctl failback again; the snapshot stays until teardown and can be restored by hand"
    phase: ClassVar[str] = "reconcile"

    @property
    def title(self) -> str:
        return f"list the rows that only the old volume of {self.snapshots.region} holds"

    @property
    def region(self) -> str:
        return self.snapshots.region

    def by_hand(self, run: Run) -> Iterable[str]:
        yield (f"aws rds restore-db-cluster-from-snapshot --snapshot-identifier SNAPSHOT --db-cluster-identifier "
               f"{self.copy.cluster.cluster_id(run)} --engine aurora-postgresql --region {self.region}")

    def needless(self, run: Run) -> bool:
        return run.refresh(self.snapshots) is None

    def do(self, run: Run) -> None:
        try:
            runner.build(run, self.copy.reading)
            until_done(run, "the old volume is read", lambda: self._old(run, self.region, action="health"))
            self._compare(run)
        finally:
            runner.destroy(run, self.copy.steps)

    def _old(self, run: Run, _: Any, /, **request: Any) -> dict[str, Any]:
        return probe.invoke(run, self.copy.site, self.copy.probe.label, request)

    def _compare(self, run: Run) -> None:
        """What could not be compared is left for people too: it is listed, as what is lost."""
        found = Comparison(Side(self.copy.site, self._old), Side(self.writer, probe.ask), self.most).run(run)
        for kind, items in (("rows", found.rows), ("heartbeats", found.heartbeats)):
            tell(run, kind, self.region, items)
        if found.tables:
            tell(run, "tables", self.region, found.tables)
