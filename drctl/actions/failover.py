"""Failover: the unplanned change of the writer, with the loss of what was not replicated (Aurora User Guide,
"Recovering an Amazon Aurora global database from an unplanned outage").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from drctl.actions.switchover import (
    TAKEN,
    WITHIN,
    anew,
    change_roles,
    cluster_arn,
    current,
    is_settled_at,
    is_unseen,
)
from drctl.aws.commands import Command
from drctl.engine.run import Run
from drctl.engine.runbook import Change
from drctl.errors import Refused
from drctl.settings import Site
from drctl.steps.global_cluster import GlobalCluster

#: AWS seconds between two looks: users wait for what is seen late.
EVERY = 2.0


@dataclass(frozen=True, eq=False)
class Failover(Change):
    """Promote the cluster in `to`, whatever became of the writer; done when AWS shows it as the writer, at rest."""

    global_cluster: GlobalCluster
    to: Site
    why = "the writer is gone: the other region's copy becomes the writer as it is, with its lag as the loss"
    typical_minutes = 2.0
    if_stuck = ("aws rds describe-global-clusters shows FailoverState, aws rds describe-events what holds it up; the "
                "same command goes on. Leave this region's cluster in the global database: taken out it serves, but "
                "the lost one is shown as the writer from then on, and it can join nothing again")
    phase: ClassVar[str] = "promote"

    @property
    def title(self) -> str:
        return f"fail the database over to {self.to.region}, accepting data loss"

    @property
    def region(self) -> str:
        return self.to.region

    def by_hand(self, run: Run) -> Iterable[Command]:
        yield self._command(run)
        yield Command(self.to.region, "rds", "DescribeGlobalClusters", {
            "GlobalClusterIdentifier": self.global_cluster.name(run)})

    def _command(self, run: Run) -> Command:
        """The call belongs to the region of the cluster that is promoted (Aurora User Guide); without AllowDataLoss
        it would be a switchover, which needs the lost region."""
        return Command(self.to.region, "rds", "FailoverGlobalCluster", {
            "GlobalClusterIdentifier": self.global_cluster.name(run),
            "TargetDbClusterIdentifier": cluster_arn(run, self.to), "AllowDataLoss": True})

    def done(self, run: Run) -> bool:
        now = anew(run, self.global_cluster)
        return is_settled_at(now, self.to) and not is_unseen(run, now)

    def do(self, run: Run) -> None:
        """What is under way, a switchover that lost its primary, ends or is cancelled by Aurora: asked until then."""
        now = current(run, self.global_cluster)  # as `done` has just seen it
        if now.member(self.to.region) is None:
            raise Refused(f"the global database has no member in {self.to.region}", next_step="drctl provision")
        if now.writer != self.to.region:
            run.wait_until("the global database takes the failover", partial(self._call_unless_there, run),
                           lambda answer: answer == TAKEN, within=WITHIN, every=EVERY)
        run.wait_until(f"the writer is in {self.to.region}", partial(anew, run, self.global_cluster),
                       lambda seen: is_settled_at(seen, self.to), within=WITHIN, every=EVERY)

    def _call_unless_there(self, run: Run) -> str:
        """AWS's answer. Busy may mean that this very failover is under way: then the writer moves while the call is
        repeated."""
        if run.roles_asked is not None and anew(run, self.global_cluster).writer == self.to.region:
            return TAKEN
        run.roles_asked = (run.clock.now(), current(run, self.global_cluster).writer)
        return change_roles(run, self._command(run), self.global_cluster, self.to)
