"""`drctl runs`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from drctl.cli import options
from drctl.cli.render import emit, show_runs, show_trend


@click.command("runs", epilog=options.examples(
    ("drctl runs", "runs of this machine, those that can be resumed first"),
    ("drctl runs --fetch -c config/production.yaml", "those of other machines too"),
    ("drctl runs --trend", "recovery times of all drills and failovers")))
@options.config
@options.as_json
@click.option("--fetch", is_flag=True, help="Bring the runs of other machines here first, from the control buckets.")
@click.option("--trend", is_flag=True, help="Recovery times of what has moved the stack, the oldest first.")
def command(config_path: Path | None, as_json: bool, fetch: bool, trend: bool) -> None:
    """Runs of this machine: those that did not come to their end first, then the others; each newest first."""
    from drctl.cli import evidence
    from drctl.cli.session import settings_of

    if fetch:
        evidence.fetch(settings_of(config_path))
    if trend:
        moves = measured_moves(evidence.reports())
        emit(moves, as_json=as_json, text=lambda: show_trend(moves))
        return
    keys = ("run", "command", "environment", "outcome", "resumes", "resumed_by", "superseded_by", "started_at",
            "aws_seconds", "wall_seconds", "rto_s", "rpo_s")
    rows = [{key: report.get(key) for key in keys} | {"can_be_resumed": evidence.can_be_resumed(report)}
            for report in evidence.reports()]
    emit(rows, as_json=as_json, text=lambda: show_runs(rows))


def measured_moves(reports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Runs with a measured recovery time, the oldest first."""
    keys = ("run", "command", "mode", "environment", "started_at", "from_region", "to_region", "rto_s", "rpo_s",
            "lost_rows", "objectives", "met", "simulated")
    found = [{key: report.get(key) for key in keys} for report in reports if report.get("rto_s") is not None]
    return sorted(found, key=lambda move: move["started_at"] or 0)
