"""The live drill: a switchover to the other region, measured on real writes, and back; or staying there."""

from __future__ import annotations

from collections.abc import Callable

from drctl.actions.control import Commit, Settle
from drctl.actions.dns_switch import ProveDns, TurnDns
from drctl.actions.heartbeats import WhileWriting
from drctl.actions.readiness import PublishReadiness
from drctl.actions.switchover import Switchover
from drctl.engine.runbook import Runbook
from drctl.runbooks.failover import move, steady_state
from drctl.settings import Site
from drctl.stack import Stack


def drill(stack: Stack, source: Site, begin: Callable[[], None], settle: Callable[[], None], *,
          stay: bool = False) -> Runbook:
    """`source` is the region that is active, observed; the drill ends there too, unless it is to `stay` away.

    `begin` notes in the lease that it has to, after the gate and before anything moves; `settle` that it has. Whatever
    goes wrong, everything is put back to `source`.
    """
    target = stack.settings.other(source)
    back = WhileWriting(move(stack, source), target, source, prefix="back_")
    return Runbook(
        "drill",
        gate=(steady_state(stack, source, target),),
        lines=(
            Commit(begin),
            WhileWriting(move(stack, target), source, target),
            *((Settle(settle),) if stay else (back,)),
            PublishReadiness(),
        ),
        put_back=put_back(stack, source, settle).lines,
        stays=stay)


def put_back(stack: Stack, home: Site, settle: Callable[[], None]) -> Runbook:
    """What brings a drill to its end that could not do so itself; each line is skipped where it is done."""
    return Runbook("put back", (
        Switchover(stack.database.global_cluster, home),
        TurnDns(stack.front.switches, home),
        ProveDns(stack.front.balancer.at(home), home),
        Settle(settle),
    ))
