"""`drctl resume [RUN]`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click

from drctl.cli import options
from drctl.cli.asked import Asked
from drctl.errors import ConfigurationError

#: Module of the command that carries out what a journal calls so.
CARRIED_OUT_BY = {"provision": "provision", "drill": "failover", "failover": "failover", "failback": "failback",
                  "teardown": "teardown"}


@click.command("resume", epilog=options.examples(
    ("drctl resume", "go on with the newest run that stopped on its way"),
    ("drctl resume 20261129-0312", "with this one"),
    ("drctl resume -c config/dev.yaml", "on another machine: the run is fetched from the control buckets")))
@click.argument("run", required=False, shell_complete=options.run_ids)
@options.config
@options.as_json
@options.yes
@options.take_over
def command(run: str | None, config_path: Path | None, as_json: bool, yes: bool, take_over: str) -> None:
    """Go on with RUN (an id, its beginning, or `last`), or with the newest run that did not come to its end.

    The settings are those that the run was begun with. A run of another machine is fetched from the control buckets,
    which -c/--config names.
    """
    from drctl.cli.evidence import to_resume
    from drctl.cli.session import settings_of
    from drctl.settings import Settings

    report, directory = to_resume(run, lambda: settings_of(config_path))
    start = directory.records()[0]
    if start["command"] not in CARRIED_OUT_BY:
        raise ConfigurationError(f"a run of {start['command']} cannot be gone on with", next_step="drctl runs")
    settings = Settings.model_validate(start["settings"])
    click.echo(f"going on with {report['run']}: {start['command']} of {settings.environment}, {report['outcome']}",
               err=True)
    carrier: Any = importlib.import_module(f"drctl.cli.commands.{CARRIED_OUT_BY[start['command']]}")
    asked = Asked(settings, start.get("request", {}), yes, take_over, before=report)
    carrier.show(carrier.carry_out(asked.approved(carrier.ask(asked))), as_json=as_json)
