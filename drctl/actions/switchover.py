"""Switchover: the planned change of the writer to the other region, without loss (Aurora User Guide, "Using switchover
or failover in Amazon Aurora Global Database").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from drctl.aws.commands import Command
from drctl.aws.errors import AwsError, Refusal, code_of, is_one_of, message_of
from drctl.engine.run import Run
from drctl.engine.runbook import Change
from drctl.engine.waiting import minutes
from drctl.errors import Refused
from drctl.settings import Site
from drctl.steps.cluster_state import dead_end
from drctl.steps.global_cluster import GlobalCluster, GlobalClusterOut

#: A switchover takes one to two minutes; under load and lag it may take up to an hour (field guides allow 60 min).
WITHIN = minutes(60)
#: AWS seconds in which AWS may still show the old roles with nothing under way after a change was asked for; the API
#: reference gives no time, a minute is far over what was seen.
UNSEEN_WITHIN = minutes(1)
#: The answer of a global cluster that is busy, and how often it is asked again once it is at rest.
BUSY, CALLS = (Refusal("InvalidGlobalClusterStateFault"),), 3
#: The answer where the target is the writer, or cannot become it: now, or at all.
NO_TARGET = Refusal("InvalidDBClusterStateFault")
#: What a call comes to that need not be repeated.
TAKEN = "taken"


@dataclass(frozen=True, eq=False)
class Switchover(Change):
    """Make the cluster in `to` the writer; done when AWS shows it as such and nothing is under way."""

    global_cluster: GlobalCluster
    to: Site
    why = "writes stop, the standby catches up, then it becomes the writer: nothing is lost"
    typical_minutes = 1.5
    if_stuck = "aws rds describe-global-clusters shows FailoverState; it ends or is cancelled by itself"
    phase: ClassVar[str] = "promote"

    @property
    def title(self) -> str:
        return f"switch the database over to {self.to.region}"

    @property
    def region(self) -> str:
        return self.to.region

    def by_hand(self, run: Run) -> Iterable[Command]:
        """To be sent in the region of the current writer, which without asking is taken for the other one."""
        yield self._command(run.settings.other(self.to).region, self.global_cluster.name(run),
                            cluster_arn(run, self.to))
        yield Command(self.to.region, "rds", "DescribeGlobalClusters", {
            "GlobalClusterIdentifier": self.global_cluster.name(run)})

    @staticmethod
    def _command(writer: str, global_id: str, target: str) -> Command:
        return Command(writer, "rds", "SwitchoverGlobalCluster", {
            "GlobalClusterIdentifier": global_id, "TargetDbClusterIdentifier": target})

    def done(self, run: Run) -> bool:
        run.forget(self.global_cluster)
        now = current(run, self.global_cluster)
        return is_settled_at(now, self.to) and not is_unseen(run, now)

    def do(self, run: Run) -> None:
        """What is under way, also the other way round, comes to its end first: a switchover cannot be called off."""
        now = current(run, self.global_cluster)  # as `done` has just seen it
        if not now.at_rest or is_unseen(run, now):
            now = wait_for_rest(run, self.global_cluster)
        for _ in range(CALLS):
            if now.writer == self.to.region or self._call(run, now):
                break
            wait_for_cluster(run, self.to)
            now = wait_for_rest(run, self.global_cluster)
        wait_for_writer(run, self.global_cluster, self.to)

    def _call(self, run: Run, now: GlobalClusterOut) -> bool:
        """Whether AWS took the call, which belongs to the region of the current primary (Aurora User Guide).

        Busy may mean that this very change is under way, after an answer that was lost, or that something else is.
        """
        target = now.member(self.to.region)
        if target is None:
            raise Refused(f"the global database has no member in {self.to.region}", next_step="drctl provision")
        run.roles_asked = (run.clock.now(), now.writer)  # before the call leaves: its answer can be lost
        call = self._command(now.writer or self.to.region, now.id, target.arn)
        return change_roles(run, call, self.global_cluster, self.to) == TAKEN


def cluster_arn(run: Run, site: Site) -> str:
    """ARN of the stack's cluster in a region, known without asking."""
    return f"arn:aws:rds:{site.region}:{run.settings.account_id}:cluster:{run.name('aurora', 'cluster', site)}"


