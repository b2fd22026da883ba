"""Invariants, looked at after every step of schedules that hypothesis draws: what must be so whatever befalls the stack
and whatever operators do about it, be they killed, asleep, or two at once.

A schedule (`machine`) is a list of steps on a small stack in the lab (`world`): a region or one service of it is
lost, refusing or answering with errors, and comes back; an app falls ill; the copy lags; time passes; an operator
begins a planned failover, an unplanned one, a failback, a live drill, goes on with what was left, or escalates it;
provision converges checks and records. Each run may be disturbed at one of its calls: it is killed before or after
the effect, the answer is lost, its machine sleeps, a region is lost, or somebody else begins something. The runbooks,
actions, leases and journals are drctl's own (`desk`); time is the lab's alone, and stands still between steps.

1. **Never two writers with traffic.** A region has traffic while the name was answered with it within the last minute
   (the answer's TTL) and its balancer and app serve. It is a writer while its app can write into the database beside
   it: the one with the role, until a switchover has stopped it; and the old primary after a failover, until it is
   rebuilt: Aurora's fencing is best effort, so an isolated primary counts. At most one region is both, and the old
   primary never. No exception: a region that users cannot reach has no traffic.
2. **Never no answer while a region is healthy.** The lab's name servers answer at every moment at which a region
   serves. Once health checks have had the time to notice what is so (interval x threshold, an interval before and
   after: 40 s), the answer is a region that serves, whatever the switches say. Exceptions: before that, for nobody can
   know earlier; the one bad row of docs/decisions/0015, a pin beside a switch that is off or cannot be read.
3. **The switch latches.** Users belong where the last run that is done has sent them, or where a latch has put its
   object since. While that region serves, noticed health sends them nowhere else. Exceptions: while a run that has
   turned a switch is under way or has failed, nobody has said yet where they belong; while S3 is out where the object
   lies, checkers cannot see it; an older pin counts until the primary's latch has taken it away (docs/decisions/0015,
   holes that stay).
4. **Journal and AWS agree.** The journal's chain holds. The changes that a run has sent are, one for one, the calls
   in its journal; each that AWS has accepted has its answer there too, but the one that the run was killed at, or
   whose answer was lost. Leases and copies go past the journal (docs/decisions/0011). A run that is done says where
   the writer is, and there it is, unless somebody else has had the lease since it slept; one that says that nothing
   was changed, or moved, has changed, or moved, nothing; one that says that everything is put back has put it back.
5. **Only one run holds the lease.** When AWS accepts a change of a run, each lease that this run has taken is still
   its own. Exceptions: a lease that a person has taken over by typing the owner's name, until the owner's next beat
   (30 s); a failover whose survivor's control bucket is silent, which says NO LEASE (docs/decisions/0017).
6. **Nothing acknowledged is lost in a switchover**, neither users' rows nor heartbeats. A failover may lose rows, and
   only a run that was asked to fail over; none of them was acknowledged after it was decided.
7. **Nobody is stuck.** In every fifth schedule everything is well again in the end. Then an operator who goes on with
   what was left, and else does a failback, is home within four commands.

Each of them has a test below that breaks drctl and sees it go red.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from drctl.actions.dns_switch import TurnDns
from drctl.actions.failover import Failover
from drctl.actions.fencing import FenceIfItAnswers, Unfence
from drctl.actions.steady_state import SteadyState
from drctl.actions.switchover import Switchover
from drctl.aws.hooks import Answer, Call
from drctl.engine.events import Events
from drctl.engine.holding import Holding
from drctl.engine.run import Run
from drctl.engine.runbook import Action
from drctl.errors import Refused
from drctl.lab.aurora_roles import ON_ROLE_CHANGE
from drctl.lab.server import Lab
from tests.invariants.desk import Desk, Process
from tests.invariants.machine import Schedule, search
from tests.invariants.world import AWAY, HOME, World

#: Schedules in `make test`, always the same ones; `make invariants` looks for others.
SCHEDULES = 500
EAST, WEST = HOME.region, AWAY.region


@pytest.fixture(scope="module")
def world(lab_server: Lab) -> Iterator[World]:
    """Made once; each schedule begins in it as in a new one."""
    made = World(lab_server)
    made.build()
    ON_ROLE_CHANGE.append(made.role_changed)
    yield made
    ON_ROLE_CHANGE.remove(made.role_changed)
    made.leave()


def test_the_invariants_hold_in_every_schedule(world: World) -> None:
    assert search(world, SCHEDULES).begun >= SCHEDULES


def test_a_schedule_is_the_same_whenever_it_is_gone_through(world: World) -> None:
    once, again = (search(world, 15, seed=3) for _ in range(2))
    assert once.told == again.told


# What schedules have found: each is a defect that drctl had --------------------------------------------------------


def by_hand(world: World, desk: type[Desk] = Desk) -> Schedule:
    """A schedule that is written down."""
    schedule = type("ByHand", (Schedule,), {"world": world, "desk_class": desk})()
    assert isinstance(schedule, Schedule)
    return schedule


def outcomes(schedule: Schedule) -> list[str]:
    """How the runs of a schedule ended, which must not have gone wrong otherwise."""
    schedule.nothing_is_wrong()
    schedule.teardown()
    return [one.outcome for one in schedule.desk.processes]


def test_a_failover_back_to_a_region_whose_app_a_failover_has_stopped_is_served(world: World) -> None:
    """The app stayed stopped, its health check red: users were sent to neither region until somebody did a failback."""
    schedule = by_hand(world)
    schedule.failover(None, 600.0, "the first region is sick")
    assert world.is_stopped(EAST)
    schedule.time_passes(1100)
    schedule.failover(None, 600.0, "so is the second one")
    assert (world.role, world.users_are_sent_to, world.serves(EAST)) == (EAST, EAST, True)
    assert outcomes(schedule) == ["done", "done"]


def test_a_drill_whose_home_was_failed_over_away_from_is_not_put_back(world: World) -> None:
    """The lost region's lease still told of it, so the next drill or planned failover moved the writer there."""
    schedule = by_hand(world)
    schedule.drill((20, "kill-after", None), stay=False)
    schedule.all_is_well(150)
    schedule.failover(None, 600.0, "its region is lost")
    schedule.all_is_well(1100)
    role = world.role
    schedule.planned_failover(None)
    assert outcomes(schedule) == ["killed", "done", "refused"]
    assert f"the app in {world.other(role).region} is stopped" in schedule.desk.processes[-1].findings
    assert world.role == role


