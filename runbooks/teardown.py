"""Teardown: remove everything the stack's tags mark, in reverse order, and prove that nothing is left."""

from __future__ import annotations

from drctl.actions.build import Destroy
from drctl.actions.inventory import ProveEmpty
from drctl.actions.preflight import CheckIdentity
from drctl.engine.runbook import Runbook
from drctl.stack import Stack


def teardown(stack: Stack) -> Runbook:
    """From any state: half-built, swapped roles, or nothing at all."""
    return Runbook("teardown", (CheckIdentity(), Destroy((*stack.steps, *stack.retired)), ProveEmpty()))
