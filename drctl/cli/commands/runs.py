"""`drctl runs`."""

from __future__ import annotations

from pathlib import Path

import click

from drctl.cli import options
from drctl.cli.render import emit, show_runs


@click.command("runs")
@options.config
@options.as_json
@click.option("--fetch", is_flag=True, help="Bring the runs of other machines here first, from the control buckets.")
def command(config_path: Path | None, as_json: bool, fetch: bool) -> None:
    """Runs of this machine: those that did not come to their end first, then the others; each newest first."""
    from drctl.cli import evidence
    from drctl.cli.session import settings_of

    if fetch:
        evidence.fetch(settings_of(config_path))
    keys = ("run", "command", "environment", "outcome", "resumes", "resumed_by", "started_at", "aws_seconds",
            "wall_seconds", "rto_s", "rpo_s")
    rows = [{key: report.get(key) for key in keys} | {"can_be_resumed": evidence.can_be_resumed(report)}
            for report in evidence.reports()]
    emit(rows, as_json=as_json, text=lambda: show_runs(rows))
