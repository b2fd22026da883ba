"""Brings a region that was lost back into the stack: it answers, its database is a connected copy, it has caught up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from drctl.actions.rescue import keep_by_hand
from drctl.actions.steady_state import lag_by_hand, replication_lag_s
from drctl.actions.switchover import anew
from drctl.actions.unused import ProveUnused
from drctl.aws.commands import Command
from drctl.aws.errors import AwsError, is_gone
from drctl.engine import runner
from drctl.engine.looks import Unanswered, look_all
from drctl.engine.run import Run
from drctl.engine.runbook import Action, Change
from drctl.engine.waiting import minutes
from drctl.errors import Refused, WaitTimeout
from drctl.settings import Site
from drctl.steps.control_bucket import CONTROL
from drctl.steps.database_instances import DatabaseInstances
from drctl.steps.global_cluster import GlobalCluster, GlobalClusterOut
from drctl.steps.rescue_snapshot import RescueSnapshots, last_name

#: Real seconds for one look at a region that may hang.
LOOK_S = 6.0
#: AWS seconds that are waited for a region before the operator is told to come back later.
BACK_WITHIN = minutes(60)
#: Aurora adds the old primary again by itself, in minutes to several hours (Aurora User Guide, "Recovering an Amazon
#: Aurora global database from an unplanned outage").
MEMBER_WITHIN, CONNECTED_WITHIN = minutes(60), minutes(12 * 60)
#: The same where a rebuild was asked for: somebody has seen that the cluster stands outside, and an hour more of a
#: single region is a risk of its own. Some minutes, for a region that has only just returned may be about to add it.
REBUILT_AFTER = minutes(5)


@dataclass(frozen=True, eq=False)
class AwaitRegion(Action):
    """The region answers: its database's, its storage's and its functions' API."""

    site: Site
    why = "a region comes back service by service; nothing is begun before what is needed answers"
    typical_minutes = 1.0
    if_stuck = "the AWS Health Dashboard; drctl failback again later"
    phase: ClassVar[str] = "prepare"

    @property
    def title(self) -> str:
        return f"wait until {self.site.region} answers"

    @property
    def region(self) -> str:
        return self.site.region

    def by_hand(self, run: Run) -> Iterable[Command]:
        at, cluster = self.site.region, run.name("aurora", "cluster", self.site)
        yield Command(at, "rds", "DescribeDBClusters", {"DBClusterIdentifier": cluster})
        yield Command(at, "s3", "ListObjectsV2", {"Bucket": run.name("s3", CONTROL, self.site), "MaxKeys": 1})
        yield Command(at, "lambda_", "GetFunctionConcurrency", {"FunctionName": run.name("lambda", "app", self.site)})

    def do(self, run: Run) -> None:
        looks = {call.service: partial(_answers, run, call) for call in self.by_hand(run)}
        run.wait_until(f"{self.site.region} answers", lambda: look_all(looks, LOOK_S),
                       lambda seen: not any(isinstance(one, Unanswered) for one in seen.values()), within=BACK_WITHIN,
                       every=30, show=_who_is_silent)


def _answers(run: Run, call: Command) -> str:
    """Any answer of the service shows that it is there: that something does not stand is one too."""
    try:
        call.send(run.aws)
    except AwsError as error:
        if not is_gone(error):
            raise
    return "answers"


def _who_is_silent(seen: dict[str, Any]) -> str:
    silent = [f"{name.rstrip('_')}: {one.why}" for name, one in seen.items() if isinstance(one, Unanswered)]
    return "; ".join(silent) or "all answer"


