"""`drctl failback`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from drctl.cli import options
from drctl.cli.asked import Asked
from drctl.cli.render import emit, show_failover


@click.command("failback", epilog=options.examples(
    ("drctl failback -c config/production.yaml", "home again, once the lost region is back"),
    ("drctl failback --show -c config/production.yaml", "the runbook, with AWS CLI commands"),
    ("drctl failback --rebuild -c config/production.yaml", "make the old region's cluster anew, if Aurora did not"),
    ("drctl failback --lost us-east-1", "no note tells which region was lost: this one")))
@options.config
@options.as_json
@options.yes
@options.take_over
@click.option("--rebuild", is_flag=True, help="Make the cluster of the region that is not active anew, be that home or "
              "not, if it stands outside the global database; a last snapshot of it is kept. Refused while anything "
              "shows that users work with it.")
@click.option("--lost", metavar="REGION", help="The region that a failover has left, where no note tells: its app is "
              "stopped first, its rescue snapshot kept, and what was lost there is listed.")
@click.option("--show", "shows", is_flag=True, help="Print the runbook with the commands of a person; nothing is "
              "called.")
def command(config_path: Path | None, as_json: bool, yes: bool, take_over: str, rebuild: bool, lost: str | None,
            shows: bool) -> None:
    """Go home: wait for the lost region, rejoin it, list what was lost there, switch over without loss, DNS last."""
    from drctl.cli.session import settings_of

    settings = settings_of(config_path)
    if lost is not None and lost not in {site.region for site in settings.sites}:
        raise click.BadParameter(f"{lost!r} is no region of this stack", param_hint="--lost")
    if shows:
        from drctl.cli.by_hand import show_runbook

        show_runbook(settings, "failback", None)
        return
    asked = Asked(settings, {"rebuild": rebuild, "lost": lost}, yes, take_over)
    show(carry_out(asked.approved(ask(asked))), as_json=as_json)


def ask(asked: Asked) -> str:
    """Have it confirmed; a rebuild asks for itself, once it is known which cluster it would delete."""
    from drctl.cli.session import confirm

    if asked.request.get("rebuild"):
        return ""
    settings = asked.settings
    return confirm(asked, f"Bring {settings.environment} home to {settings.primary.region}?", typed=True)


def carry_out(asked: Asked) -> dict[str, Any]:
    """Failback, and everything that a failover has left to be done; the report."""
    from drctl.cli.failing_back import failback

    return failback(asked)


def show(report: dict[str, Any], *, as_json: bool) -> None:
    """The result."""
    emit(report, as_json=as_json, text=lambda: show_failover(report))
