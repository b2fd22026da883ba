"""`drctl provision`."""

from __future__ import annotations

from pathlib import Path

import click

from drctl.cli import options
from drctl.cli.render import emit, show_outputs


@click.command("provision", epilog="Example: drctl provision -c config/dev.yaml")
@options.config
@options.as_json
@options.yes
def command(config_path: Path | None, as_json: bool, yes: bool) -> None:
    """Build or converge both regions, verify each resource, prove every wire, print the outputs.

    Run again, it changes nothing. Killed or failed, the same command goes on from there.
    """
    from drctl.cli.session import confirm, opened, settings_of

    settings = settings_of(config_path)
    confirm(settings, f"Build or converge {settings.environment} in account {settings.account_id}?", yes=yes,
            typed=False)
    from drctl.actions.preflight import identity
    from drctl.actions.switchover import active_site
    from drctl.engine.runbook import play
    from drctl.runbooks.provision import provision
    from drctl.stack import stack_of

    with opened("provision", settings) as session:
        stack = stack_of(settings)
        identity(session.run)
        active = active_site(session.run, stack.database.global_cluster) or settings.primary
        play(session.run, provision(stack, active))
        outputs = stack.outputs(session.run)
        session.run.measure("outputs", outputs)
        session.run.measure("resources", stack.count_resources(session.run))
    emit(session.report, as_json=as_json, text=lambda: show_outputs(outputs, session.report))
