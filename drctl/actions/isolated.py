"""The isolated drill: a copy of the database in the standby region is made, and taken away without a trace.

Each line reads AWS anew. Heartbeats of a drill bear its run's id, so that every drill proves itself with its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from drctl.actions import probe
from drctl.actions.inventory import copy_inventory
from drctl.actions.prove import until_done
from drctl.actions.steady_state import instances, replication_lag_s
from drctl.aws.commands import Command
from drctl.engine import runner
from drctl.engine.run import Run
from drctl.engine.runbook import Action
from drctl.engine.waiting import minutes
from drctl.errors import ChecksFailed, Refused, RunFailed
from drctl.settings import Site
from drctl.steps.global_cluster import ENGINE, GlobalCluster
from drctl.steps.temporary_cluster import CloneRefused
from drctl.steps.temporary_copy import TemporaryCopy


def mark(run: Run) -> str:
    """What this drill's heartbeats in production are written under, before the copy is made."""
    return f"{run.id}-before"


def mark_in_copy(run: Run) -> str:
    """What its heartbeats in the copy are written under."""
    return f"{run.id}-copy"


@dataclass(frozen=True, eq=False)
class ReadyToCopy(Action):
    """The gate of an isolated drill: Refused with all findings when the standby is not worth being copied."""

    global_cluster: GlobalCluster
    source: Site
    target: Site
    why = "a copy of a sick standby proves nothing"
    typical_minutes = 0.1
    if_stuck = "mend the findings; drctl status shows the stack"
    phase: ClassVar[str] = "steady state"

    @property
    def title(self) -> str:
        return f"the database in {self.target.region} is ready to be copied"

    @property
    def region(self) -> str:
        return self.target.region

    def do(self, run: Run) -> None:
        findings = (*self._membership(run), *instances(run, self.target), *self._lag(run), *self._answers(run))
        for finding in findings:
            run.events.emit("finding", text=finding)
        if findings:
            raise Refused("the standby is not ready to be copied; nothing was made", findings=findings,
                          next_step="mend the findings (drctl provision converges structure), then run the drill again")

    def _membership(self, run: Run) -> Iterable[str]:
        out = run.refresh(self.global_cluster)
        member = out.member(self.target.region) if out else None
        if out is None or member is None:
            yield f"the global database has no member in {self.target.region}"
            return
        if not out.at_rest:
            yield f"the global database is not at rest: {out}"
        if member.is_writer:
            yield f"the cluster in {self.target.region} is the writer, not a standby"
        elif member.synchronization != "connected":
            yield f"replication to {self.target.region} is {member.synchronization or 'not known'}"

    def _lag(self, run: Run) -> Iterable[str]:
        lag, limit = replication_lag_s(run, self.target), run.settings.objectives.rpo_minutes
        if lag is None:
            yield f"replication lag of {self.target.region} is not known: CloudWatch has no AuroraGlobalDBRPOLag"
            return
        run.measure("lag_s", round(lag, 3), "s")
        if lag > limit * 60:
            yield f"replication lag is {lag:.0f} s, over the RPO of {limit:g} min"

    def _answers(self, run: Run) -> Iterable[str]:
        for site, writes in ((self.source, True), (self.target, False)):
            answer = probe.attempt(probe.ask, run, site, action="health")
            if not answer.get("ok"):
                yield f"the probe in {site.region} cannot read: {probe.in_words(answer)}"
            elif answer.get("writer") is not writes:
                yield f"the database in {site.region} {'does not write' if writes else 'writes'}, as its probe sees it"

    def by_hand(self, run: Run) -> Iterable[Command | str]:
        yield Command(self.target.region, "rds", "DescribeGlobalClusters")
        yield Command(self.target.region, "rds", "DescribeDBInstances", {"Filters": [
            {"Name": "db-cluster-id", "Values": [run.name("aurora", "cluster", self.target)]}]})


