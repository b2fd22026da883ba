"""Carries out the real failovers: unplanned, planned, and the planned one that has to become an unplanned one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import click

from drctl.actions.decide import Decide, Terms
from drctl.actions.judge import judge
from drctl.actions.notify import Notices
from drctl.actions.picture import Picture
from drctl.actions.recovery import SERVED_BEFORE
from drctl.actions.switchover import active_site
from drctl.cli.asked import Asked
from drctl.cli.control import held, held_by_survivor
from drctl.cli.decision import show_decision
from drctl.cli.earlier_runs import usual_minutes
from drctl.cli.evidence import UNFINISHED
from drctl.cli.finding_regions import (
    GRACE_S,
    NO_GRACE_S,
    named_source,
    refuse_unless_both_answer,
    region_to_leave,
    site_named,
)
from drctl.cli.session import Session, confirm, notices, opened, take_for_lost
from drctl.engine.holding import Holding
from drctl.engine.run import OUTAGE_BEGAN, Run
from drctl.engine.runbook import Runbook, perform, play
from drctl.errors import Refused
from drctl.runbooks import failover as runbooks
from drctl.settings import Site
from drctl.stack import Stack, stack_of

Report = dict[str, Any]


def unplanned(asked: Asked) -> Report:
    """The active region is gone: the other one takes over; the report. Refused where a guard speaks against it."""
    settings = asked.settings
    terms = Terms(asked.request.get("allowed_loss_s"), asked.request.get("force", ""))
    with opened("failover", asked, hurry=True) as session:
        run, stack = session.run, stack_of(settings)
        source, goes_on = region_to_leave(asked, session, stack)
        take_for_lost(run, source)
        target = settings.other(source)
        note_move(run, "unplanned", source)
        for name in (OUTAGE_BEGAN, "lag_s", "lag_age_s"):
            if (known := asked.told(name)) is not None:
                run.measure(name, known)
        told = notices(session, "failover", source, target)
        decide = _decision(session, stack, source, goes_on, terms, asked, told)
        if terms.allowed_loss_s is None:
            perform(run, decide)  # shows the picture; without a bound it refuses, before any lease is taken
        with told, held_by_survivor(session, target, asked.take_over) as holding:
            begin = partial(holding.begins, command="failover", source=source.region, run=run.id)
            earlier = frozenset({asked.resumes, asked.told("resumes", ""), holding.inherited.get("run", "")})
            unfinished = bool(holding.inherited) or asked.told("outcome") in UNFINISHED
            book = runbooks.unplanned(stack, decide, begin, holding.settle, earlier, goes_on=unfinished)
            with judged(run):
                play(run, book.starting_at(1 if asked.before else asked.request.get("from", 1)))
    return session.report


def planned(asked: Asked) -> Report:
    """A switchover to the other region, and stay there; the report. Refused when either side is not healthy."""
    settings = asked.settings
    with opened("failover", asked) as session:
        run, stack = session.run, stack_of(settings)
        refuse_unless_both_answer(run, stack, asked.resumes)
        with held(session, stack, asked.take_over) as holding:
            source = named_source(asked)
            if asked.before:  # a copy of its journal may not tell yet what its lease does
                source = source or site_named(settings, holding.inherited.get("source"))
                _refuse_unknown_direction(source, asked)
            else:
                settle_drill(run, stack, holding)
            source = source or active_site(run, stack.database.global_cluster) or settings.primary
            note_move(run, "planned", source)
            begin = partial(holding.begins, command="planned failover", source=source.region, run=run.id)
            book = runbooks.planned(stack, source, begin, holding.settle)
            with notices(session, "planned failover", source, settings.other(source)), judged(run):
                play(run, _going_on(book, run, stack, source) if asked.before
                     else book.starting_at(asked.request.get("from", 1)))
    return session.report


def _refuse_unknown_direction(source: Site | None, asked: Asked) -> None:
    """The region that writes now may be the one that it was to leave, or the one that it has moved to."""
    if source is None:
        raise Refused(f"nothing tells from where run {asked.resumes} was to move: the copy of its journal ends before "
                      "that, and its lease holds nothing unfinished; so it has moved nothing, or has come to its end",
                      next_step="drctl status shows who writes; drctl failover --planned --to REGION if that is not "
                                "the region that was wanted")


@contextmanager
def judged(run: Run) -> Iterator[None]:
    """However it ends, what was measured is judged by what was promised; a run that found users served promised
    nothing."""
    try:
        yield
    finally:
        if SERVED_BEFORE not in run.measures:
            judge(run, run.measures)


def note_move(run: Run, mode: str, source: Site) -> None:
    """What is moved from where to where, for the report and for whoever goes on with the run."""
    for name, value in (("mode", mode), ("from_region", source.region),
                        ("to_region", run.settings.other(source).region)):
        run.measure(name, value)


def settle_drill(run: Run, stack: Stack, holding: Holding) -> None:
    """Bring a drill to its end whose process died; Refused for what has to be gone on with by name."""
    inherited = holding.inherited
    if not inherited:
        return
    from drctl.runbooks.drill import put_back  # not while a region is gone: importing takes a tenth of the start
    from drctl.runbooks.isolated import put_back as remove_copy

    if inherited.get("command") == "isolated drill":
        target = next(site for site in run.settings.sites if site.region == inherited["target"])
        run.say(f"an earlier isolated drill did not come to its end: its copy in {target.region} is removed first")
        play(run, remove_copy(stack, target, holding.settle))
        return
    if inherited.get("command") == "fault drill":
        raise Refused(f"a drill with a fault did not come to its end: run {inherited.get('run')}",
                      next_step="drctl lab outage end; drctl failback, which brings everything home")
    if inherited.get("command") != "drill":
        raise Refused(f"a {inherited.get('command')} did not come to its end: run {inherited.get('run')}",
                      next_step=f"drctl resume {inherited.get('run')}; if its region is gone: drctl failover")
    home = next(site for site in run.settings.sites if site.region == inherited["home"])
    run.say(f"an earlier drill did not come to its end: everything is put back to {home.region} first")
    play(run, put_back(stack, home, holding.settle))


def _going_on(book: Runbook, run: Run, stack: Stack, source: Site) -> Runbook:
    """Past the gate once the database has moved: it asks for a stack that has not."""
    active = active_site(run, stack.database.global_cluster)
    return book if active == source else replace(book, gate=())


# The decision ----------------------------------------------------------------------------------------------------


def _decision(session: Session, stack: Stack, source: Site, goes_on: Callable[[], bool], terms: Terms, asked: Asked,
              told: Notices) -> Decide:
    settings = asked.settings
    target = settings.other(source)
    asks = not asked.yes and settings.target == "aws"

    def show(picture: Picture) -> None:
        with session.progress.paused():
            show_decision(picture, terms)

    def approve(picture: Picture) -> str:
        if asks:
            told.decision_needed(f"fail over to {picture.to}? Newest known lag: {picture.lag_s or '?'} s")
        with session.progress.paused():
            return confirm(asked, f"Fail {settings.environment} over to {picture.to}, losing what was not "
                           "replicated?", typed=True)

    return Decide(stack.database.global_cluster, stack.front.balancer.at(target), source, target, terms,
                  usual_minutes(settings), show, approve, GRACE_S if asks else NO_GRACE_S, goes_on)


def bound_of(text: str | None) -> float | None:
    """Seconds of `60`, `60s`, `5m` or `1h`; BadParameter for anything else."""
    if text is None:
        return None
    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = (text[:-1], units[text[-1]]) if text and text[-1] in units else (text, 1)
    try:
        seconds = float(number) * unit
    except ValueError:
        seconds = -1
    if not 0 <= seconds < float("inf"):
        raise click.BadParameter(f"{text!r} is no span of time: 60s, 5m, 1h", param_hint="--allow-data-loss")
    return seconds
