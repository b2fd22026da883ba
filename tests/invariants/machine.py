"""Schedules: what befalls the stack and what operators do about it, drawn by hypothesis, watched after every step."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import hypothesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from drctl.lab import aurora, outages
from tests.invariants.desk import Desk, Disturbance, Process
from tests.invariants.latches import Latches
from tests.invariants.watch import Watch
from tests.invariants.world import REGIONS, World

SERVICES = ("", "", "s3", "rds", "lambda", "elbv2")
region, service, mode = st.sampled_from(REGIONS), st.sampled_from(SERVICES), st.sampled_from(("refuse", "error"))
#: A disk of memory, where there is one: journals are flushed at each change, and that is not what is tried out here.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  # a folder of its own is made in it
#: AWS seconds of sleep that outlast a lease.
OUTLASTING_S = 150.0
#: Steps of a schedule at most.
STEPS = 7
#: At which call, counted among those of the thread that plays the runbook; a planned failover makes about forty.
call = st.integers(1, 45)


class Schedule(RuleBasedStateMachine):
    """One schedule; the world is made once, and as new at the beginning of each."""

    world: ClassVar[World]
    desk_class: ClassVar[type[Desk]] = Desk

    def __init__(self) -> None:
        super().__init__()
        self.world.reset()
        self.folder = Path(tempfile.mkdtemp(prefix="schedule-", dir=MEMORY))
        self.desk = self.desk_class(self.world, self.folder)
        self.watch = Watch(self.world, self.desk)
        self.watch.begin()
        self.latches = Latches(self.world, self.watch.latched)
        self.latches.begin()
        self.world.on_role_change = self.watch.role_changed
        self.comes_home = False

    def come_home(self) -> None:
        """Once everything is well again an operator who does what drctl says brings the stack home."""
        outages.end()
        self.world.ill.clear()
        self.world.pass_time(1300)
        tried: list[Process] = []
        for _ in range(4):
            before = self.unfinished()
            if before is None or (tried and tried[-1].outcome == "refused"):
                tried.append(self.desk.go("failback"))
                if tried[-1].outcome == "done":
                    return
            else:
                tried.append(self._again(before, None))
        said = [f"{one.command}: {one.error} {getattr(one.error, 'findings', '')} next: "
                f"{getattr(one.error, 'next_step', '')}" for one in tried]
        self.watch.say(f"stuck: {' | '.join(said)}")

    def teardown(self) -> None:
        try:
            if self.comes_home and not self.watch.wrong:
                self.come_home()
                self.nothing_is_wrong()
        finally:
            self._end()

    def _end(self) -> None:
        self.world.on_role_change = lambda _: None
        shutil.rmtree(self.folder, ignore_errors=True)

    @initialize(order=st.permutations((0, 1, 2, 3)), comes_home=st.sampled_from((False, False, False, False, True)))
    def it_begins(self, order: list[int], comes_home: bool) -> None:
        """In which order those lines begin that run side by side, and whether somebody has to come home in the end."""
        self.desk.order, self.comes_home = tuple(order), comes_home

    @invariant()
    def nothing_is_wrong(self) -> None:
        assert not self.watch.wrong, "; ".join(self.watch.wrong)

    # What befalls the stack ------------------------------------------------------------------------------------------

    @rule(region=region, service=service, mode=mode)
    def outage(self, region: str, service: str, mode: str) -> None:
        outages.start(region, service, mode)
        self.world.pass_time(1)

    @rule(region=region)
    def a_region_is_back(self, region: str) -> None:
        outages.end(region)
        self.world.pass_time(1)

    @rule(seconds=st.sampled_from((0, 30, 150, 1100)))
    def all_is_well(self, seconds: float) -> None:
        outages.end()
        self.world.ill.clear()
        self.world.pass_time(seconds + 1)

    @rule(region=region)
    def the_app_falls_ill(self, region: str) -> None:
        self.world.ill.add(region)
        self.world.pass_time(1)

    @rule(seconds=st.sampled_from((0.08, 5.0, 40.0)))
    def the_copy_lags(self, seconds: float) -> None:
        aurora.set_lag_ms(seconds * 1000)

    @rule(seconds=st.sampled_from((20, 75, 150, 400, 1100)), provisions=st.sampled_from((False, False, False, True)))
    def time_passes(self, seconds: float, provisions: bool = False) -> None:
        """And somebody provisions, whose calls to Route 53 need its control plane: in an outage there are none."""
        if provisions and not outages.present():
            self.world.converge()
        self.world.pass_time(seconds)

    # What operators do -----------------------------------------------------------------------------------------------

    def go(self, command: str, trouble: tuple[int, str, Any] | None, **request: Any) -> None:
        self.desk.go(command, self._disturbance(trouble), **request)

    def _disturbance(self, trouble: tuple[int, str, Any] | None) -> Disturbance | None:
        if trouble is None:
            return None
        at, kind, more = trouble
        happens: dict[str, Callable[[], object]] = {
            "outage": lambda: self._happens(more), "other": lambda: self._other(more),
            "sleep": lambda: self._sleep(more), "asleep": lambda: self._sleep(OUTLASTING_S, more)}
        if kind in happens:
            return Disturbance(at, "do", lambda: (happens[kind](), None)[1], f"{kind} {more}")
        return Disturbance(at, kind)

    def _happens(self, place: tuple[str, str, str]) -> None:
        outages.start(*place)

    def _sleep(self, seconds: float, other: str = "") -> None:
        """The machine sleeps: time passes, and nothing of the process happens; somebody else may begin something."""
        process = self.desk.processes[-1]
        process.asleep = True
        self.world.pass_time(seconds)
        if other:
            self._other(other)
        process.asleep = False

    def _other(self, command: str) -> None:
        """Somebody else begins something, and is done before the first one's next call."""
        first = self.desk.processes[-1]
        request: dict[str, Any] = {"owner": "bob@home"}
        if command == "failover":
            request["bound"] = 60.0
        if command == "take-over":
            command, request = "failover", {"owner": "bob@home", "bound": 60.0, "take_over": first.owner_name,
                                            "force": "the first one is stuck"}
        self.desk.go(command, **request)

    troubles = st.one_of(
        st.none(),
        st.tuples(call, st.sampled_from(("kill-before", "kill-after", "lost-answer")), st.none()),
        st.tuples(call, st.just("outage"), st.tuples(region, service, mode)),
        st.tuples(call, st.just("other"), st.sampled_from(("planned", "drill", "failover", "failback", "take-over"))),
        st.tuples(call, st.just("asleep"), st.sampled_from(("planned", "failover", "failback"))),
        st.tuples(call, st.just("sleep"), st.sampled_from((60.0, OUTLASTING_S))))

    @rule(trouble=troubles)
    def planned_failover(self, trouble: Any) -> None:
        self.go("planned", trouble)

    @rule(trouble=troubles, stay=st.booleans())
    def drill(self, trouble: Any, stay: bool) -> None:
        self.go("drill", trouble, stay=stay)

    @rule(trouble=troubles, bound=st.sampled_from((1.0, 600.0)), force=st.sampled_from(("", "", "it must be")))
    def failover(self, trouble: Any, bound: float, force: str) -> None:
        self.go("failover", trouble, bound=bound, force=force)

    @rule(trouble=troubles)
    def failback(self, trouble: Any) -> None:
        self.go("failback", trouble)

    def unfinished(self) -> Process | None:
        """The newest run, if it stopped on its way."""
        newest = next((one for one in reversed(self.desk.processes) if one.outcome != "refused"), None)
        return newest if newest is not None and newest.outcome in {"killed", "failed"} else None

    def _again(self, before: Process, trouble: Any) -> Process:
        """`drctl resume` by somebody who knows that the owner is no more."""
        request = {key: value for key, value in before.request.items() if key not in {"take_over", "owner"}}
        return self.desk.go(before.command, self._disturbance(trouble), earlier=before, take_over=before.owner_name,
                            **request)

    @rule(trouble=troubles)
    def gone_on_with(self, trouble: Any) -> None:
        """Where nothing was left, somebody else makes sure of it."""
        if (before := self.unfinished()) is not None:
            self._again(before, trouble)
        else:
            self.go("failback", trouble, owner="bob@home")

    @rule(trouble=troubles)
    def escalated(self, trouble: Any) -> None:
        """A planned move that is stuck becomes an unplanned one; where none is, somebody else begins one."""
        before = self.unfinished()
        if before is not None and before.command in {"planned", "drill"} and before.from_region:
            self.go("failover", trouble, earlier=before, take_over=before.id, bound=600.0, force="it is stuck")
        else:
            self.go("failover", trouble, bound=600.0, force="", owner="bob@home")


@dataclass
class Searched:
    """How many schedules were begun, and the runs in them by command and outcome."""

    begun: int = 0
    runs: Counter[str] = field(default_factory=Counter)
    #: Of each schedule: how its runs ended, after how many calls, and when.
    told: list[tuple[Any, ...]] = field(default_factory=list)


def search(world: World, schedules: int, steps: int = STEPS, seed: int | None = None) -> Searched:
    """Go through so many schedules, with a seed or always the same ones; the first that is wrong is told and raised."""
    found = Searched()

    class Counted(Schedule):
        def _end(self) -> None:
            found.begun += 1
            found.runs.update(f"{one.command} {one.outcome}" for one in self.desk.processes)
            found.told.append((*((one.command, one.outcome, one.calls, one.records[-1]["aws"])
                                 for one in self.desk.processes),))
            super()._end()

    Counted.world = world
    Counted.__qualname__ = Counted.__name__ = "Schedule"  # hypothesis draws by this name where there is no seed
    how = settings(max_examples=schedules, stateful_step_count=steps, deadline=None, database=None, print_blob=False,
                   derandomize=seed is None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Counted if seed is None else hypothesis.seed(seed)(Counted), settings=how)
    return found
