"""Documents say what a user needs, and what they say exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from drctl.cli.main import COMMANDS
from tests.documents import configuration
from tests.documents.__main__ import DOCS, MADE

ROOT = Path(__file__).parent.parent
KEYS = list(configuration.all_keys())
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


@pytest.mark.parametrize("name", MADE)
def test_a_document_that_is_made_from_the_code_is_current(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == MADE[name](), f"docs/{name} is not current: make docs"


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_every_key_of_a_configuration_says_what_it_means_and_is_in_the_production_example(
        key: configuration.Key) -> None:
    assert key.meaning.endswith("."), f"the text below {key.name} in drctl/settings.py is no sentence"
    shown = configuration.given(configuration.PRODUCTION.read_text(encoding="utf-8"))
    for part in key.path:
        assert part in shown, f"config/production.yaml does not show {key.name}"
        shown = shown[part]


def test_no_key_of_the_production_example_is_unknown() -> None:
    known = {key.path for key in KEYS}
    free = {key.path for key in KEYS if str(key.field.annotation).startswith("dict")}
    shown = configuration.given(configuration.PRODUCTION.read_text(encoding="utf-8"))
    assert {path for path in _paths(shown) if not any(path[:len(above)] == above for above in free)} <= known


def _paths(mapping: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in mapping.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from _paths(value, (*above, name))


def test_a_key_without_a_text_below_it_has_no_meaning() -> None:
    assert configuration.meanings(Unsaid) == {"said": "What it means."}


class Unsaid(BaseModel):
    """A model with a key that nobody has explained."""

    unsaid: int = 1
    said: int = 2
    """What it means."""