@dataclass(frozen=True, eq=False)
class Rejoin(Change):
    """The cluster in `site` is a connected member: Aurora adds it again by itself; where it does not, it is rebuilt."""

    global_cluster: GlobalCluster
    instances: DatabaseInstances
    site: Site
    #: What is looked at again right before a cluster is deleted.
    unused: ProveUnused
    #: Whether a cluster that stands outside may be deleted, after a last snapshot, and made anew.
    rebuild: bool = False
    #: Where what Aurora has saved of the cluster's lost tail is kept.
    rescue: RescueSnapshots | None = None
    why = "only a connected copy can become the writer without loss"
    typical_minutes = 15.0
    if_stuck = "aws rds describe-global-clusters shows SynchronizationStatus; Aurora may take hours"
    phase: ClassVar[str] = "prepare"

    @property
    def title(self) -> str:
        return f"the database in {self.site.region} is a connected copy"

    @property
    def region(self) -> str:
        return self.site.region

    def by_hand(self, run: Run) -> Iterable[Command | str]:
        yield Command(self.site.region, "rds", "DescribeGlobalClusters", {
            "GlobalClusterIdentifier": self.global_cluster.name(run)})
        if self.rescue is not None:
            yield from keep_by_hand(run, self.rescue)

    def done(self, run: Run) -> bool:
        return _is_connected(anew(run, self.global_cluster), self.site)

    def do(self, run: Run) -> None:
        try:
            run.wait_until(f"Aurora has added the cluster in {self.site.region} again", partial(
                anew, run, self.global_cluster), lambda seen: seen.member(self.site.region) is not None,
                within=REBUILT_AFTER if self.rebuild else MEMBER_WITHIN, every=30)
        except WaitTimeout:
            self._keep_the_tail(run)
            self._rebuild(run)
        else:
            self._keep_the_tail(run)
        run.wait_until(f"the copy in {self.site.region} is connected", partial(anew, run, self.global_cluster),
                       lambda seen: _is_connected(seen, self.site), within=CONNECTED_WITHIN, every=30)

    def _keep_the_tail(self, run: Run) -> None:
        """Aurora saves it before it adds the cluster again. It expires, which the wait for a connected copy can take
        longer than, and it goes with a cluster that is deleted."""
        if self.rescue is not None:
            self.rescue.keep(run)

    def _rebuild(self, run: Run) -> None:
        """What stands alone keeps writes that exist nowhere else, so it goes only when somebody said so."""
        cluster = self.instances.cluster
        if (stands := run.refresh(cluster)) is not None:
            self.unused.do(run)
            if not self.rebuild:
                raise Refused(f"the cluster in {self.site.region} stands outside the global database; a cluster can "
                              "join only when it is made", next_step="drctl failback --rebuild: keeps a last snapshot "
                              "of it and makes it anew from the writer")
            self.instances.remove_alone(run)
            cluster.remove_alone(run, last_name(run, self.site, stands.resource_id))
        runner.build(run, (cluster, self.instances))


def _is_connected(seen: GlobalClusterOut, site: Site) -> bool:
    member = seen.member(site.region)
    return member is not None and (member.is_writer or member.synchronization == "connected")


@dataclass(frozen=True, eq=False)
class CatchUp(Action):
    """The copy in `site` lags by no more than the alarm on it allows."""

    site: Site
    why = "a switchover waits for the copy with writes stopped: the less it lags, the shorter"
    typical_minutes = 0.5
    if_stuck = "look at the load of both clusters; AuroraGlobalDBRPOLag in CloudWatch"
    phase: ClassVar[str] = "prepare"

    @property
    def title(self) -> str:
        return f"the copy in {self.site.region} has caught up"

    @property
    def region(self) -> str:
        return self.site.region

    def by_hand(self, run: Run) -> Iterable[Command]:
        yield lag_by_hand(run, self.site)

    def do(self, run: Run) -> None:
        most = run.settings.alarms.replication_lag_s
        run.wait_until(f"the lag of {self.site.region} is below {most:g} s", lambda: replication_lag_s(run, self.site),
                       lambda lag: lag is not None and lag <= most, within=minutes(120), every=15,
                       show=lambda lag: "no data yet" if lag is None else f"{lag:.1f} s")
