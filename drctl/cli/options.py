"""Options every command shares, spelled once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]


def examples(*shown: tuple[str, str]) -> str:
    """The end of a command's help: what people type, and what for."""
    width = max(len(line) for line, _ in shown)
    lines = (f"  {line:{width}}  {why}".rstrip() for line, why in shown)
    return "\n".join(("\b", "Examples:", *lines))


def run_ids(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """For a shell that completes a run: `last`, and the runs of this home, newest first."""
    from drctl.engine import rundir

    return [name for name in ("last", *(run.id for run in rundir.all_runs())) if name.startswith(incomplete)]


def config(command: Command) -> Command:
    """`-c/--config`, or DRCTL_CONFIG; with neither, the packaged lab configuration."""
    return click.option("-c", "--config", "config_path", type=click.Path(path_type=Path), envvar="DRCTL_CONFIG",
                        help="Configuration file; default: the packaged configuration of the lab.")(command)


def as_json(command: Command) -> Command:
    """`--json`: one JSON document on stdout."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")(command)


def yes(command: Command) -> Command:
    """`--yes`: for automation."""
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


def take_over(command: Command) -> Command:
    """`--take-over [OWNER]`: the lease of an owner, or of a run, that is known to be dead."""
    return click.option("--take-over", is_flag=False, flag_value="?", default="", metavar="[OWNER]",
                        help="Take the lease over from OWNER, a name or a run, that is known to be dead; without one "
                             "the name is asked for.")(command)
