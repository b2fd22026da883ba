"""The writes that a failover has lost, found in what is left of the old volume and listed by table and key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from drctl.actions import probe
from drctl.actions.prove import until_done
from drctl.actions.reconcile import tell
from drctl.aws.commands import Command
from drctl.engine import runner
from drctl.engine.run import NotBuilt, Run
from drctl.engine.runbook import Action
from drctl.settings import Site
from drctl.steps.rescue_snapshot import SAVED, RescueSnapshots
from drctl.steps.temporary_copy import TemporaryCopy

#: Rows of one table that are compared at most; more are for tools that know the data.
COMPARED = 200_000
#: The table of the probe's own writes.
HEARTBEATS = "drctl.heartbeats"

#: Asks a probe: its request by name, its answer.
Ask = Callable[..., dict[str, Any]]


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
        cluster = self.snapshots.cluster.cluster_id(run)
        yield Command(self.region, "rds", "DescribeDBClusterSnapshots", {
            "DBClusterIdentifier": cluster, "SnapshotType": "automated"})
        yield (f"aws rds copy-db-cluster-snapshot --source-db-cluster-snapshot-identifier {SAVED}… "
               f"--target-db-cluster-snapshot-identifier NAME --region {self.region}")

    def do(self, run: Run) -> None:
        try:
            kept = self.snapshots.ensure(run)
        except NotBuilt:
            run.say(f"Aurora has saved no rescue snapshot in {self.region}: lost rows cannot be listed")
        else:
            run.measure("rescue_snapshot", kept.id)


@dataclass(frozen=True, eq=False)
class ListRows(Action):
    """List the rows that the old volume holds and the new writer does not, or holds otherwise.

    The snapshot is restored beside the old cluster, out of reach of everything, and read through a probe of its own.
    """

    snapshots: RescueSnapshots
    copy: TemporaryCopy
    writer: Site
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
            until_done(run, "the old volume is read", lambda: self._old(run, action="health"))
            self._compare(run)
        finally:
            runner.destroy(run, self.copy.steps)

    def _old(self, run: Run, /, **request: Any) -> dict[str, Any]:
        return probe.invoke(run, self.copy.site, self.copy.probe.label, request)

    def _new(self, run: Run, /, **request: Any) -> dict[str, Any]:
        return probe.ask(run, self.writer, **request)

    def _compare(self, run: Run) -> None:
        known = self._old(run, action="tables")
        found: dict[str, list[str]] = {"rows": [], "heartbeats": []}
        for table in [one["name"] for one in known["tables"]]:
            lost = [*lost_rows(run, table, self._old, self._new)]
            found["heartbeats" if table == HEARTBEATS else "rows"] += lost
        for kind, items in found.items():
            tell(run, kind, self.region, items)
        for table in known["without_key"]:
            run.say(f"{table} has no primary key: its rows cannot be compared")


def lost_rows(run: Run, table: str, old: Ask, new: Ask) -> Iterator[str]:
    """Keys of rows that `old` holds and `new` does not, or holds with other content."""
    there = dict(_rows(run, table, new))
    for key, content in _rows(run, table, old):
        if key not in there:
            yield f"{table} {', '.join(key)}"
        elif there[key] != content:
            yield f"{table} {', '.join(key)} (differs)"


def _rows(run: Run, table: str, ask: Ask) -> Iterator[tuple[tuple[str, ...], str]]:
    """Key and hash of each row, page by page; none of a table that is not there."""
    after, count = None, 0
    while count < COMPARED:
        answer = ask(run, action="rows", table=table, after=after)
        for key, content in answer.get("rows", []):
            yield tuple(key), content
        count += len(answer.get("rows", []))
        after = answer.get("next")
        if after is None:
            return
    run.say(f"{table} has more than {COMPARED} rows: the others were not compared")
