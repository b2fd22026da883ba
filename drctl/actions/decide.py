"""The decision before an unplanned failover: what is alive, what would be lost, what speaks against it.

Every look is bounded: those at the surviving region are waited for some seconds, those at the lost one only as long as
nobody has to wait for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from drctl.actions import probe
from drctl.actions.aftermath import Aftermath, aftermath_in
from drctl.actions.dns_switch import sent_by_name
from drctl.actions.picture import LOST_PROBE, Picture, View
from drctl.actions.steady_state import Lag, instances, lag_by_hand, replication_lag
from drctl.actions.switchover import anew
from drctl.aws.commands import Command
from drctl.engine.looks import Answers, Unanswered, look_all
from drctl.engine.run import OUTAGE_BEGAN, Run
from drctl.engine.runbook import Action
from drctl.errors import Refused
from drctl.settings import Site
from drctl.steps.balancer import Balancer
from drctl.steps.global_cluster import GlobalCluster

#: Real seconds that looks at the surviving region may take.
LOOK_S = 6.0
#: Real seconds that reading the note of an earlier run may take.
NOTE_S = 1.0


@dataclass(frozen=True)
class Terms:
    """What the operator has said: the bound in seconds, and why it is to be done although a guard speaks against it."""

    allowed_loss_s: float | None = None
    force: str = ""


@dataclass(frozen=True, eq=False)
class Decide(Action):
    """The gate of an unplanned failover; Refused when it must not be, or nobody has said what may be lost."""

    global_cluster: GlobalCluster
    balancer: Balancer
    source: Site
    to: Site
    terms: Terms = Terms()
    #: Minutes that failovers of this stack have taken, None when there was none.
    usual_minutes: float | None = None
    #: Shows the picture to whoever decides, and, when nothing speaks against it, has it confirmed and tells how.
    show: Callable[[Picture], None] = lambda _: None
    confirm: Callable[[Picture], str] = lambda _: ""
    #: Real seconds that are waited for the lost region once the surviving one has answered.
    grace_s: float = 0.0
    #: Whether a failover to `to` was begun before and is gone on with; asked only where its database writes already.
    goes_on: Callable[[], bool] = lambda: True
    decides: ClassVar[bool] = True
    why = "an unplanned failover loses what was not replicated: somebody has to have seen how much, and said yes"
    typical_minutes = 1.0
    if_stuck = "what could not be seen is shown as such; --force 'REASON' goes on without having seen it"
    phase: ClassVar[str] = "decide"

    @property
    def title(self) -> str:
        return f"decide on the failover from {self.source.region} to {self.to.region}"

    @property
    def region(self) -> str:
        return self.to.region

    def by_hand(self, run: Run) -> Iterable[Command]:
        cluster = run.name("aurora", "cluster", self.to)
        yield Command(self.to.region, "rds", "DescribeGlobalClusters", {
            "GlobalClusterIdentifier": self.global_cluster.name(run)})
        yield Command(self.to.region, "rds", "DescribeDBInstances", {
            "Filters": [{"Name": "db-cluster-id", "Values": [cluster]}]})
        yield lag_by_hand(run, self.to)
        yield probe.invocation(run, self.to, "probe", {"action": "health"})

    def do(self, run: Run) -> None:
        picture = self.picture(run)
        run.events.emit("decision", picture=asdict(picture), allowed_loss_s=self.terms.allowed_loss_s,
                        force=self.terms.force)
        self.show(picture)
        if refusals := tuple(self._refusals(picture)):
            for text in refusals:
                run.events.emit("finding", text=text)
            raise Refused(f"no failover to {self.to.region}: {refusals[0]}; nothing was changed", findings=refusals[1:],
                          next_step=_next_step(picture, self.terms))
        run.events.emit("approved", approval=self.confirm(picture))
        if picture.promoted:
            self._recall(run)
        elif picture.lag is not None:
            self._date(run, picture.lag)

    def _date(self, run: Run, lag: Lag) -> None:
        """The outage begins where the lag reaches back to from when it was measured, however long ago that was: a
        metric that ended with the lost region says nothing of the minutes since."""
        run.measure("lag_s", round(lag.seconds, 1), "s")
        if lag.is_old:
            run.measure("lag_age_s", round(lag.age_s), "s")
        began = round(lag.reaches_back_to(run), 3)
        run.measure(OUTAGE_BEGAN, run.measures.get(OUTAGE_BEGAN, began), "seconds since 1970")

    def _recall(self, run: Run) -> None:
        """What was known when it was decided, as the run that promoted has noted it; nobody waits long for the note."""
        note = look_all({"note": lambda: aftermath_in(run, self.to)}, NOTE_S)["note"]
        if isinstance(note, Aftermath) and note.lost == self.source.region:
            for name, value in (("lag_s", note.lag_s), (OUTAGE_BEGAN, note.outage_began)):
                if value is not None and name not in run.measures:
                    run.measure(name, value)

    # The picture -------------------------------------------------------------------------------------------------

    def picture(self, run: Run) -> Picture:
        """Look at both regions at once."""
        here = {"database": lambda: anew(run, self.global_cluster), "instances": lambda: [*instances(run, self.to)],
                "lag": lambda: replication_lag(run, self.to), "probe": lambda: _health(run, self.to),
                "dns": lambda: sent_by_name(run, self.balancer)}
        there = self._looks_at_the_lost(run)
        seen = look_all({**here, **there}, LOOK_S, needed=tuple(here), grace_s=self.grace_s)
        if run.aside is not None:  # what the service that stops the app has answered, not another one
            run.aside.answers = not isinstance(seen[LOST_PROBE], Unanswered)
        return self._judge(seen)

    def _looks_at_the_lost(self, run: Run) -> dict[str, Callable[[], Any]]:
        if run.aside is None:
            return {}
        there = run.aside.aws
        cluster = Command(self.source.region, "rds", "DescribeDBClusters", {
            "DBClusterIdentifier": run.name("aurora", "cluster", self.source)})
        call = probe.invocation(run, self.source, "probe", {"action": "health"})
        return {"lost database": lambda: cluster.send(there)["DBClusters"][0]["Status"],
                LOST_PROBE: lambda: probe.told(run, self.source, "probe", call.send(there))}

    def _judge(self, seen: Answers) -> Picture:
        return View(self.source, self.to, self.usual_minutes, self.goes_on).picture(seen)

    # Refusals ----------------------------------------------------------------------------------------------------

    def _refusals(self, picture: Picture) -> Iterable[str]:
        yield from picture.blockers
        if picture.promoted:
            return
        bound = self.terms.allowed_loss_s
        if bound is None:
            yield "nobody has said how much data may be lost"
        if self.terms.force:
            return
        yield from picture.unseen
        if picture.word == "switchover":
            yield picture.because
        if bound is not None and picture.lag_s is None:
            yield "the replication lag is not known, so the loss may be larger than the bound"
        if bound is not None and picture.lag_s is not None and picture.lag_s > bound:
            yield f"the newest known lag is {picture.lag_s:.1f} s, over the bound of {bound:g} s"


def _next_step(picture: Picture, terms: Terms) -> str:
    if picture.promoted:
        return f"drctl status; drctl failover without --to leaves {picture.to}"
    if picture.blockers:
        return "drctl status; the same command again once that is mended"
    if picture.word == "switchover":
        bound = "" if terms.allowed_loss_s is not None else "--allow-data-loss 60s and "
        return f"drctl failover --planned; or the same command with {bound}--force 'REASON'"
    if terms.allowed_loss_s is None:
        return f"the same command with --allow-data-loss {_bound_for(picture.lag_s)}, if the business accepts that"
    if picture.unseen:
        return "the same command again; or with --force 'REASON', which goes into the report"
    return "a larger --allow-data-loss, or --force 'REASON', which goes into the report"


def _bound_for(lag_s: float | None) -> str:
    """A bound that the lag is within: in whole minutes, for it may have grown by the time that it is said."""
    return "60s" if lag_s is None or lag_s <= 50 else f"{math.ceil(lag_s / 60) + 1}m"


def _health(run: Run, site: Site) -> dict[str, Any]:
    return probe.ask(run, site, action="health")
