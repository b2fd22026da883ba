"""`drctl failover --drill`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drctl.cli import options
from drctl.cli.render import emit, show_drill

if TYPE_CHECKING:
    from drctl.settings import Settings


@click.command("failover", epilog="Example: drctl failover --drill --yes --json")
@options.config
@options.as_json
@options.yes
@options.take_over
@click.option("--drill", is_flag=True, help="Rehearse: switch over to the other region and back, measured.")
def command(config_path: Path | None, as_json: bool, yes: bool, take_over: str, drill: bool) -> None:
    """Rehearse the loss of the active region: switchover, DNS, proof, and back; measured on real writes."""
    if not drill:
        raise click.UsageError("say --drill; the unplanned failover is not part of this version")
    from drctl.cli.session import settings_of

    settings = settings_of(config_path)
    approval = ask(settings, yes=yes)
    report = carry_out(settings, take_over=take_over, approval=approval)
    show(report, as_json=as_json)


def ask(settings: Settings, *, yes: bool) -> str:
    """Have it confirmed."""
    from drctl.cli.session import confirm

    return confirm(settings, f"Move the traffic of {settings.environment} to the other region and back?", yes=yes,
                   typed=True)


def carry_out(settings: Settings, *, take_over: str = "", resumes: str = "", approval: str = "") -> dict[str, Any]:
    """A drill under the lease, after an earlier one that did not come to its end was put back; the report."""
    from functools import partial

    from drctl.actions.judge import judge
    from drctl.actions.prove import refuse_without
    from drctl.actions.switchover import active_site
    from drctl.cli.control import held
    from drctl.cli.session import opened
    from drctl.engine.runbook import play
    from drctl.runbooks.drill import drill, put_back
    from drctl.stack import stack_of

    with opened("drill", settings, resumes=resumes, approval=approval) as session:
        run, stack = session.run, stack_of(settings)
        refuse_without(run, stack.database.global_cluster)
        source = active_site(run, stack.database.global_cluster) or settings.primary
        with held(session, stack, take_over) as holding:
            if holding.inherited:
                source = next(site for site in settings.sites if site.region == holding.inherited["home"])
                run.say(f"an earlier drill did not come to its end: everything is put back to {source.region} first")
                play(run, put_back(stack, source, holding.settle))
            run.measure("mode", "live")
            run.measure("from_region", source.region)
            run.measure("to_region", settings.other(source).region)
            try:
                begin = partial(holding.begins, command="drill", home=source.region)
                play(run, drill(stack, source, begin, holding.settle))
            finally:
                judge(run, run.measures)
    return session.report


def show(report: dict[str, Any], *, as_json: bool) -> None:
    """The drill's result."""
    emit(report, as_json=as_json, text=lambda: show_drill(report))
