"""Teardown: remove everything the stack's tags mark in reverse order, prove that nothing is left, end the lease."""

from __future__ import annotations

from collections.abc import Callable

from drctl.actions.build import Destroy
from drctl.actions.control import RemoveControl
from drctl.actions.inventory import ProveEmpty
from drctl.actions.preflight import CheckIdentity
from drctl.engine.runbook import Runbook
from drctl.stack import Stack


def teardown(stack: Stack, let_go: Callable[[], None]) -> Runbook:
    """From any state: half-built, swapped roles, or nothing at all; `let_go` ends lease and copies."""
    return Runbook("teardown", (
        CheckIdentity(),
        Destroy((*stack.under_lease, *stack.retired)),
        ProveEmpty(besides=stack.control.all),
        RemoveControl(stack.control.all, let_go),
    ))
