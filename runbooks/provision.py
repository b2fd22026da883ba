"""Provision: ask AWS, build both regions, prove every wire between them."""

from __future__ import annotations

from drctl.actions.build import Build
from drctl.actions.dns_switch import ProveDns
from drctl.actions.preflight import Preflight
from drctl.actions.prove import ProveApp, ProveEvents, ProveReplication
from drctl.actions.prove_health import ProveHealthChecks
from drctl.actions.readiness import PublishReadiness
from drctl.engine.runbook import Runbook, SideBySide
from drctl.settings import Site
from drctl.stack import Stack


def provision(stack: Stack, active: Site) -> Runbook:
    """`active` is the region that writes, observed; by design the primary for a stack that does not stand yet."""
    front, wires = stack.front, stack.wires
    there, back = stack.settings.sites
    return Runbook("provision", (
        Preflight(),
        Build(stack.under_lease),
        SideBySide((
            ProveReplication(wires.replication.primary, wires.data.primary, wires.data.standby),
            ProveReplication(wires.replication.standby, wires.data.standby, wires.data.primary),
            ProveEvents(wires.forwarding.primary, wires.bus.primary, wires.bus.standby, wires.canaries.standby),
            ProveEvents(wires.forwarding.standby, wires.bus.standby, wires.bus.primary, wires.canaries.primary),
            ProveApp(stack.app.primary, stack.probe.primary, writer=active == there),
            ProveApp(stack.app.standby, stack.probe.standby, writer=active == back),
        )),
        ProveHealthChecks(front.checks),
        ProveDns(front.balancer.at(active), active),
        PublishReadiness(),
    ))
