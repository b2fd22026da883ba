"""Measures an unplanned failover on real writes: from the outage to the first acknowledged write and the name's answer.

The old region cannot be asked what it acknowledged last. Clients that wrote through the users' name before the outage
know it; only a lab has them. Without them the newest known replication lag tells: what the lost region wrote after that
moment is not here. It is an upper bound of the loss, and said to be one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import ClassVar

from drctl.actions import probe
from drctl.actions.dns_switch import is_turned, sent_by_name
from drctl.actions.fencing import is_fenced
from drctl.actions.heartbeats import Heart, first_write, measure_writes, play_witnessed
from drctl.actions.probe import Ask
from drctl.actions.switchover import is_settled_at
from drctl.aws.errors import AwsError
from drctl.engine.run import OUTAGE_BEGAN, Run
from drctl.engine.runbook import Action
from drctl.engine.witness import Gap, Witness, last_in
from drctl.errors import DrctlError
from drctl.settings import Site
from drctl.steps.balancer import Balancer
from drctl.steps.global_cluster import GlobalCluster
from drctl.steps.switch_bucket import SwitchBucket

#: Measure of a run that had nothing to measure: users were served before it.
SERVED_BEFORE = "served_before"


@dataclass(frozen=True)
class Served:
    """Whether users are served in a region by a failover that has ended: promoted, turned, not stopped, answered."""

    global_cluster: GlobalCluster
    switch: SwitchBucket
    balancer: Balancer

    def __call__(self, run: Run) -> bool:
        """What cannot be seen does not tell so. While the lost region is shown as the writer nothing more is asked."""
        site = self.switch.site
        with suppress(DrctlError, *AwsError):
            database = run.found(self.global_cluster)
            return (database is not None and is_settled_at(database, site) and is_turned(run, self.switch)
                    and not is_fenced(run, site) and sent_by_name(run, self.balancer).is_with_the_balancer)
        return False


def never(_: Run) -> bool:
    """For a run that goes on with another: users have waited for it, whatever that one had done."""
    return False


@dataclass(frozen=True, eq=False)
class UntilServed(Action):
    """Plays the lines of a failover while a write is tried in the new region once a second, and measures."""

    lines: tuple[Action, ...]
    source: Site
    target: Site
    ask: Ask = probe.ask
    #: Whether an earlier failover has done everything; looked at before the first line.
    served: Callable[[Run], bool] = never
    why = "the outage is over when a write is acknowledged and the name answers, not when a status says so"
    typical_minutes = 0.0
    if_stuck = "see the line that is not done"
    phase: ClassVar[str] = "measure"

    @property
    def title(self) -> str:
        return f"recover in {self.target.region}, trying to write"

    @property
    def parts(self) -> tuple[Action, ...]:
        return self.lines

    def with_parts(self, parts: tuple[Action, ...]) -> UntilServed:
        return replace(self, lines=parts)

    def do(self, run: Run) -> None:
        clients = run.clients if run.clients is not None and run.clients.saw_before else None
        witness = clients or Heart(run, f"{run.id}-there", (self.target,), self.ask)
        served = self.served(run)
        witness.begin()
        try:
            decided, ended = play_witnessed(run, witness, self.lines, self.target)
        finally:
            witness.end()
        if served:
            run.measure(SERVED_BEFORE, served)
            run.say(f"nothing was left to be done: users were served in {self.target.region} before this run, so it "
                    "has measured no recovery time")
            return
        self._measure(run, witness, decided, ended)

    def _measure(self, run: Run, witness: Witness, decided: float, ended: float) -> None:
        outage = _outage(run)
        # What a run goes on with may have served users already, but not before the outage.
        first = first_write(witness, self.target, decided if outage is None else min(outage, decided))
        last = last_in(self.source.region, witness.acknowledged(), first)
        if last is not None:
            outage = last.at
            run.measure("rto_from", "the last write that was acknowledged in the lost region")
            run.measure("rpo_from", "acknowledged writes that are not there any more, by number")
            measure_writes(run, witness, Gap(last, first))
        else:
            _measure_by_the_lag(run, outage)
        served = first.at if witness.by_name else max(first.at, ended)
        figures = {"execution_rto_s": max(0.0, served - decided), "decide_s": decided}
        if outage is not None:
            figures |= {"rto_s": served - outage, "detect_s": max(0.0, -outage)}
        for name, value in figures.items():
            run.measure(name, round(value, 1))


def _outage(run: Run) -> float | None:
    """When it began as far as the lag tells, on this run's clock; mostly negative."""
    began = run.measures.get(OUTAGE_BEGAN)
    return None if began is None else run.clock.now() - (time.time() - float(began)) * run.clock.speed


def _measure_by_the_lag(run: Run, outage: float | None) -> None:
    """What is known when nobody wrote before the outage and remembers it."""
    if outage is not None:
        run.measure("rto_from", "the newest known replication lag when the failover was decided, from when it was "
                                "measured: an upper bound of the RTO")
    lag, age_s = run.measures.get("lag_s"), run.measures.get("lag_age_s")
    if lag is not None:
        run.measure("rpo_s", round(lag, 1))
        run.measure("rpo_from", "the newest known replication lag: an upper bound of the loss" if age_s is None else
                    f"the newest known replication lag, {age_s / 60:.0f} min old when it was decided: an upper "
                    "bound of the loss if the region was lost then")
