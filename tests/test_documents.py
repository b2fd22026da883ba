"""Documents say what a user needs, and what they say exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from drctl.cli.main import COMMANDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("part", [
    "Prerequisites", "Configuration", "What it costs per month", "How long it takes", "A drill, explained",
    "Cleaning up", "Troubleshooting", "Limits of the lab", "```mermaid"])
def test_trap_14_the_readme_has_everything_a_user_looks_for(part: str) -> None:
    assert part in README


def test_every_command_is_in_the_readme_and_every_link_leads_somewhere() -> None:
    for command in COMMANDS:
        assert f"drctl {command}" in README
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_decision_record_says_status_context_decision_and_consequences() -> None:
    records = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert records
    for record in records:
        text = record.read_text(encoding="utf-8")
        for part in ("Status:", "**Context.**", "**Decision.**", "**Consequences.**"):
            assert part in text, record.name
