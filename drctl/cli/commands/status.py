"""`drctl status`."""

from __future__ import annotations

from pathlib import Path

import click

from drctl.cli import options
from drctl.cli.render import emit, show_status


@click.command("status", epilog=options.examples(
    ("drctl status -c config/production.yaml", "who is active, who answers, what is left to be done"),
    ("drctl status -c config/production.yaml --json", "the same for a script")))
@options.config
@options.as_json
def command(config_path: Path | None, as_json: bool) -> None:
    """One screen: which region is active, roles, replication lag, health, where users are sent."""
    from drctl.cli.session import looking, settings_of

    settings = settings_of(config_path)
    from drctl.actions.look import whole_stack
    from drctl.cli.control import Control
    from drctl.cli.finding_regions import where_it_writes
    from drctl.stack import stack_of

    with looking(settings, hurry=True) as look:
        run, stack = look.run, stack_of(settings)
        where_it_writes(run, stack)
        seen = whole_stack(run, run.output(stack.database.global_cluster), stack.front.balancer, stack.front.checks,
                           stack.front.switches,
                           tuple(one for one in stack.front.certificate.all if one is not None))
        seen["lease"], unfinished = Control.of(settings, look.way).holders()
        seen["left"] = [*filter(None, [unfinished]), *seen["left"]]
    emit(seen, as_json=as_json, text=lambda: show_status(seen))
