"""The live drill: a switchover to the other region, measured on real writes, and back; or staying there."""

from __future__ import annotations

from collections.abc import Callable

from drctl.actions.breaking import Break, Mend
from drctl.actions.control import Commit, Settle
from drctl.actions.decide import Decide
from drctl.actions.dns_switch import ProveDns, TurnDns
from drctl.actions.heartbeats import WhileWriting
from drctl.actions.readiness import PublishReadiness
from drctl.actions.switchover import Switchover
from drctl.engine.runbook import Runbook
from drctl.runbooks.failback import failback
from drctl.runbooks.failover import fail_over, move, noting, steady_state
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
        stays=stay,
        if_not_put_back="drctl resume {run} puts it back; if the writer's region is gone: drctl failover "
                        "--escalate {run} --allow-data-loss 60s")


def fault_drill(stack: Stack, decide: Decide, broken: Break, mended: Mend, begin: Callable[[], None],
                settle: Callable[[], None]) -> Runbook:
    """The lab breaks the active region while heartbeats are written, and the drill becomes a failover.

    In the end the region is given back, and a failback brings everything home.
    """
    source, target, note = decide.source, decide.to, noting(decide)
    home = failback(stack, target, _nothing, settle, lost=source, prefix="back_")
    return Runbook(
        "fault drill",
        gate=(steady_state(stack, source, target),),
        lines=(Commit(begin), WhileWriting((broken, decide, *fail_over(stack, decide, note)), source, target)),
        put_back=(mended, *home.lines),
        if_not_put_back="drctl lab outage end; then drctl failback brings everything home")


def _nothing() -> None:
    """The lease tells already what was begun."""


def put_back(stack: Stack, home: Site, settle: Callable[[], None]) -> Runbook:
    """What brings a drill to its end that could not do so itself; each line is skipped where it is done."""
    return Runbook("put back", (
        Switchover(stack.database.global_cluster, home),
        TurnDns(stack.front.switches, home),
        ProveDns(stack.front.balancer.at(home), home),
        Settle(settle),
    ))