@dataclass(frozen=True, eq=False)
class WriteMark(Action):
    """A heartbeat in the database that writes, seen to arrive at the standby: the copy must hold it."""

    source: Site
    target: Site
    why = "only a row that is known beforehand proves that the copy holds what production held"
    typical_minutes = 0.1
    if_stuck = "the probes' log groups in both regions; drctl status shows the replication lag"
    phase: ClassVar[str] = "copy"

    @property
    def title(self) -> str:
        return f"write a heartbeat in {self.source.region} and see it arrive in {self.target.region}"

    @property
    def region(self) -> str:
        return self.source.region

    def do(self, run: Run) -> None:
        until_done(run, f"the database in {self.source.region} takes a heartbeat",
                   lambda: probe.ask(run, self.source, action="write", run=mark(run), n=1))
        run.wait_until(f"the heartbeat is in {self.target.region}", lambda: probe.attempt(
            probe.ask, run, self.target, action="read", run=mark(run)), lambda told: told.get("rows") == [1],
            within=minutes(run.settings.objectives.rpo_minutes), every=5,
            show=lambda told: f"rows {told['rows']}" if told.get("ok") else probe.in_words(told))

    def by_hand(self, run: Run) -> Iterable[Command | str]:
        yield probe_command(run, self.source, "probe", f'{{"action": "write", "run": "{mark(run)}", "n": 1}}')
        yield probe_command(run, self.target, "probe", f'{{"action": "read", "run": "{mark(run)}"}}')


@dataclass(frozen=True, eq=False)
class BuildCopy(Action):
    """A clone of the standby's cluster or, where AWS does not clone it, a snapshot restored; app and probe at it."""

    cloned: TemporaryCopy
    restored: TemporaryCopy
    why = "the app meets the data of the moment in the region that would have to take over, and nobody notices"
    typical_minutes = 25.0
    if_stuck = "the same drill begins anew; aws rds describe-events tells what the copy's cluster waits for"
    phase: ClassVar[str] = "copy"

    @property
    def title(self) -> str:
        return f"make the copy in {self.restored.site.region}: a clone, else a snapshot restored"

    @property
    def region(self) -> str:
        return self.restored.site.region

    def do(self, run: Run) -> None:
        began, by = run.clock.now(), "clone"
        try:
            runner.build(run, self.cloned.steps)
        except RunFailed as end:
            refused = next((one.error for one in end.failures if isinstance(one.error, CloneRefused)), None)
            if refused is None or len(end.failures) > 1:
                raise
            run.say(f"{refused}; a snapshot is made and restored instead")
            by = "snapshot"
            runner.build(run, self.restored.steps)
        run.measure("copied_by", by)
        run.measure("copy_minutes", round((run.clock.now() - began) / 60, 1), "min")

    def by_hand(self, run: Run) -> Iterable[Command | str]:
        """What holds data; the group of the copy's database admits whoever is to ask it, and nobody of production."""
        at, copy = self.region, self.restored
        cluster, name = copy.source.cluster_id(run), copy.cluster.cluster_id(run)
        snapshot = run.name("snapshot", copy.label, at)
        own: dict[str, Any] = {
            "DBClusterIdentifier": name, "DBSubnetGroupName": run.name("subnets", "database", at),
            "VpcSecurityGroupIds": ["GROUP"], "Tags": [{"Key": "drctl:stack", "Value": run.settings.environment}]}
        yield "# GROUP: a security group of its own, that no group of the stack names"
        yield Command(at, "rds", "RestoreDBClusterToPointInTime", {
            "SourceDBClusterIdentifier": cluster, "RestoreType": "copy-on-write", "UseLatestRestorableTime": True,
            **own})
        yield "# if that is refused:"
        yield Command(at, "rds", "CreateDBClusterSnapshot", {
            "DBClusterIdentifier": cluster, "DBClusterSnapshotIdentifier": snapshot})
        yield Command(at, "rds", "RestoreDBClusterFromSnapshot", {
            "SnapshotIdentifier": snapshot, "Engine": ENGINE, "EngineVersion": run.settings.database.engine_version,
            **own})
        yield "# once the cluster is available:"
        yield Command(at, "rds", "CreateDBInstance", {
            "DBInstanceIdentifier": run.name("aurora", f"{copy.label}-instance", at), "DBClusterIdentifier": name,
            "Engine": ENGINE, "DBInstanceClass": run.settings.database.instance_class})


