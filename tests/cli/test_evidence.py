"""What is known of runs that stopped on their way: which one has gone on with them, and which came in their place."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from drctl.cli.commands import report as report_command
from drctl.cli.commands import runs as runs_command
from drctl.cli.evidence import brought_to_its_end, can_be_resumed, reports, to_resume
from drctl.engine.owner import Owner
from drctl.engine.report import what_followed
from drctl.errors import Refused
from drctl.settings import Settings


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No run is known yet."""
    monkeypatch.setenv("DRCTL_HOME", str(tmp_path))


def began(home: Path, number: int, outcome: str = "", resumes: str = "", command: str = "failover") -> str:
    """A run of this home, by its number; without an outcome it was killed."""
    run = f"2031050{number}-120000-{command}-abcd"
    start: dict[str, Any] = {
        "event": "run-started", "command": command, "environment": "lab", "target": "lab", "at": float(number),
        "aws": 0.0, "settings": Settings().model_dump(mode="json"),
        "owner": asdict(Owner("somebody", "elsewhere", "-", 1, "0"))}
    records = [start | ({"resumes": resumes} if resumes else {})]
    if outcome:
        records.append({"event": "run-ended", "outcome": outcome, "at": float(number), "aws": 1.0})
    directory = home / "runs" / run
    directory.mkdir(parents=True)
    (directory / "journal.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    return run


def known(run: str) -> Any:
    """What is known of a run."""
    return next(one for one in reports() if one["run"] == run)


def test_one_that_resumes_a_run_has_gone_on_with_it(tmp_path: Path) -> None:
    killed = began(tmp_path, 1)
    resumed = began(tmp_path, 2, "done", resumes=killed)
    began(tmp_path, 3, "done")
    assert what_followed(known(killed)) == f"gone on with by {resumed}"
    assert not can_be_resumed(known(killed))


def test_a_later_one_of_the_same_command_has_not_gone_on_with_it_and_stands_in_its_place_all_the_same(
        tmp_path: Path) -> None:
    killed = began(tmp_path, 1)
    began(tmp_path, 2, "failed", command="teardown")
    assert can_be_resumed(known(killed))
    later = began(tmp_path, 3, "done")
    words = f"superseded by {later}"
    assert not can_be_resumed(known(killed))
    assert (known(killed).get("resumed_by"), known(killed)["superseded_by"]) == (None, later)
    assert words in CliRunner().invoke(runs_command.command, []).output
    assert words in CliRunner().invoke(report_command.command, [killed]).output
    with pytest.raises(Refused, match=rf"is interrupted \({words}\); there is nothing to go on with"):
        to_resume(killed, Settings)


def test_a_run_is_brought_to_its_end_by_itself_or_by_the_last_of_those_that_went_on_with_it(tmp_path: Path) -> None:
    killed = began(tmp_path, 1)
    again = began(tmp_path, 2, "failed", resumes=killed)
    began(tmp_path, 3, "done")
    assert brought_to_its_end(known(killed)) is None
    last = began(tmp_path, 4, "done", resumes=again)
    assert [(brought_to_its_end(known(one)) or {})["run"] for one in (killed, again, last)] == [last] * 3