def test_a_drill_that_puts_an_earlier_one_back_does_not_say_that_nothing_was_moved(world: World) -> None:
    schedule = by_hand(world)
    schedule.drill((20, "kill-after", None), stay=False)
    schedule.outage(WEST, "lambda", "refuse")
    schedule.gone_on_with(None)
    assert "nothing more was moved" in str(schedule.desk.processes[-1].error)
    assert outcomes(schedule) == ["killed", "refused"]


@pytest.mark.parametrize("command", ["failback", "planned"])
def test_the_writer_follows_users_who_have_fled_home_and_were_latched_there(world: World, command: str) -> None:
    """Users who were not where the writer is kept every planned move from bringing it to them."""
    schedule = by_hand(world)
    schedule.planned_failover(None)
    schedule.the_app_falls_ill(WEST)
    schedule.time_passes(1100)
    schedule.all_is_well(150)
    assert (world.role, world.users_are_sent_to) == (WEST, EAST)
    schedule.go(command, None)
    assert (world.role, world.users_are_sent_to) == (EAST, EAST)
    assert outcomes(schedule) == ["done", "done"]


# What goes red -------------------------------------------------------------------------------------------------------


def is_red(schedule: Schedule, what: str) -> None:
    """What the watch has noted begins with the invariant's name."""
    schedule.teardown()
    assert any(one.startswith(what) for one in schedule.watch.wrong), schedule.watch.wrong


class Unfenced(Desk):
    """A failover that neither stops the old app nor turns the switch."""

    def adapt(self, action: Action) -> Action | None:
        return None if isinstance(action, FenceIfItAnswers | TurnDns) else super().adapt(action)


