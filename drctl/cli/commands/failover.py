"""`drctl failover`: the real thing, planned or not, and the drills."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from drctl.cli import options
from drctl.cli.asked import Asked
from drctl.cli.render import emit, show_drill, show_failover, show_isolated, show_tabletop

#: Options by the name of their value, what is said where they do not fit, and when they do.
RULES: tuple[tuple[tuple[str, ...], str, Callable[[Mapping[str, Any]], bool]], ...] = (
    (("mode", "stay", "fault"), "{} goes with --drill", lambda asked: bool(asked["drill"])),
    (("stay", "fault"), "{} goes with a live drill", lambda asked: asked["mode"] in {None, "live"}),
    (("stay",), "--stay and --fault exclude each other", lambda asked: not asked["fault"]),
    (("bound", "force"), "--allow-data-loss and --force go with an unplanned failover",
     lambda asked: not asked["drill"] and not asked["planned"]),
    (("begin_at",), "--from goes with a failover; a drill begins anew",
     lambda asked: not asked["drill"] and not asked["escalate"]),
    (("to",), "--to goes with a failover, or with --show; a drill moves away from the active region",
     lambda asked: not asked["drill"] or asked["show"]))
MODES = ("live", "isolated", "tabletop")
EXAMPLES = options.examples(
    ("drctl failover", "shows what is known, and does nothing"),
    ("drctl failover --allow-data-loss 60s", "the active region is gone"),
    ("drctl failover --planned", "both regions are healthy: no loss"),
    ("drctl failover --drill", "there and back, measured"),
    ("drctl failover --drill --mode tabletop", "changes nothing, prints the calls"),
    ("drctl failover --show", "the runbook, with AWS CLI commands"),
    ("drctl failover --escalate 20261129-0312 --allow-data-loss 5m", "a planned move whose region died"))


@click.command("failover", epilog=EXAMPLES)
@options.config
@options.as_json
@options.yes
@options.take_over
@click.option("--allow-data-loss", "bound", metavar="SPAN", help="Unplanned: seconds of writes that may be lost: 60s, "
              "5m. Without it what is known is shown, and nothing is done.")
@click.option("--force", metavar="REASON", default="", help="Unplanned: go on although the lag is over the bound or "
              "unknown, or the region seems healthy; the reason goes into the report.")
@click.option("--planned", is_flag=True, help="A switchover without loss, and stay; refused unless both sides are "
              "healthy.")
@click.option("--escalate", metavar="RUN", shell_complete=options.run_ids, help="A planned failover whose region has "
              "died: go on with RUN as an unplanned one.")
@click.option("--drill", is_flag=True, help="Rehearse; see --mode.")
@click.option("--mode", type=click.Choice(MODES), help="Drill: live moves the stack there and back; isolated proves a "
              "copy in the standby region; tabletop changes nothing.")
@click.option("--stay", is_flag=True, help="Live drill: stay in the other region.")
@click.option("--fault", metavar="PLACE", help="Live drill in the lab: break the active region in the middle: region, "
              "or a service such as rds; with :refuse, :error or :hang.")
@click.option("--to", metavar="REGION", help="The region to move to; without it, the one that is not active.")
@click.option("--show", is_flag=True, help="Print the runbook with the commands of a person; nothing is called.")
@click.option("--from", "begin_at", type=click.IntRange(min=1), default=1, metavar="STEP", help="Start at a line of "
              "the runbook, by its number in --show.")
def command(config_path: Path | None, as_json: bool, yes: bool, take_over: str, **asked: Any) -> None:
    """Bring the stack to the other region: when the active one is gone, as a planned move, or as a drill."""
    from drctl.cli.session import settings_of

    _refuse_contradictions(asked)
    settings = settings_of(config_path)
    if asked["fault"]:
        _refuse_impossible_fault(settings.target, asked["fault"])
    if asked["show"]:
        from drctl.cli.by_hand import show_runbook

        show_runbook(settings, request_of(asked)["mode"], asked["to"])
        return
    if asked["to"] and asked["to"] not in {site.region for site in settings.sites}:
        raise click.BadParameter(f"{asked['to']!r} is no region of this stack", param_hint="--to")
    wanted = Asked(settings, request_of(asked), yes, take_over)
    if asked["escalate"]:
        wanted = _escalating(wanted, asked["escalate"])
    show(carry_out(wanted.approved(ask(wanted))), as_json=as_json)


def _refuse_contradictions(asked: Mapping[str, Any]) -> None:
    """Bad usage gets exit 2 before anything is called."""
    from drctl.cli.failing_over import bound_of

    bound_of(asked["bound"])
    kinds = [name for name in ("drill", "planned", "escalate") if asked[name]]
    if len(kinds) > 1:
        raise click.UsageError(f"--{kinds[0]} and --{kinds[1]} exclude each other")
    for names, words, fits in RULES:
        for name in names:
            if asked[name] and (name, asked[name]) != ("begin_at", 1) and not fits(asked):
                raise click.UsageError(words.format(f"--{name}"))


def _refuse_impossible_fault(target: str, place: str) -> None:
    """What the lab cannot break is told before anything has moved."""
    if target != "lab":
        raise click.UsageError("--fault breaks a lab, and nothing else")
    from drctl.lab import outages

    what, _, mode = place.partition(":")
    try:
        outages.checked("", "" if what == "region" else what, mode or "refuse")
    except outages.Impossible as error:
        raise click.BadParameter(f"{error}; or region", param_hint="--fault") from None


def request_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked for, in the words in which the run's journal keeps it."""
    from drctl.cli.failing_over import bound_of

    if asked["drill"]:
        return {"mode": asked["mode"] or "live", "stay": asked["stay"], "fault": asked["fault"]}
    if asked["planned"]:
        return {"mode": "planned", "to": asked["to"], "from": asked["begin_at"]}
    return {"mode": "unplanned", "to": asked["to"], "allowed_loss_s": bound_of(asked["bound"]), "force": asked["force"],
            "from": asked["begin_at"]}


