"""Measures an unplanned failover on real writes: from the outage to the first acknowledged write and the name's answer.

The old region cannot be asked what it acknowledged last. The newest known replication lag tells instead: what the lost
region wrote after that moment is not here. It is an upper bound of the loss, and said to be one.
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
from drctl.actions.heartbeats import Heart, play_beating
from drctl.actions.probe import Ask
from drctl.actions.switchover import is_settled_at
from drctl.aws.errors import AwsError
from drctl.engine.run import OUTAGE_BEGAN, Run
from drctl.engine.runbook import Action
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
        heart = Heart(run, f"{run.id}-there", (self.target,), self.ask)
        decided, served = run.clock.now(), self.served(run)
        ended = play_beating(run, heart, self.lines, self.target)
        if served:
            run.measure(SERVED_BEFORE, served)
            run.say(f"nothing was left to be done: users were served in {self.target.region} before this run, so it "
                    "has measured no recovery time")
            return
        self._measure(run, heart, decided, ended)

    def _measure(self, run: Run, heart: Heart, decided: float, ended: float) -> None:
        first = heart.first_in(self.target)
        if first is None:
            raise DrctlError("no heartbeat was acknowledged; nothing can be measured")
        served = max(first.at, ended)
        began = run.measures.get(OUTAGE_BEGAN)
        figures = {"execution_rto_s": served - decided, "decide_s": decided}
        if began is not None:
            outage = run.clock.now() - (time.time() - began) * run.clock.speed  # on this run's clock; mostly negative
            figures |= {"rto_s": served - outage, "detect_s": max(0.0, -outage)}
            run.measure("rto_from", "the newest known replication lag when the failover was decided, from when it was "
                                    "measured: an upper bound of the RTO")
        if (lag := run.measures.get("lag_s")) is not None:
            figures |= {"rpo_s": lag}
            age_s = run.measures.get("lag_age_s")
            run.measure("rpo_from", "the newest known replication lag: an upper bound of the loss" if age_s is None else
                        f"the newest known replication lag, {age_s / 60:.0f} min old when it was decided: an upper "
                        "bound of the loss if the region was lost then")
        for name, value in figures.items():
            run.measure(name, round(value, 1))
