"""`drctl provision`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from drctl.cli import options
from drctl.cli.asked import Asked
from drctl.cli.render import emit, show_outputs


@click.command("provision", epilog=options.examples(
    ("drctl provision", "build the stack in the lab"),
    ("drctl provision -c config/dev.yaml", "build it on AWS, or converge what stands"),
    ("drctl provision -c config/dev.yaml --yes --json", "the same in a script: no question, one JSON document")))
@options.config
@options.as_json
@options.yes
@options.take_over
def command(config_path: Path | None, as_json: bool, yes: bool, take_over: str) -> None:
    """Build or converge both regions, verify each resource, prove every wire, print the outputs.

    Run again, it changes nothing. Killed or failed, the same command goes on from there.
    """
    from drctl.cli.session import settings_of

    asked = Asked(settings_of(config_path), yes=yes, take_over=take_over)
    show(carry_out(asked.approved(ask(asked))), as_json=as_json)


def ask(asked: Asked) -> str:
    """Have it confirmed."""
    from drctl.cli.session import confirm

    return confirm(asked, f"Build or converge {asked.settings.environment} in account {asked.settings.account_id}?",
                   typed=False)


def carry_out(asked: Asked) -> dict[str, Any]:
    """Provision under the lease; the report."""
    from drctl.actions.switchover import active_site
    from drctl.cli.control import held
    from drctl.cli.finding_regions import refuse_unless_both_accept_credentials
    from drctl.cli.session import opened
    from drctl.engine.runbook import play
    from drctl.runbooks.provision import provision
    from drctl.stack import stack_of

    settings = asked.settings
    with opened("provision", asked) as session:
        stack = stack_of(settings)
        refuse_unless_both_accept_credentials(session.run)
        with held(session, stack, asked.take_over, builds=True):
            active = active_site(session.run, stack.database.global_cluster) or settings.primary
            play(session.run, provision(stack, active))
        session.run.measure("outputs", stack.outputs(session.run))
        session.run.measure("resources", stack.count_resources(session.run))
    return session.report


def show(report: dict[str, Any], *, as_json: bool) -> None:
    """The outputs and totals."""
    emit(report, as_json=as_json, text=lambda: show_outputs(report["outputs"], report))
