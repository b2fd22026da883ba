"""The real failovers: planned, a switchover without loss; and unplanned, when the active region is gone."""

from __future__ import annotations

from collections.abc import Callable

from drctl.actions.aftermath import NoteAftermath
from drctl.actions.control import Commit, Settle
from drctl.actions.decide import Decide
from drctl.actions.dns_switch import ProveDns, TurnDns, UsersAreAt
from drctl.actions.failover import Failover
from drctl.actions.fencing import FenceIfItAnswers, NoteFencing, Unfence
from drctl.actions.heartbeats import WhileWriting
from drctl.actions.prove import ProveWrite
from drctl.actions.readiness import PublishReadiness
from drctl.actions.recovery import Served, UntilServed, never
from drctl.actions.steady_state import SteadyState
from drctl.actions.switchover import Switchover
from drctl.engine.runbook import Action, Runbook, SideBySide
from drctl.settings import Site
from drctl.stack import Stack


def planned(stack: Stack, source: Site, begin: Callable[[], None], settle: Callable[[], None]) -> Runbook:
    """Both regions are healthy: a switchover away from `source`, and stay; `begin` and `settle` tell the lease."""
    target = stack.settings.other(source)
    return Runbook("planned failover", gate=(steady_state(stack, source, target, after_users=True),), lines=(
        Commit(begin),
        WhileWriting(move(stack, target), source, target, fled=UsersAreAt(stack.front.balancer.at(target))),
        PublishReadiness(),
        Settle(settle),
    ))


def unplanned(stack: Stack, decide: Decide, begin: Callable[[], None], settle: Callable[[], None],
              earlier: frozenset[str] = frozenset(), *, goes_on: bool = False) -> Runbook:
    """The region `decide.source` is gone: nothing from here on asks it or a control plane that lives there.

    `earlier` are the runs that this one goes on with; `goes_on` tells that one of them has not come to its end.
    """
    source, target, note = decide.source, decide.to, noting(decide, earlier)
    served = never if goes_on else Served(decide.global_cluster, stack.front.switches.at(target), decide.balancer)
    return Runbook("failover", gate=(decide,), lines=(
        Commit(begin),
        FenceIfItAnswers(source),
        UntilServed(fail_over(stack, decide, note), source, target, served=served),
        NoteFencing(source, note),
        Settle(settle),
    ))


def noting(decide: Decide, earlier: frozenset[str] = frozenset()) -> NoteAftermath:
    """What notes the failover, beside the promotion and once more when users are served."""
    return NoteAftermath(decide.source, decide.to, decide.terms.allowed_loss_s, decide.terms.force,
                         decide.global_cluster, earlier)


def fail_over(stack: Stack, decide: Decide, note: NoteAftermath) -> tuple[Action, ...]:
    """Promotion and switch, with everything that they prove; side by side, unless the settings want another order."""
    target = decide.to
    promotion = Failover(stack.database.global_cluster, target)
    users = (TurnDns(stack.front.switches, target), Unfence(target))
    one_by_one = stack.settings.failover.order == "database-first"
    return (
        *((SideBySide((promotion, note)), SideBySide(users)) if one_by_one else (
            SideBySide((promotion, *users, note)),)),
        ProveWrite(target),
        ProveDns(stack.front.balancer.at(target), target),
    )


def move(stack: Stack, to: Site) -> tuple[Action, ...]:
    """A switchover with everything that it proves."""
    return (
        Switchover(stack.database.global_cluster, to),
        TurnDns(stack.front.switches, to),
        ProveWrite(to),
        ProveDns(stack.front.balancer.at(to), to),
    )


def steady_state(stack: Stack, source: Site, target: Site, *, after_users: bool = False) -> SteadyState:
    """What must be so before anything is moved on purpose; `after_users` may be in `target` before their writer."""
    balancers = stack.front.balancer
    return SteadyState(stack.database.global_cluster, balancers.at(source), source, target,
                       balancers.at(target) if after_users else None)
