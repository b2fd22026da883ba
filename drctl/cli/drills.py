"""Carries out the drills that move the real stack, and the one that moves nothing at all."""

from __future__ import annotations

from functools import partial
from typing import Any

from drctl.actions.prove import refuse_without
from drctl.actions.switchover import active_site
from drctl.cli.asked import Asked
from drctl.cli.control import held
from drctl.cli.failing_over import judged, note_move, settle_drill
from drctl.cli.session import notices, opened
from drctl.engine.runbook import play
from drctl.runbooks.drill import drill
from drctl.stack import stack_of

Report = dict[str, Any]


def live(asked: Asked) -> Report:
    """A drill under the lease, after an earlier one that did not come to its end was put back; the report."""
    settings, stay = asked.settings, bool(asked.request.get("stay"))
    with opened("drill", asked) as session:
        run, stack = session.run, stack_of(settings)
        refuse_without(run, stack.database.global_cluster)
        with held(session, stack, asked.take_over) as holding:
            settle_drill(run, stack, holding)
            source = active_site(run, stack.database.global_cluster) or settings.primary
            note_move(run, "live, staying" if stay else "live", source)
            begin = partial(holding.begins, command="drill", home=source.region, run=run.id)
            with notices(session, "drill", source, settings.other(source)), judged(run):
                play(run, drill(stack, source, begin, holding.settle, stay=stay))
    return session.report