def test_without_fence_and_switch_users_write_into_the_old_primary(world: World) -> None:
    schedule = by_hand(world, Unfenced)
    schedule.failover(None, 600.0, "to see")
    is_red(schedule, "two writers")


def test_a_secondary_record_without_a_check_leaves_users_with_a_dead_app(world: World) -> None:
    """As it was before docs/decisions/0015."""
    schedule = by_hand(world)
    with world.without_check_of_the_secondary():
        schedule.planned_failover(None)
        schedule.the_app_falls_ill(WEST)
        schedule.time_passes(150)
        is_red(schedule, "no answer")


class Unturned(Desk):
    """A failover that leaves it to the health checks to move users."""

    def adapt(self, action: Action) -> Action | None:
        return None if isinstance(action, TurnDns) else super().adapt(action)


def test_users_whom_health_alone_has_moved_come_back_by_themselves(world: World) -> None:
    schedule = by_hand(world, Unturned)
    schedule.outage(EAST, "", "refuse")
    schedule.failover(None, 600.0, "")
    assert schedule.desk.processes[-1].outcome == "done"
    schedule.all_is_well(150)
    is_red(schedule, "latch")


class Deaf:
    """Hears nothing of one operation."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def sending(self, call: Call) -> None:
        if call.operation != "SwitchoverGlobalCluster":
            self._events.sending(call)

    def leaving(self, call: Call) -> None:
        self._events.leaving(call)

    def answered(self, call: Call, answer: Answer) -> None:
        if call.operation != "SwitchoverGlobalCluster":
            self._events.answered(call, answer)


class Forgetful(Desk):
    """Its journals do not tell of switchovers."""

    def listening(self, process: Process) -> Any:
        return Deaf(process.events)


def test_a_change_that_is_in_no_journal_is_noticed(world: World) -> None:
    schedule = by_hand(world, Forgetful)
    schedule.planned_failover(None)
    is_red(schedule, "journal")


class Untruthful(Desk):
    """Its switchovers are refused once they are done, in words that say otherwise."""

    def adapt(self, action: Action) -> Action | None:
        return Lying(action) if isinstance(action, Switchover) else super().adapt(action)


class Lying(Action):
    """An action that says that nothing was changed."""

    why, typical_minutes, if_stuck, title = "to see", 0.0, "", "lie"

    def __init__(self, action: Action) -> None:
        object.__setattr__(self, "action", action)

    def do(self, run: Run) -> None:
        vars(self)["action"].do(run)
        raise Refused("no; nothing was changed")


def test_a_run_that_says_that_nothing_was_changed_is_taken_at_its_word(world: World) -> None:
    schedule = by_hand(world, Untruthful)
    schedule.planned_failover(None)
    is_red(schedule, "journal")


class Unguarded(Desk):
    """Goes on whoever has the lease, and does not look."""

    beats = False

    def guard_of(self, holding: Holding) -> None:
        return None


def test_a_run_that_does_not_ask_for_its_lease_goes_on_beside_another(world: World) -> None:
    schedule = by_hand(world, Unguarded)
    schedule.planned_failover((13, "asleep", "failover"))
    is_red(schedule, "lease")


class Hasty(Desk):
    """Fails over where it should switch over."""

    def adapt(self, action: Action) -> Action | None:
        return Failover(action.global_cluster, action.to) if isinstance(action, Switchover) else super().adapt(action)


def test_a_failover_in_a_switchovers_place_loses_rows(world: World) -> None:
    schedule = by_hand(world, Hasty)
    schedule.the_copy_lags(40.0)
    schedule.time_passes(400)
    schedule.planned_failover(None)
    is_red(schedule, "rows")


class Lockedout(Desk):
    """Neither a failover nor a failback lets a stopped app serve again."""

    def adapt(self, action: Action) -> Action | None:
        if isinstance(action, SteadyState):
            return super().adapt(replace(action, there=None))
        return None if isinstance(action, Unfence) else super().adapt(action)


def test_a_region_whose_app_stays_stopped_is_no_way_home(world: World) -> None:
    schedule = by_hand(world, Lockedout)
    schedule.failover(None, 600.0, "to see")
    schedule.come_home()
    is_red(schedule, "stuck")
