"""`drctl failover --drill`."""

from __future__ import annotations

from pathlib import Path

import click

from drctl.cli import options
from drctl.cli.render import emit, show_drill


@click.command("failover", epilog="Example: drctl failover --drill --yes --json")
@options.config
@options.as_json
@options.yes
@click.option("--drill", is_flag=True, help="Rehearse: switch over to the other region and back, measured.")
def command(config_path: Path | None, as_json: bool, yes: bool, drill: bool) -> None:
    """Rehearse the loss of the active region: switchover, DNS, proof, and back; measured on real writes."""
    if not drill:
        raise click.UsageError("say --drill; the unplanned failover is not part of this version")
    from drctl.cli.session import confirm, opened, settings_of

    settings = settings_of(config_path)
    confirm(settings, f"Move the traffic of {settings.environment} to the other region and back?", yes=yes, typed=True)
    from drctl.actions.judge import judge
    from drctl.actions.prove import refuse_without
    from drctl.actions.switchover import active_site
    from drctl.engine.runbook import play
    from drctl.runbooks.drill import drill as drill_of
    from drctl.stack import stack_of

    with opened("drill", settings) as session:
        stack = stack_of(settings)
        refuse_without(session.run, stack.database.global_cluster)
        source = active_site(session.run, stack.database.global_cluster) or settings.primary
        session.run.measure("mode", "live")
        session.run.measure("source", source.region)
        session.run.measure("target", settings.other(source).region)
        try:
            play(session.run, drill_of(stack, source))
        finally:
            judge(session.run, session.run.measures)
    emit(session.report, as_json=as_json, text=lambda: show_drill(session.report))