@dataclass(frozen=True, eq=False)
class RemoveCopy(Action):
    """Everything of a copy is removed, dependents first: what this drill made, or what one that died has left."""

    copy: TemporaryCopy
    #: Whether it is removed before a new one is made.
    leftovers: bool = False
    why = "a copy costs money and holds patients' data; a drill leaves neither"
    typical_minutes = 20.0
    if_stuck = "the same drill again removes it first; drctl teardown removes it too"
    phase: ClassVar[str] = "remove"

    @property
    def title(self) -> str:
        return f"remove {'what an earlier drill left' if self.leftovers else 'the copy'} in {self.copy.site.region}"

    @property
    def region(self) -> str:
        return self.copy.site.region

    def do(self, run: Run) -> None:
        began = run.clock.now()
        outcomes = runner.destroy(run, self.copy.steps)
        removed = [outcome.step.key for outcome in outcomes if outcome.result == "removed"]
        if self.leftovers:
            if removed:
                run.say(f"an earlier drill did not come to its end: {len(removed)} parts of its copy are removed")
            return
        run.measure("removal_minutes", round((run.clock.now() - began) / 60, 1), "min")

    def by_hand(self, run: Run) -> Iterable[Command | str]:
        at, label = self.region, self.copy.label
        for code in ("app", "probe"):
            yield Command(at, "lambda_", "DeleteFunction", {"FunctionName": run.name("lambda", f"{label}-{code}", at)})
        yield Command(at, "rds", "DeleteDBInstance", {
            "DBInstanceIdentifier": run.name("aurora", f"{label}-instance", at), "SkipFinalSnapshot": True})
        yield Command(at, "rds", "DeleteDBCluster", {
            "DBClusterIdentifier": run.name("aurora", label, at), "SkipFinalSnapshot": True})
        yield Command(at, "rds", "DeleteDBClusterSnapshot", {
            "DBClusterSnapshotIdentifier": run.name("snapshot", label, at)})
        yield f"# then the endpoint {run.name('ec2', f'{label}-endpoint', at)}, and, once Lambda's interfaces are gone,"
        yield f"# the groups {run.name('security-group', f'{label}-…', at)} and the roles {run.name('iam', label, at)}"


@dataclass(frozen=True, eq=False)
class ProveRemoved(Action):
    """Nothing of the copy stands in either region; ChecksFailed with the list otherwise."""

    label: str
    why = "a delete that was accepted is not yet a thing that is gone"
    typical_minutes = 0.5
    if_stuck = "the same drill again removes it first; drctl teardown removes it too"
    phase: ClassVar[str] = "inventory"

    @property
    def title(self) -> str:
        return "prove that nothing of the copy is left"

    def do(self, run: Run) -> None:
        left = copy_inventory(run, self.label)
        for _ in range(3):
            if not left:
                break
            run.clock.sleep(minutes(1))  # listings lag behind deletes
            left = copy_inventory(run, self.label)
        lines = tuple(f"{one.kind} {one.id} ({one.region})" for one in left)
        run.measure("copy_left", list(lines))
        if lines:
            raise ChecksFailed(f"{len(lines)} part(s) of the copy are left", findings=lines, next_step=self.if_stuck)

    def by_hand(self, run: Run) -> Iterable[Command | str]:
        for site in run.settings.sites:
            yield Command(site.region, "rds", "DescribeDBClusters")
            yield Command(site.region, "lambda_", "ListFunctions")


def probe_command(run: Run, site: Site, label: str, payload: str) -> Command:
    """An invocation of one of our functions as a person types it."""
    return Command(site.region, "lambda_", "Invoke", {
        "FunctionName": run.name("lambda", label, site), "Qualifier": "live", "Payload": payload.encode()})
