"""What is done before a planned move, and what earlier moves tell of the next one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from drctl.cli.earlier_runs import usual_minutes
from drctl.cli.failing_over import settle_drill
from drctl.engine.clock import Clock
from drctl.engine.holding import Holding
from drctl.engine.lease import Terms
from drctl.engine.owner import myself
from drctl.errors import Refused
from drctl.settings import Settings
from drctl.stack import stack_of
from tests.engine.fakes import offline_run

LIVE = {"environment": "lab", "target": "lab", "mode": "live"}


@pytest.mark.parametrize(("command", "words", "step"), [
    ("fault drill", "a drill with a fault did not come to its end: run r-1", "drctl lab outage end; drctl failback"),
    ("planned failover", "a planned failover did not come to its end: run r-1", "drctl resume r-1")])
def test_what_cannot_be_put_back_by_itself_is_refused_with_the_way_out(command: str, words: str, step: str) -> None:
    holding = Holding((), Terms(myself(), "r-2", "drill", "2031-05-01T12:00:00Z", 120.0), Clock())
    holding.inherited = {"command": command, "run": "r-1"}
    with pytest.raises(Refused) as refused:
        settle_drill(offline_run(), stack_of(Settings()), holding)
    assert refused.value.message == words
    assert refused.value.next_step.startswith(step)


@pytest.mark.parametrize(("reports", "minutes"), [
    ([], None),
    ([{**LIVE, "rto_s": 120.0}], 2.0),
    ([{**LIVE, "mode": "planned", "rto_s": 60.0}, {**LIVE, "rto_s": 120.0},
      {**LIVE, "mode": "unplanned", "rto_s": 900.0, "execution_rto_s": 180.0}], 2.0),
    ([{**LIVE, "mode": "unplanned", "rto_s": 900.0}], None),
    ([{**LIVE, "environment": "prod", "rto_s": 60.0}, {**LIVE, "target": "aws", "rto_s": 60.0}], None)])
def test_the_usual_minutes_are_the_median_of_what_moves_took_from_the_decision_on(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reports: list[dict[str, Any]], minutes: float | None) -> None:
    """What an unplanned one took from the outage on says how late somebody came, and not how long it takes."""
    monkeypatch.setenv("DRCTL_HOME", str(tmp_path))
    for number, report in enumerate(reports):
        directory = tmp_path / "runs" / f"2031050{number + 1}-120000-failover-abcd"
        directory.mkdir(parents=True)
        (directory / "journal.jsonl").touch()
        (directory / "report.json").write_text(json.dumps(report))
    assert usual_minutes(Settings()) == minutes
