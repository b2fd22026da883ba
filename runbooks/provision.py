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
            ProveReplication(stack.replication.primary, stack.data.primary, stack.data.standby),
            ProveReplication(stack.replication.standby, stack.data.standby, stack.data.primary),
            ProveEvents(stack.forwarding.primary, stack.bus.primary, stack.bus.standby, stack.canaries.standby),
            ProveEvents(stack.forwarding.standby, stack.bus.standby, stack.bus.primary, stack.canaries.primary),
            ProveApp(stack.app.primary, stack.probe.primary, writer=active.role == there.role),
            ProveApp(stack.app.standby, stack.probe.standby, writer=active.role == back.role),
        )),
        ProveHealthChecks(stack.checks),
        ProveDns(stack.zone, stack.balancer.at(active), active),
    ))
