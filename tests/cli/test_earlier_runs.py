"""What this machine tells of earlier runs: the last drill that rehearsed anything, and what stopped on its way."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from drctl.cli.earlier_runs import drills_here, known, last_drill, local, stopped_or_under_way
from drctl.engine.looks import Unanswered
from drctl.engine.owner import myself
from drctl.settings import Settings

OURS = {"environment": "lab", "target": "lab", "outcome": "done"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without runs."""
    monkeypatch.setenv("DRCTL_HOME", str(tmp_path))
    return tmp_path


def keep(home: Path, run: str, **report: Any) -> None:
    """A run that has written its report."""
    directory = home / "runs" / run
    directory.mkdir(parents=True)
    (directory / "journal.jsonl").touch()
    (directory / "report.json").write_text(json.dumps(OURS | {
        "run": run, "command": run.split("-")[2], "started_at": float(run[:8]), **report}))


def begin(home: Path, run: str, **owner: Any) -> None:
    """A run that has not come to its end."""
    directory = home / "runs" / run
    directory.mkdir(parents=True)
    (directory / "journal.jsonl").write_text(json.dumps({
        "event": "run-started", "at": float(run[:8]), "aws": 0.0, "command": run.split("-")[2], "environment": "lab",
        "target": "lab", "owner": asdict(myself()) | owner}) + "\n")


def test_a_home_without_runs_knows_nothing(home: Path) -> None:
    found = local(Settings())
    assert (found.drill, found.runs, found.usual_minutes, found.unknown) == (None, (), None, "")
    assert drills_here() == frozenset()


def test_the_last_drill_is_the_newest_that_rehearsed_anything_of_this_stack(home: Path) -> None:
    keep(home, "20310501-120000-drill-aaaa", mode="live", rto_s=61.0, rpo_s=0.0)
    keep(home, "20310502-120000-drill-bbbb", mode="tabletop")
    keep(home, "20310503-120000-drill-cccc", mode="live", outcome="refused")
    keep(home, "20310504-120000-drill-dddd", mode="live", environment="prod")
    keep(home, "20310505-120000-failover-eeee", mode="unplanned")
    drill = last_drill(Settings())
    assert drill is not None
    assert (drill["run"], drill["mode"], drill["rto_s"]) == ("20310501-120000-drill-aaaa", "live", 61.0)
    assert len(drills_here()) == 4


def test_a_drill_that_failed_is_the_last_one_too(home: Path) -> None:
    keep(home, "20310501-120000-drill-aaaa", mode="live", rto_s=61.0)
    keep(home, "20310502-120000-drill-bbbb", mode="live", outcome="failed")
    drill = last_drill(Settings())
    assert drill is not None
    assert (drill["run"], drill["outcome"], drill["rto_s"]) == ("20310502-120000-drill-bbbb", "failed", None)


def test_a_run_under_way_here_and_one_that_died_are_told_apart(home: Path) -> None:
    begin(home, "20310501-120000-provision-aaaa", started="another")
    begin(home, "20310502-120000-failback-bbbb")
    assert stopped_or_under_way(Settings()) == [
        {"run": "20310502-120000-failback-bbbb", "command": "failback", "outcome": "running", "next": ""},
        {"run": "20310501-120000-provision-aaaa", "command": "provision", "outcome": "interrupted",
         "next": "drctl resume 20310501-120000-provision-aaaa"}]


def test_what_a_later_run_has_brought_to_its_end_is_not_told(home: Path) -> None:
    keep(home, "20310501-120000-provision-aaaa", outcome="failed")
    keep(home, "20310502-120000-provision-bbbb", outcome="done")
    assert stopped_or_under_way(Settings()) == []


def test_a_home_that_cannot_be_read_in_time_is_told_as_not_known() -> None:
    assert known(Unanswered("no answer yet")).unknown == "no answer yet"
