"""`drctl runs`."""

from __future__ import annotations

import click

from drctl.cli import options
from drctl.cli.render import emit, show_runs


@click.command("runs")
@options.as_json
def command(as_json: bool) -> None:
    """Past and interrupted runs of this machine, newest first."""
    from drctl.engine.report import report_of
    from drctl.engine.rundir import all_runs

    keys = ("run", "command", "environment", "outcome", "started_at", "aws_seconds", "wall_seconds", "rto_s", "rpo_s")
    reports = [report_of(directory.id, directory.records()) for directory in all_runs()]
    rows = [{key: report.get(key) for key in keys} for report in reports]
    emit(rows, as_json=as_json, text=lambda: show_runs(rows))