def ask(asked: Asked) -> str:
    """Have it confirmed; an unplanned failover asks for itself, once it has shown what is known."""
    from drctl.cli.session import confirm

    mode, name = asked.request.get("mode", "live"), asked.settings.environment
    back = "" if asked.request.get("stay") else " and back"
    questions = {"planned": f"Move {name} to the other region, without loss, and stay there?",
                 "isolated": f"Make a temporary copy of {name}'s database in the standby region?",
                 "live": f"Move the traffic of {name} to the other region{back}?"}
    return confirm(asked, questions[mode], typed=mode != "isolated") if mode in questions else ""


def carry_out(asked: Asked) -> dict[str, Any]:
    """Do what is asked for; the report."""
    match asked.request.get("mode", "live"):
        case "unplanned":
            from drctl.cli.failing_over import unplanned

            return unplanned(asked)
        case "planned":
            from drctl.cli.failing_over import planned

            return planned(asked)
        case "tabletop":
            from drctl.cli.drills import tabletop

            return tabletop(asked)
        case "isolated":
            from drctl.cli.drills import isolated

            return isolated(asked)
        case _:
            from drctl.cli.drills import fault, live

            return fault(asked) if asked.request.get("fault") else live(asked)


def _escalating(asked: Asked, run: str) -> Asked:
    """The run's own lease is taken over, nobody else's: should its process live, it stops at its next change."""
    from drctl.cli.evidence import brought_to_its_end, named
    from drctl.engine.report import report_of
    from drctl.errors import Refused

    directory = named(run, lambda: asked.settings)
    before = report_of(directory.id, directory.records())
    if before["command"] not in {"failover", "drill"}:
        raise Refused(f"run {directory.id} was no failover or drill: there is nothing to escalate",
                      next_step="drctl failover")
    if before["command"] == "failover" and (done := brought_to_its_end(before)):
        by = "" if done["run"] == directory.id else f", brought to its end by {done['run']}"
        raise Refused(f"run {directory.id} is done{by}: there is nothing to escalate",
                      next_step="drctl status; is the region that writes now gone: drctl failover")
    return replace(asked, before=before, take_over=directory.id)


def show(report: dict[str, Any], *, as_json: bool) -> None:
    """The result."""
    text = show_failover
    if report["command"] == "drill":
        text = {"tabletop": show_tabletop, "isolated": show_isolated}.get(report["mode"], show_drill)
    emit(report, as_json=as_json, text=lambda: text(report))

