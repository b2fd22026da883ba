"""`drctl teardown`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from drctl.cli import options
from drctl.cli.asked import Asked
from drctl.cli.render import emit, show_teardown
from drctl.errors import Refused


@click.command("teardown", epilog=options.examples(
    ("drctl teardown", "remove the stack from the lab"),
    ("drctl teardown -c config/dev.yaml", "remove it from AWS, data included; asks for the environment's name")))
@options.config
@options.as_json
@options.yes
@options.take_over
def command(config_path: Path | None, as_json: bool, yes: bool, take_over: str) -> None:
    """Remove everything drctl made, from any state, and prove that nothing is left.

    Only what carries the stack's tags is touched. With deletion_protection: true in the configuration it refuses.
    """
    from drctl.cli.session import settings_of

    asked = Asked(settings_of(config_path), yes=yes, take_over=take_over)
    show(carry_out(asked.approved(ask(asked))), as_json=as_json)


def ask(asked: Asked) -> str:
    """Have it confirmed, unless the configuration forbids it."""
    from drctl.cli.session import confirm

    settings = asked.settings
    if settings.deletion_protection:
        raise Refused("deletion_protection is true in the configuration; nothing was changed",
                      next_step="set deletion_protection: false, drctl provision, then drctl teardown")
    return confirm(asked, f"Remove {settings.environment} in account {settings.account_id}, data included?", typed=True)


def carry_out(asked: Asked) -> dict[str, Any]:
    """Teardown under the lease, which goes last; the report."""
    from drctl.actions.preflight import identity
    from drctl.cli.control import held
    from drctl.cli.session import opened
    from drctl.engine.lease import NoControlBucket
    from drctl.engine.runbook import play
    from drctl.runbooks.teardown import teardown
    from drctl.stack import stack_of

    with opened("teardown", asked) as session:
        stack = stack_of(asked.settings)
        identity(session.run)
        try:
            with held(session, stack, asked.take_over) as holding:
                def let_go() -> None:
                    session.end_copying()
                    holding.leave()

                play(session.run, teardown(stack, let_go))
        except NoControlBucket:  # made before everything else and removed after it: so there is hardly anything left
            session.run.say("no control bucket stands: nothing was built, or nearly everything is removed")
            play(session.run, teardown(stack, lambda: None))
    return session.report


def show(report: dict[str, Any], *, as_json: bool) -> None:
    """The inventory and totals."""
    emit(report, as_json=as_json, text=lambda: show_teardown(report))
