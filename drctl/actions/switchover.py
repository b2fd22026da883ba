"""Switchover: the planned change of the writer to the other region, without loss (Aurora User Guide, "Using switchover
or failover in Amazon Aurora Global Database").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from drctl.aws.errors import AwsError, Refusal, is_one_of
from drctl.engine.run import Run
from drctl.engine.runbook import Action
from drctl.engine.waiting import minutes
from drctl.errors import Refused
from drctl.settings import Site
from drctl.steps.global_cluster import GlobalCluster, GlobalClusterOut

#: A switchover takes one to two minutes; under load and lag it may take up to an hour (field guides allow 60 min).
WITHIN = minutes(60)
#: Answers that mean that a change of the writer is under way already: join its wait.
UNDER_WAY = (Refusal("InvalidGlobalClusterStateFault"),)


@dataclass(frozen=True, eq=False)
class Switchover(Action):
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

    def done(self, run: Run) -> bool:
        return is_settled_at(current(run, self.global_cluster), self.to)

    def do(self, run: Run) -> None:
        now = current(run, self.global_cluster)
        target = member_in(now, self.to)
        writer = now.writer
        if writer != target:
            # The API wants the region of the current primary.
            rds = run.at(region_of(writer) if writer else self.to.region).rds
            try:
                rds.switchover_global_cluster(GlobalClusterIdentifier=now.id, TargetDbClusterIdentifier=target)
            except AwsError as error:
                if not is_one_of(error, *UNDER_WAY):
                    raise
        wait_for_writer(run, self.global_cluster, self.to)


def wait_for_writer(run: Run, global_cluster: GlobalCluster, to: Site) -> None:
    """Wait for the target itself: right after the call the old roles are still shown with nothing under way."""
    run.wait_until(f"the writer is in {to.region}", lambda: current(run, global_cluster),
                   lambda seen: is_settled_at(seen, to), within=WITHIN, every=5.0,
                   show=lambda seen: f"{seen.status}, writer in {region_of(seen.writer) if seen.writer else 'neither'}")


def current(run: Run, global_cluster: GlobalCluster) -> GlobalClusterOut:
    """The global cluster as AWS shows it now."""
    out = global_cluster.find(run)
    if out is None:
        raise Refused("there is no global database", next_step="drctl provision")
    return out


def is_settled_at(out: GlobalClusterOut, site: Site) -> bool:
    """Whether the writer is in `site` and nothing is changing."""
    return out.writer is not None and region_of(out.writer) == site.region and out.status == "available" \
        and not out.changing


def member_in(out: GlobalClusterOut, site: Site) -> str:
    """ARN of the member in a region; Refused when there is none."""
    for member in out.members:
        if member.region == site.region:
            return member.arn
    raise Refused(f"the global database has no member in {site.region}", next_step="drctl provision")


def region_of(arn: str) -> str:
    """The region in an ARN."""
    return arn.split(":")[3]


def active_site(run: Run, global_cluster: GlobalCluster) -> Site | None:
    """The region that holds the writer now, as AWS shows it; None without a database."""
    out = global_cluster.find(run)
    if out is None or out.writer is None:
        return None
    return next((site for site in run.settings.sites if site.region == region_of(out.writer)), None)
