"""Documents say what a user needs, and what they say exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from pydantic import BaseModel

from drctl.cli.main import COMMANDS
from tests.cli.test_examples import takes
from tests.documents import configuration, picture
from tests.documents.__main__ import DOCS, MADE
from tests.documents.screen import decide_screen

ROOT = Path(__file__).parent.parent
KEYS = list(configuration.all_keys())
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
#: Characters of a picture at most: a page with all of them has to open at once.
LARGEST = 150_000
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("part", [
    "Prerequisites", "Configuration", "What it costs per month", "How long it takes", "A drill, explained",
    "Cleaning up", "Troubleshooting", "Limits of the lab", "Beside the alternatives", "FAQ", "docs/stack.svg",
    "docs/failover.svg"])
def test_trap_14_the_readme_has_everything_a_user_looks_for(part: str) -> None:
    assert part in README


def test_every_command_is_in_the_readme() -> None:
    for command in COMMANDS:
        assert f"drctl {command}" in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#: ]*)(?:#([^)]+))?\)", page.read_text(encoding="utf-8")):
        there = page.parent / target if target else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), f"{there.name} has no part #{anchor}"


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in links."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_in_a_document_is_one_that_drctl_takes(page: Path) -> None:
    for line in command_lines(page.read_text(encoding="utf-8")):
        assert takes(shlex.split(line, comments=True)), line


def command_lines(text: str) -> Iterator[str]:
    """What follows a prompt in a document's consoles and begins with drctl."""
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in re.findall(r"^\$ (.+)$", block, re.MULTILINE):
            yield from (part for part in line.split(" && ") if part.startswith("drctl "))


def test_the_operations_guide_shows_the_decide_screen_as_it_is() -> None:
    shown = (DOCS / "operations.md").read_text(encoding="utf-8")
    assert decide_screen() in shown, f"drctl prints:\n{decide_screen()}"


def test_every_field_that_is_to_prove_something_is_in_reports() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "drctl").rglob("*.py"))
    named = set(re.findall(r"`([a-z_]+)`", (DOCS / "hipaa.md").read_text(encoding="utf-8"))) - {"aws"}
    assert {"rto_s", "met", "journal_hash"} <= named
    assert {name for name in named if not re.search(rf"""["'}}]{name}["']|\b{name}=""", source)} == set()


@pytest.mark.parametrize("file", sorted(DOCS.glob("*.svg")), ids=lambda file: file.name)
def test_a_picture_needs_nothing_else_and_can_be_read_on_light_and_dark(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    ElementTree.fromstring(text)  # noqa: S314  # our own file
    assert not re.search(r"(?:href|src|url\()=?[\"']?https?:", text)
    assert len(text) < LARGEST
    assert "prefers-color-scheme:dark" in text or "rich-terminal" in text


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


def test_the_picture_of_the_demo_shows_commands_and_the_end_of_what_they_said() -> None:
    long = "\n".join(f"line {number}" for number in range(picture.MOST + 3))
    said = (f"\n\x1b[1m$ drctl provision\x1b[0m\n{long}\n\n"
            "\x1b[1m$ drctl teardown\x1b[0m\n  RTO 70.0 s   MISSED\n0 & done\n")
    shown = [line.plain for line in picture.shown(said)]
    assert shown[:3] == ["$ drctl provision", "  … 3 lines more", "line 3"]
    assert shown[-3:] == ["$ drctl teardown", "  RTO 70.0 s   MISSED", "0 & done"]
    drawn = picture.picture(said)
    ElementTree.fromstring(drawn)  # noqa: S314  # our own
    assert "teardown" in drawn
    assert "@font-face" not in drawn
    assert drawn == picture.picture(said)
