"""Carries out the drills that move the real stack, and the one that moves nothing at all."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Any

from drctl.actions.breaking import Break, Mend
from drctl.actions.decide import LOOK_S, Decide, Terms
from drctl.actions.dns_switch import is_turned, name_servers
from drctl.actions.switchover import active_site
from drctl.cli.asked import Asked
from drctl.cli.by_hand import changes, runbook_of
from drctl.cli.control import Control, held, held_by_survivor
from drctl.cli.decision import show_decision
from drctl.cli.earlier_runs import usual_minutes
from drctl.cli.failing_over import judged, note_move, settle_drill
from drctl.cli.finding_regions import GRACE_S, refuse_unless_both_answer, where_it_writes
from drctl.cli.session import Session, notices, opened, take_for_lost
from drctl.engine.lease import Seen
from drctl.engine.looks import Unanswered, look_all
from drctl.engine.runbook import play
from drctl.errors import ChecksFailed, ConfigurationError
from drctl.runbooks.drill import drill, fault_drill
from drctl.runbooks.isolated import isolated as isolated_drill
from drctl.settings import Site
from drctl.stack import Stack, stack_of

Report = dict[str, Any]


def live(asked: Asked) -> Report:
    """A drill under the lease, after an earlier one that did not come to its end was put back; the report."""
    settings, stay = asked.settings, bool(asked.request.get("stay"))
    with opened("drill", asked) as session:
        run, stack = session.run, stack_of(settings)
        refuse_unless_both_answer(run, stack, asked.resumes)
        with held(session, stack, asked.take_over) as holding:
            settle_drill(run, stack, holding)
            source = active_site(run, stack.database.global_cluster) or settings.primary
            note_move(run, "live, staying" if stay else "live", source)
            begin = partial(holding.begins, command="drill", home=source.region, run=run.id)
            with notices(session, "drill", source, settings.other(source)), judged(run):
                play(run, drill(stack, source, begin, holding.settle, stay=stay))
    return session.report


def isolated(asked: Asked) -> Report:
    """A copy of the database in the standby region with the app at it, proven and removed; production goes on."""
    settings = asked.settings
    with opened("drill", asked) as session:
        run, stack = session.run, stack_of(settings)
        refuse_unless_both_answer(run, stack, asked.resumes)
        with held(session, stack, asked.take_over) as holding:
            source = active_site(run, stack.database.global_cluster) or settings.primary
            settle_drill(run, stack, holding)
            note_move(run, "isolated", source)
            begin = partial(holding.begins, command="isolated drill", target=settings.other(source).region, run=run.id)
            with notices(session, "drill", source, settings.other(source)):
                play(run, isolated_drill(stack, source, begin, holding.settle))
    return session.report


def tabletop(asked: Asked) -> Report:
    """What a real failover would meet and do now: looks, and the exact calls; not one that changes anything.

    No lease is taken and no journal copied: both would be changes. Raises ChecksFailed when something speaks against a
    failover.
    """
    settings = asked.settings
    with opened("drill", asked, hurry=True) as session:
        run, stack = session.run, stack_of(settings)
        source = where_it_writes(run, stack)
        target = settings.other(source)
        take_for_lost(run, source)
        note_move(run, "tabletop", source)
        decide = Decide(stack.database.global_cluster, stack.front.balancer.at(target), source, target,
                        usual_minutes=usual_minutes(settings), grace_s=GRACE_S)
        picture = decide.picture(run)
        with session.progress.paused():
            show_decision(picture, decide.terms)
        run.events.emit("decision", picture=asdict(picture), allowed_loss_s=None, force="")
        run.measure("expected_minutes", picture.minutes)
        run.measure("expected_loss_s", picture.lag_s)
        run.measure("planned_calls", [{"number": one.number, "title": one.action.title, "beside": list(one.beside),
                                       "call": str(call)} for one, call in changes(
                                           run, runbook_of(stack, "unplanned", target))])
        findings = (*picture.blockers, *picture.unseen, *_unready(session, stack, target))
        for text in findings:
            run.events.emit("finding", text=text)
        if findings:
            raise ChecksFailed(f"a failover to {target.region} would meet problems", findings=findings,
                               next_step="mend them; drctl provision converges structure")
    return session.report


def _unready(session: Session, stack: Stack, target: Site) -> list[str]:
    """What of the surviving region a failover needs and does not find."""
    run = session.run
    control = Control.of_survivor(run.settings, session.way, target)
    needs = {
        "the lease": control.leases()[0].look,
        "the switch bucket": lambda: is_turned(run, stack.front.switches.at(target)),
        "the zone's name servers": lambda: name_servers(run, target),
        "the balancer": lambda: stack.front.balancer.at(target).dns_name(run),
        "the app": lambda: run.at(target).lambda_.get_function(FunctionName=run.name("lambda", "app", target))}
    seen = look_all(needs, LOOK_S)
    found = [f"{name} of {target.region}: {one.why}" for name, one in seen.items() if isinstance(one, Unanswered)]
    lease = seen["the lease"]
    if isinstance(lease, Seen) and not lease.is_free:
        found.append(f"{lease.terms.owner.name} holds the lease in {target.region} ({lease.terms.command})")
    return found


def fault(asked: Asked) -> Report:
    """A live drill whose region the lab breaks in the middle: it becomes a failover, and a failback in the end."""
    settings, place = asked.settings, str(asked.request["fault"])
    what, _, mode = place.partition(":")
    service = "" if what == "region" else what
    with opened("drill", asked, hurry=True) as session:
        run, stack, unfenced = session.run, stack_of(settings), session.run.aws
        source = where_it_writes(run, stack)
        target = settings.other(source)
        note_move(run, f"live, fault {place}", source)

        def broken() -> None:
            _ask_lab("POST", region=source.region, service=service, mode=mode or "refuse")
            take_for_lost(run, source)

        def mended() -> None:
            _ask_lab("DELETE", region=source.region, service=service)
            run.lost, run.aside, run.aws = "", None, unfenced

        terms = Terms(settings.objectives.rpo_minutes * 60, f"a drill with a fault: {place}")
        decide = Decide(stack.database.global_cluster, stack.front.balancer.at(target), source, target, terms)
        with held_by_survivor(session, target, asked.take_over) as holding:
            settle_drill(run, stack, holding)
            begin = partial(holding.begins, command="fault drill", source=source.region, run=run.id)
            with notices(session, "drill", source, target), judged(run):
                play(run, fault_drill(stack, decide, Break(source, what, broken), Mend(source, mended), begin,
                                      holding.settle))
    return session.report


def _ask_lab(method: str, **asked: str) -> None:
    from drctl.lab import process

    lab = process.running()
    if lab is None:
        raise process.LabDown("no lab of this home answers", next_step="drctl lab up")
    if problem := process.ask(lab, "outages", method, **asked).get("error"):
        raise ConfigurationError(f"the lab cannot do that: {problem}", next_step="drctl lab outage start --help")
