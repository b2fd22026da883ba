"""The directory of a run: its journal and its report, under `DRCTL_HOME/runs/<id>`."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drctl.engine.journal import read
from drctl.errors import ConfigurationError
from drctl.home import home


def new_id(command: str) -> str:
    """Sorts by time, says what was run, and differs for two runs of one second."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{command}-{secrets.token_hex(2)}"


@dataclass(frozen=True)
class RunDirectory:
    """Where one run keeps its evidence."""

    path: Path

    @property
    def id(self) -> str:
        """The run's id is the directory's name."""
        return self.path.name

    @property
    def journal(self) -> Path:
        """The run's journal."""
        return self.path / "journal.jsonl"

    @property
    def report(self) -> Path:
        """The run's report, written at its end."""
        return self.path / "report.json"

    @property
    def page(self) -> Path:
        """The report as a page for people, written at the run's end."""
        return self.path / "report.html"

    def records(self) -> list[dict[str, Any]]:
        """The journal's records."""
        return read(self.journal) if self.journal.exists() else []

    def write_report(self, report: dict[str, Any]) -> None:
        """Keep the report beside the journal."""
        self.report.write_text(json.dumps(report, indent=2, default=str) + "\n", encoding="utf-8")


def new(command: str) -> RunDirectory:
    """A directory for a run that begins now."""
    directory = RunDirectory(home() / "runs" / new_id(command))
    directory.path.mkdir(parents=True)
    return directory


def restored(run_id: str, journal: bytes) -> RunDirectory:
    """The directory of a run of another machine, with its journal as it was copied."""
    directory = RunDirectory(home() / "runs" / run_id)
    directory.path.mkdir(parents=True, exist_ok=True)
    directory.journal.write_bytes(journal)
    return directory


def all_runs() -> Iterator[RunDirectory]:
    """Every run of this home, newest first."""
    root = home() / "runs"
    for path in sorted(root.iterdir() if root.exists() else (), reverse=True):
        if (path / "journal.jsonl").exists():
            yield RunDirectory(path)


def named(run_id: str) -> RunDirectory:
    """The run with this id, or whose id begins so; `last` is the newest. ConfigurationError when there is none."""
    runs = list(all_runs())
    found = runs[:1] if run_id == "last" else [run for run in runs if run.id.startswith(run_id)]
    if len(found) != 1:
        what = "several runs begin so" if found else "there is no such run"
        raise ConfigurationError(f"{run_id}: {what}", next_step="drctl runs")
    return found[0]
