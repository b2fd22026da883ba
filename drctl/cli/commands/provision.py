"""`drctl provision`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drctl.cli import options
from drctl.cli.render import emit, show_outputs

if TYPE_CHECKING:
    from drctl.settings import Settings


@click.command("provision", epilog="Example: drctl provision -c config/dev.yaml")
@options.config
@options.as_json
@options.yes
@options.take_over
def command(config_path: Path | None, as_json: bool, yes: bool, take_over: str) -> None:
    """Build or converge both regions, verify each resource, prove every wire, print the outputs.

    Run again, it changes nothing. Killed or failed, the same command goes on from there.
    """
    from drctl.cli.session import settings_of

    settings = settings_of(config_path)
    approval = ask(settings, yes=yes)
    report = carry_out(settings, take_over=take_over, approval=approval)
    show(report, as_json=as_json)


def ask(settings: Settings, *, yes: bool) -> str:
    """Have it confirmed."""
    from drctl.cli.session import confirm

    return confirm(settings, f"Build or converge {settings.environment} in account {settings.account_id}?", yes=yes,
                   typed=False)


def carry_out(settings: Settings, *, take_over: str = "", resumes: str = "", approval: str = "") -> dict[str, Any]:
    """Provision under the lease; the report."""
    from drctl.actions.preflight import identity
    from drctl.actions.switchover import active_site
    from drctl.cli.control import held
    from drctl.cli.session import opened
    from drctl.engine.runbook import play
    from drctl.runbooks.provision import provision
    from drctl.stack import stack_of

    with opened("provision", settings, resumes=resumes, approval=approval) as session:
        stack = stack_of(settings)
        identity(session.run)
        with held(session, stack, take_over, builds=True):
            active = active_site(session.run, stack.database.global_cluster) or settings.primary
            play(session.run, provision(stack, active))
        session.run.measure("outputs", stack.outputs(session.run))
        session.run.measure("resources", stack.count_resources(session.run))
    return session.report


def show(report: dict[str, Any], *, as_json: bool) -> None:
    """The outputs and totals."""
    emit(report, as_json=as_json, text=lambda: show_outputs(report["outputs"], report))
