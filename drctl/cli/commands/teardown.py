"""`drctl teardown`."""

from __future__ import annotations

from pathlib import Path

import click

from drctl.cli import options
from drctl.cli.render import emit, show_teardown
from drctl.errors import Refused


@click.command("teardown", epilog="Example: drctl teardown -c config/dev.yaml")
@options.config
@options.as_json
@options.yes
def command(config_path: Path | None, as_json: bool, yes: bool) -> None:
    """Remove everything drctl made, from any state, and prove that nothing is left.

    Only what carries the stack's tags is touched. With deletion_protection: true in the configuration it refuses.
    """
    from drctl.cli.session import confirm, opened, settings_of

    settings = settings_of(config_path)
    if settings.deletion_protection:
        raise Refused("deletion_protection is true in the configuration; nothing was changed",
                      next_step="set deletion_protection: false, drctl provision, then drctl teardown")
    confirm(settings, f"Remove {settings.environment} in account {settings.account_id}, data included?", yes=yes,
            typed=True)
    from drctl.engine.runbook import play
    from drctl.runbooks.teardown import teardown
    from drctl.stack import stack_of

    with opened("teardown", settings) as session:
        play(session.run, teardown(stack_of(settings)))
    emit(session.report, as_json=as_json, text=lambda: show_teardown(session.report))
