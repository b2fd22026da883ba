"""A report is what the journal says, also of a run that was killed."""

from __future__ import annotations

from drctl.engine.report import report_of

RECORDS = [
    {"n": 1, "at": 100.0, "aws": 0.0, "event": "run-started", "command": "drill", "environment": "dev",
     "target": "lab", "version": "1"},
    {"n": 2, "at": 100.5, "aws": 1.0, "event": "call", "to": "us-east-1", "mutating": False},
    {"n": 3, "at": 100.6, "aws": 2.0, "event": "call", "to": "us-west-2", "mutating": True},
    {"n": 4, "at": 101.0, "aws": 90.0, "event": "action-ended", "step": "switch over", "outcome": "done",
     "phase": "promote", "aws_seconds": 88.0},
    {"n": 5, "at": 101.1, "aws": 95.0, "event": "action-ended", "step": "again", "outcome": "skipped",
     "phase": "promote", "aws_seconds": 1.0},
    {"n": 6, "at": 101.2, "aws": 99.0, "event": "measure", "name": "rto_s", "value": 97.5, "unit": "s"},
]
END = {"n": 7, "at": 102.0, "aws": 120.0, "event": "run-ended", "outcome": "done", "hash": "abc"}


def test_a_finished_run_tells_outcome_times_figures_and_calls() -> None:
    report = report_of("r", [*RECORDS, END])
    assert (report["outcome"], report["aws_seconds"], report["wall_seconds"]) == ("done", 120.0, 2.0)
    assert report["rto_s"] == 97.5
    assert report["phases"] == {"promote": 88.0}
    assert report["calls"] == {"total": 2, "mutating": 1, "by_region": {"us-east-1": 1, "us-west-2": 1},
                               "mutating_by_region": {"us-east-1": 0, "us-west-2": 1}}
    assert report["journal_hash"] == "abc"


def test_figures_of_the_lab_are_marked_simulated() -> None:
    assert report_of("r", RECORDS)["simulated"] is True
    real = [{**RECORDS[0], "target": "aws"}, *RECORDS[1:]]
    assert report_of("r", real)["simulated"] is False


def test_a_run_without_an_end_was_interrupted() -> None:
    report = report_of("r", RECORDS)
    assert (report["outcome"], report["wall_seconds"]) == ("interrupted", None)


def test_an_empty_journal_is_no_error() -> None:
    assert report_of("r", [])["outcome"] == "interrupted"