def change_roles(run: Run, call: Command, global_cluster: GlobalCluster, to: Site) -> str:
    """Make the call: TAKEN, also where the target writes by now, or AWS's answer that something is in its way which
    passes, so that it has to be made again. Any other answer is raised."""
    try:
        return _change_roles(run, call, global_cluster, to)
    except AwsError as error:
        if not is_one_of(error, NO_TARGET):
            raise
    # What was in its way may have passed between that answer and the look at it: it is believed the second time.
    return _change_roles(run, call, global_cluster, to)


def _change_roles(run: Run, call: Command, global_cluster: GlobalCluster, to: Site) -> str:
    try:
        call.send(run.aws)
    except AwsError as error:
        if _is_in_the_way(run, global_cluster, to, error):
            return f"{code_of(error)}: {message_of(error)}"
    return TAKEN


def _is_in_the_way(run: Run, global_cluster: GlobalCluster, to: Site, error: Exception) -> bool:
    """Whether it is something that passes; not when the target writes by now. Raises `error` when it is neither.

    AWS does not say which of the two errors it answers while it promotes the target's cluster (RDS API Reference,
    FailoverGlobalCluster).
    """
    if is_one_of(error, *BUSY):
        return True
    if not is_one_of(error, NO_TARGET):
        raise error
    now = anew(run, global_cluster)
    if now.writer == to.region:
        return False
    if now.at_rest and not _is_passing(cluster_status(run, to)):
        raise error
    return True


def _is_passing(status: str) -> bool:
    return status != "available" and dead_end(status) is None


def cluster_status(run: Run, site: Site) -> str:
    """How the cluster in a region stands by itself."""
    return str(run.at(site).rds.describe_db_clusters(
        DBClusterIdentifier=run.name("aurora", "cluster", site))["DBClusters"][0]["Status"])


def wait_for_cluster(run: Run, site: Site) -> None:
    """Wait until the cluster in a region is available."""
    run.wait_until(f"the cluster in {site.region} is available", partial(cluster_status, run, site),
                   lambda status: status == "available", within=WITHIN, every=5.0, failed=dead_end)


def wait_for_writer(run: Run, global_cluster: GlobalCluster, to: Site) -> None:
    """Wait for the target itself: right after the call the old roles are still shown with nothing under way."""
    run.wait_until(f"the writer is in {to.region}", partial(anew, run, global_cluster),
                   lambda seen: is_settled_at(seen, to), within=WITHIN, every=5.0)


def wait_for_rest(run: Run, global_cluster: GlobalCluster) -> GlobalClusterOut:
    """Wait until nothing is under way, and what this run has asked for has been seen."""
    return run.wait_until("the global database is at rest", partial(anew, run, global_cluster),
                          lambda seen: seen.at_rest and not is_unseen(run, seen), within=WITHIN, every=5.0)


def is_unseen(run: Run, seen: GlobalClusterOut) -> bool:
    """Whether a change of the writer that this run has asked for may be under way without being shown yet."""
    if run.roles_asked is None:
        return False
    asked_at, old_writer = run.roles_asked
    return seen.at_rest and seen.writer == old_writer and run.clock.now() - asked_at < UNSEEN_WITHIN


def anew(run: Run, global_cluster: GlobalCluster) -> GlobalClusterOut:
    """The global cluster as AWS shows it now."""
    run.forget(global_cluster)
    return current(run, global_cluster)


def current(run: Run, global_cluster: GlobalCluster) -> GlobalClusterOut:
    """The global cluster as this run has last seen it; Refused when there is none."""
    out = run.found(global_cluster)
    if out is None:
        raise Refused("there is no global database", next_step="drctl provision")
    return out


def is_settled_at(out: GlobalClusterOut, site: Site) -> bool:
    """Whether the writer is in `site` and nothing is changing."""
    return out.writer == site.region and out.at_rest


def active_site(run: Run, global_cluster: GlobalCluster) -> Site | None:
    """The region that holds the writer, as AWS shows it; None without a database."""
    out = run.found(global_cluster)
    return None if out is None else next((site for site in run.settings.sites if site.region == out.writer), None)
