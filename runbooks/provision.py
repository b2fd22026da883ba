"""Provision: ask AWS, build both regions, prove every wire between them."""

from __future__ import annotations

from drctl.actions.build import Build
from drctl.actions.dns_switch import ProveDns
from drctl.actions.preflight import Preflight
from drctl.actions.prove import ProveApp, ProveEvents, ProveHealthChecks, ProveReplication
from drctl.engine.runbook import Runbook, SideBySide
from drctl.settings import Site
from drctl.stack import Stack


def provision(stack: Stack, active: Site) -> Runbook:
    """`active` is the region that writes, observed; by design the primary for a stack that does not stand yet."""
    there, back = stack.settings.sites
    return Runbook("provision", (
        Preflight(),
        Build(stack.steps),
        SideBySide((
            ProveReplication(stack.wires.replication.primary, stack.wires.data.primary, stack.wires.data.standby),
            ProveReplication(stack.wires.replication.standby, stack.wires.data.standby, stack.wires.data.primary),
            ProveEvents(stack.wires.forwarding.primary, stack.wires.bus.primary, stack.wires.bus.standby, stack.wires.canaries.standby),
            ProveEvents(stack.wires.forwarding.standby, stack.wires.bus.standby, stack.wires.bus.primary, stack.wires.canaries.primary),
            ProveApp(stack.app.primary, stack.probe.primary, writer=active.role == there.role),
            ProveApp(stack.app.standby, stack.probe.standby, writer=active.role == back.role),
        )),
        ProveHealthChecks(stack.front.checks),
        ProveDns(stack.front.zone, stack.front.balancer.at(active), active),
    ))
