"""Carries out a failback: waits for the region that was lost, then holds both leases and brings the stack home."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import Any

from drctl.actions.aftermath import NOTED_AT, Aftermath
from drctl.actions.loss import open_loss, refuse_without_a_sign
from drctl.actions.rejoin import AwaitRegion
from drctl.cli.asked import Asked
from drctl.cli.control import held
from drctl.cli.failing_over import judged
from drctl.cli.finding_regions import site_named, where_it_writes
from drctl.cli.session import Session, confirm, notices, opened
from drctl.engine.run import OUTAGE_BEGAN, Run
from drctl.engine.runbook import perform, play
from drctl.runbooks.failback import failback as runbook
from drctl.settings import Site
from drctl.stack import Stack, stack_of


def failback(asked: Asked) -> dict[str, Any]:
    """The report. What an earlier run has begun and not ended is brought to its end by the same lines."""
    settings = asked.settings
    with opened("failback", asked) as session:
        run, stack = session.run, stack_of(settings)
        active = where_it_writes(run, stack)
        returned = settings.other(active)
        if asked.request.get("rebuild"):
            run.events.emit("approved", approval=_confirmed(asked, session, stack, returned))
        perform(run, AwaitRegion(returned))  # the first line, before the leases: one of them lies there
        with held(session, stack, asked.take_over) as holding:
            loss = open_loss(run, stack.database.rescue, active, site_named(settings, asked.request.get("lost")))
            if asked.request.get("lost") and not (asked.before or holding.inherited):
                refuse_without_a_sign(run, loss, stack.database.rescue, active, run.output(
                    stack.database.global_cluster))
            run.say(loss.because)
            note = loss.note
            _date(run, note)
            for name, value in (("from_region", active.region), ("to_region", settings.primary.region),
                                ("after", note.run if note else "")):
                run.measure(name, value)
            begin = partial(holding.begins, command="failback", run=run.id)
            book = runbook(stack, active, begin, holding.settle, lost=loss.site,
                           rebuild=bool(asked.request.get("rebuild")))
            with notices(session, "failback", active, settings.primary), (
                    judged(run) if active != settings.primary else nullcontext()):
                play(run, book.starting_at(2))
    return session.report


def _date(run: Run, note: Aftermath | None) -> None:
    """When the loss began; where nobody has noted that, when somebody has noted it at all."""
    if note is not None and note.began is not None:
        run.measure(OUTAGE_BEGAN, note.began)
    elif note is not None and note.at:
        run.measure(NOTED_AT, note.at)


def _confirmed(asked: Asked, session: Session, stack: Stack, returned: Site) -> str:
    """How it was confirmed that a cluster may be deleted, by its name."""
    settings = asked.settings
    cluster = stack.database.cluster.at(returned).cluster_id(session.run)
    with session.progress.paused():
        return confirm(asked, f"Bring {settings.environment} home to {settings.primary.region}, and delete the cluster "
                       f"{cluster} in {returned.region} to make it anew, should it stand outside the global database?",
                       typed=True)
