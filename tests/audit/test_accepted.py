"""What is accepted of an audit is told with its reason, and anything else is not accepted."""

from __future__ import annotations

import json
from pathlib import Path

from drctl.configuration import load
from tests.audit.accepted import Accepted, accepted, compared
from tests.audit.auditor import HOUSE, Finding, findings

SECURITY = (HOUSE / "docs/security.md").read_text(encoding="utf-8")
OPEN = Finding("door", "arn:house:front", "FAIL", "it is open")
LISTED = Accepted("door", "arn:house:*", "somebody is at home", "`house.closed: true`")


def test_a_failure_that_is_listed_is_accepted_and_any_other_is_not() -> None:
    window = Finding("window", "arn:house:back", "FAIL", "it is open")
    assert compared([OPEN, window], [LISTED]) == ([window], [])


def test_what_is_listed_and_found_no_more_is_told() -> None:
    closed = Finding("door", "arn:house:front", "PASS", "it is closed")
    assert compared([closed], [LISTED]) == ([], [LISTED])


def test_a_listed_check_does_not_accept_other_resources() -> None:
    elsewhere = Finding("door", "arn:barn:front", "FAIL", "it is open")
    assert compared([OPEN, elsewhere], [LISTED]) == ([elsewhere], [])


def test_a_report_is_read_as_the_auditor_writes_it(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text(json.dumps([{"metadata": {"event_code": "door"}, "resources": [{"uid": "arn:house:front"}],
                                   "status_code": "FAIL", "status_detail": "it is open"}]))
    assert findings(report) == [OPEN]


def test_everything_that_is_accepted_is_in_the_documents_with_its_reason() -> None:
    listed = [one.as_row() for one in accepted()]
    rows = [line for line in SECURITY.splitlines() if line.startswith("| `") and line.count("|") == 4]
    assert [row for row in listed if row not in rows] == []
    assert len(listed) == len(set(listed))


def test_the_example_for_production_chooses_what_is_audited() -> None:
    settings = load(HOUSE / "config/production.yaml")
    assert (settings.trail.enabled, settings.backup.enabled, settings.deletion_protection) == (True, True, True)
