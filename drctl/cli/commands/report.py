"""`drctl report RUN`."""

from __future__ import annotations

import click

from drctl.cli import options
from drctl.cli.render import emit, show_report


@click.command("report", epilog="Example: drctl report last")
@click.argument("run", default="last")
@options.as_json
def command(run: str, as_json: bool) -> None:
    """What happened in RUN (an id, its beginning, or `last`): outcome, times, figures, what failed."""
    from drctl.engine.report import report_of
    from drctl.engine.rundir import named

    directory = named(run)
    report = report_of(directory.id, directory.records())
    emit(report, as_json=as_json, text=lambda: show_report(report))
