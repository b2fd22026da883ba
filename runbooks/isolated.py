"""The isolated drill: a copy of the database in the standby region with the app at it, proven, and removed; production
goes on untouched.
"""

from __future__ import annotations

from collections.abc import Callable

from drctl.actions.control import Commit, Settle
from drctl.actions.isolated import BuildCopy, ProveRemoved, ReadyToCopy, RemoveCopy, WriteMark
from drctl.actions.isolated_proofs import ProveAppWorks, ProveIsolation, ProveReads, ProveWrites
from drctl.engine.runbook import Runbook
from drctl.settings import Site
from drctl.stack import Stack


def isolated(stack: Stack, source: Site, begin: Callable[[], None], settle: Callable[[], None]) -> Runbook:
    """`source` is the region that is active, observed; the copy is made in the other one.

    `begin` notes in the lease that a copy has to be removed, before the first part of it is made; `settle` that it is.
    """
    target = stack.settings.other(source)
    copy, clone = stack.copy_in(target), stack.copy_in(target, "clone")
    return Runbook(
        "isolated drill",
        gate=(
            ReadyToCopy(stack.database.global_cluster, source, target),
        ),
        lines=(
            Commit(begin),
            RemoveCopy(copy, leftovers=True),
            WriteMark(source, target),
            BuildCopy(clone, copy),
            ProveReads(copy),
            ProveAppWorks(copy),
            ProveWrites(copy),
            ProveIsolation(copy, stack.database.global_cluster, stack.ground.at(target).groups, source),
        ),
        put_back=put_back(stack, target, settle).lines,
        if_not_put_back="drctl resume {run} removes the copy, and drills anew; so does drctl teardown, with the stack; "
                        "production goes on meanwhile")


def put_back(stack: Stack, target: Site, settle: Callable[[], None]) -> Runbook:
    """What brings an isolated drill in `target` to its end that could not do so itself."""
    copy = stack.copy_in(target)
    return Runbook("remove the copy", (
        RemoveCopy(copy),
        ProveRemoved(copy.label),
        Settle(settle),
    ))
