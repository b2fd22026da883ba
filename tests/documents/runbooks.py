"""docs/runbooks.md: every runbook with its lines and commands, as `--show` prints them, for the lab's configuration."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from drctl.cli.by_hand import in_minutes, offline_run, runbook_of, target_of
from drctl.configuration import load, packaged_lab
from drctl.engine.run import Run
from drctl.engine.runbook import Numbered, Runbook
from drctl.engine.step import Step
from drctl.runbooks.provision import provision
from drctl.runbooks.teardown import teardown
from drctl.settings import Site
from drctl.stack import Stack, stack_of
from tests.documents.markdown import code, table

HEAD = """\
<!-- Made by `make docs` from runbooks/ and the actions that they list: change those, not this file. -->
# Runbooks

What drctl does, line by line, and what a person types who has to go on without it. Names and account are those of
`config/lab.yaml`; `drctl failover --show` and `drctl failback --show`, with `-c` your configuration, print the same
lines with yours, and call nothing. Lines that say "side by side" are done at the same time. `drctl failover --from
STEP` starts at a line. Minutes are usual ones, from the services' documentation, not measured on a real account.

A line without a command has none: it keeps drctl's own books, or asks AWS many things at once.
"""


@dataclass(frozen=True)
class Chapter:
    """A runbook as a chapter: the command that plays it, when, and which way it moves."""

    title: str
    command: str
    text: str
    mode: str = ""


CHAPTERS = (
    Chapter("Failover", "drctl failover --allow-data-loss SPAN", "The active region is gone. Nothing waits for it.",
            "unplanned"),
    Chapter("Planned failover", "drctl failover --planned", "Both regions are healthy; nothing is lost.", "planned"),
    Chapter("Failback", "drctl failback", "The lost region is back: it becomes a full member again, then active. After "
            "a planned move the lines about what was lost are left out.", "failback"),
    Chapter("Drill", "drctl failover --drill", "There and back on the real stack, measured on real writes.", "live"),
    Chapter("Isolated drill", "drctl failover --drill --mode isolated", "A copy in the standby region is proven, and "
            "removed; production goes on.", "isolated"),
    Chapter("Provision", "drctl provision", "Builds what is missing and mends what differs; run again, it changes "
            "nothing."),
    Chapter("Teardown", "drctl teardown", "Removes what carries the stack's tags, from any state."),
)


def reference() -> str:
    """The whole document."""
    stack = stack_of(load(packaged_lab()))
    parts = [HEAD, "\n".join(f"- [{one.title}](#{one.title.lower().replace(' ', '-')}): {code(one.command)}"
                             for one in CHAPTERS)]
    for chapter in CHAPTERS:
        parts += ["", *_chapter(stack, chapter)]
    return "\n".join([*parts, "", *_steps(stack)]) + "\n"


def _chapter(stack: Stack, chapter: Chapter) -> Iterator[str]:
    book, source, target = _book(stack, chapter)
    run = offline_run(stack.settings, lost=source.region if chapter.mode == "unplanned" else "")
    way = f" Shown: {source.region} → {target.region}." if chapter.mode else ""
    yield f"## {chapter.title}\n\n{code(chapter.command)}. {chapter.text}{way}\n"
    lines = book.numbered()
    yield table(("line", "what", "usually"), ((str(one.number), one.action.title, in_minutes(
        one.action.typical_minutes)) for one in lines))
    for one in lines:
        yield from _line(run, one)
    if book.put_back:
        yield f"\nWhatever happens{', unless all went well' if book.stays else ''}, in the end:\n"
        yield from (f"- {action.title}" for action in book.put_back)


def _book(stack: Stack, chapter: Chapter) -> tuple[Runbook, Site, Site]:
    settings = stack.settings
    if chapter.title == "Provision":
        return provision(stack, settings.primary), *settings.sites
    if chapter.title == "Teardown":
        return teardown(stack, _nothing), *settings.sites
    target = target_of(settings, chapter.mode, None)
    return runbook_of(stack, chapter.mode, target), settings.other(target), target


def _nothing() -> None:
    """Nothing is played."""


def _line(run: Run, one: Numbered) -> Iterator[str]:
    action = one.action
    beside = f" (side by side with {', '.join(map(str, one.beside))})" if one.beside else ""
    yield f"\n**{one.number}. {action.title}**{beside}\n"
    yield f"- why: {action.why}\n- usually: {in_minutes(action.typical_minutes)}\n- if stuck: {action.if_stuck}"
    if commands := [str(command) for command in action.by_hand(run)]:
        yield "\n".join(["", "```sh", *commands, "```"])


def _steps(stack: Stack) -> Iterator[str]:
    """What a build makes, in an order in which it can; each begins as soon as what it needs is there."""
    regions: dict[tuple[str, str], list[str]] = {}
    for step in stack.steps:
        regions.setdefault((step.key.removesuffix(f" {step.region}"), _first_sentence(step)), []).append(step.region)
    yield ("## What a build makes\n\nEach step begins as soon as those that it needs are done; both regions are built "
           "side by side. A teardown goes the other way.\n")
    yield table(("step", "in", "what it is"), (
        (name, ", ".join(found), text) for (name, text), found in regions.items()))


def _first_sentence(step: Step[Any]) -> str:
    module = inspect.getmodule(type(step))
    text = " ".join(inspect.cleandoc(module.__doc__ or "" if module else "").split())
    return text.partition(". ")[0].removesuffix(".")
