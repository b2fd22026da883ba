"""Failback: the region that was lost becomes a full member again, then home becomes active, without loss."""

from __future__ import annotations

from collections.abc import Callable

from drctl.actions.aftermath import CloseAftermath
from drctl.actions.control import Commit, Settle
from drctl.actions.dns_switch import ProveDns, TurnDns, UsersAreAt
from drctl.actions.fencing import Fence, Unfence
from drctl.actions.heartbeats import WhileWriting
from drctl.actions.loss import NoteLoss
from drctl.actions.prove import ProveEvents, ProveReplication
from drctl.actions.readiness import PublishReadiness
from drctl.actions.reconcile import ListDeadLetters, ListObjects
from drctl.actions.rejoin import AwaitRegion, CatchUp, Rejoin
from drctl.actions.rescue import KeepRescueSnapshot, ListRows
from drctl.actions.unused import ProveUnused
from drctl.engine.runbook import Action, Runbook
from drctl.runbooks.failover import move, steady_state
from drctl.settings import Site
from drctl.stack import Stack


def failback(stack: Stack, active: Site, begin: Callable[[], None], settle: Callable[[], None], *,
             lost: Site | None, rebuild: bool = False, prefix: str = "") -> Runbook:
    """`active` is the region that writes, observed; home is the primary. `lost` is the region that a failover has left
    and whose work is still open; it may be the one that writes again, when an earlier run has come that far.

    When home writes already only what the outage has left is put in order. `prefix` is that of the figures of the way.
    """
    home, returned = stack.settings.primary, stack.settings.other(active)
    database = stack.database
    unused = ProveUnused(database.global_cluster, database.cluster.at(returned), stack.front.balancer.at(returned),
                         returned)
    return Runbook("failback", (
        AwaitRegion(returned),
        *((unused,) if rebuild else ()),
        Commit(begin),
        *((NoteLoss(lost, stack.settings.other(lost)),) if lost else ()),
        *((Fence(returned),) if lost == returned else ()),
        Rejoin(database.global_cluster, database.instances.at(returned), returned, unused, rebuild,
               database.rescue.at(returned)),
        *((KeepRescueSnapshot(database.rescue.at(lost)),) if lost else ()),
        CatchUp(returned),
        Unfence(returned),
        *(_go_home(stack, active, prefix) if active != home else (
            TurnDns(stack.front.switches, home),
            ProveDns(stack.front.balancer.at(home), home))),
        *_prove_wires(stack, home),
        *(_reconcile(stack, lost) if lost else ()),
        CloseAftermath(stack.settings.other(lost) if lost else active),
        PublishReadiness(),
        Settle(settle),
    ))


def _go_home(stack: Stack, active: Site, prefix: str) -> tuple[Action, ...]:
    home = stack.settings.primary
    return (steady_state(stack, active, home, after_users=True),
            WhileWriting(move(stack, home), active, home, prefix, fled=UsersAreAt(stack.front.balancer.at(home))))


def _reconcile(stack: Stack, lost: Site) -> tuple[Action, ...]:
    """Last, when users are home: it takes the longest, and nobody waits for a list."""
    return (
        ListObjects(stack.wires.data.at(lost)),
        *(ListDeadLetters(queue) for queue in stack.wires.dead_letters.all),
        ListRows(stack.database.rescue.at(lost), stack.rescued_in(lost), stack.settings.primary),
    )


def _prove_wires(stack: Stack, home: Site) -> tuple[Action, ...]:
    """What lies between the regions carries something from home to the standby, proven now and not by old evidence."""
    wires, away = stack.wires, stack.settings.other(home)
    return (
        ProveReplication(wires.replication.at(home), wires.data.at(home), wires.data.at(away), anew=True),
        ProveEvents(wires.forwarding.at(home), wires.bus.at(home), wires.bus.at(away), wires.canaries.at(away),
                    anew=True),
    )
