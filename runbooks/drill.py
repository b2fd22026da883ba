"""The live drill: a switchover to the other region and back, measured on real writes; always put back."""

from __future__ import annotations

from collections.abc import Callable

from drctl.actions.control import Commit, Settle
from drctl.actions.dns_switch import ProveDns, TurnDns
from drctl.actions.heartbeats import WhileWriting
from drctl.actions.prove import ProveWrite
from drctl.actions.readiness import PublishReadiness
from drctl.actions.steady_state import SteadyState
from drctl.actions.switchover import Switchover
from drctl.engine.runbook import Action, Runbook
from drctl.settings import Site
from drctl.stack import Stack


def drill(stack: Stack, source: Site, begin: Callable[[], None], settle: Callable[[], None]) -> Runbook:
    """`source` is the region that is active, observed; the drill ends there too.

    `begin` notes in the lease that it has to, after the gate and before anything moves; `settle` that it has.
    """
    target = stack.settings.other(source)
    return Runbook(
        "drill",
        gate=(
            SteadyState(stack.database.global_cluster, stack.front.balancer.at(source), source, target),
        ),
        lines=(
            Commit(begin),
            WhileWriting(_move(stack, target), source, target),
            WhileWriting(_move(stack, source), target, source, prefix="back_"),
            PublishReadiness(),
        ),
        put_back=put_back(stack, source, settle).lines)


def put_back(stack: Stack, home: Site, settle: Callable[[], None]) -> Runbook:
    """What brings a drill to its end that could not do so itself; each line is skipped where it is done."""
    return Runbook("put back", (
        Switchover(stack.database.global_cluster, home),
        TurnDns(stack.front.switches, home),
        ProveDns(stack.front.balancer.at(home), home),
        Settle(settle),
    ))


def _move(stack: Stack, to: Site) -> tuple[Action, ...]:
    return (
        Switchover(stack.database.global_cluster, to),
        TurnDns(stack.front.switches, to),
        ProveWrite(to),
        ProveDns(stack.front.balancer.at(to), to),
    )
