"""Every command's help ends with what people type, and what it shows is a command line that drctl takes."""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Iterator

import click
import pytest

from drctl.cli.main import COMMANDS, cli


def every_command() -> Iterator[tuple[str, click.Command]]:
    """All commands by what is typed before their options, groups and what is in them."""
    yield "drctl", cli
    for name, (module, _) in COMMANDS.items():
        yield from _with_parts(f"drctl {name}", importlib.import_module(f"drctl.cli.commands.{module}").command)


def _with_parts(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for part in command.commands.values():
            yield from _with_parts(f"{name} {part.name}", part)


ALL = dict(every_command())


def examples(command: click.Command) -> list[str]:
    """What a command's help shows to be typed, without what it is for."""
    text = (command.epilog or "").partition("\b\nExamples:\n")[2].partition("\n\n")[0]
    return [line.strip().partition("  ")[0] for line in text.splitlines()]


@pytest.mark.parametrize("name", ALL)
def test_the_help_of_every_command_shows_what_people_type(name: str) -> None:
    assert any(name in line for line in examples(ALL[name])), f"no example of {name} in its help"


@pytest.mark.parametrize("name", ALL)
def test_each_example_is_a_command_line_that_drctl_takes(name: str) -> None:
    for line in examples(ALL[name]):
        words = shlex.split(line.partition(" > ")[0])
        if words[0] == "drctl":
            assert takes(words), line


def takes(words: list[str]) -> bool:
    """Whether a command line has a command and options that exist; nothing is run."""
    name, rest = words[0], words[1:]
    while rest and isinstance(ALL.get(name), click.Group) and not rest[0].startswith("-"):
        name, rest = f"{name} {rest[0]}", rest[1:]
    try:
        return name in ALL and bool(ALL[name].make_context(name, rest))
    except click.UsageError:
        return False


def test_a_line_that_drctl_does_not_take_is_noticed() -> None:
    assert takes(["drctl", "lab", "lag", "20m"])
    assert not takes(["drctl", "provison"])
    assert not takes(["drctl", "lab", "outage", "start", "--regoin", "us-east-1"])
    assert not takes(["drctl", "failover", "--drill", "--mode", "quick"])
