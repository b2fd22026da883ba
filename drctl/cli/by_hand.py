"""Runbooks as people read them: numbered lines with the commands that a person types who goes on without drctl."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import click

from drctl.actions.decide import Decide
from drctl.aws.clients import Aws, Door
from drctl.aws.commands import Command
from drctl.aws.hooks import Unheard
from drctl.cli.render import heading
from drctl.engine.clock import Clock
from drctl.engine.events import Events
from drctl.engine.run import Run
from drctl.engine.runbook import Numbered, Runbook
from drctl.errors import ConfigurationError
from drctl.runbooks import failover
from drctl.runbooks.drill import drill
from drctl.runbooks.failback import failback
from drctl.runbooks.isolated import isolated
from drctl.settings import Settings, Site
from drctl.stack import Stack, stack_of


class Nowhere(Aws):
    """No way to AWS: what a runbook shows, it shows without asking."""

    def __getitem__(self, region: str) -> Any:
        raise AssertionError(f"a runbook that is only shown asked {region}")


def offline_run(settings: Settings, lost: str = "") -> Run:
    """A run that knows names and nothing else."""
    clock = Clock()
    return Run("RUN", settings, Nowhere(Door(), Unheard()), clock, Events(clock), lost=lost)


def runbook_of(stack: Stack, mode: str, target: Site) -> Runbook:
    """The runbook of a mode, to `target`."""
    def nothing(**_: str) -> None:
        return

    source = stack.settings.other(target)
    match mode:
        case "unplanned" | "tabletop":
            decide = Decide(stack.database.global_cluster, stack.front.balancer.at(target), source, target)
            return failover.unplanned(stack, decide, nothing, nothing)
        case "planned":
            return failover.planned(stack, source, nothing, nothing)
        case "failback":
            return failback(stack, source, nothing, nothing, lost=target)
        case "isolated":
            return isolated(stack, source, nothing, nothing)
        case "live":
            return drill(stack, source, nothing, nothing)
        case _:
            raise ConfigurationError(f"there is no runbook {mode}")


def target_of(settings: Settings, mode: str, to: str | None) -> Site:
    """The region named, else home for a failback, and the standby for everything else."""
    if to is None:
        return settings.primary if mode == "failback" else settings.standby
    found = next((site for site in settings.sites if site.region == to), None)
    if found is None:
        raise ConfigurationError(f"{to} is no region of this stack: {', '.join(one.region for one in settings.sites)}")
    return found


def show_runbook(settings: Settings, mode: str, to: str | None) -> None:
    """Print it; nothing is called."""
    target = target_of(settings, mode, to)
    source, stack = settings.other(target), stack_of(settings)
    run = offline_run(settings, lost=source.region if mode == "unplanned" else "")
    book = runbook_of(stack, mode, target)
    heading(f"{book.name} of {settings.environment}: {source.region} → {target.region}")
    for line in lines(run, book):
        click.echo(line)


def lines(run: Run, book: Runbook) -> Iterator[str]:
    """The runbook's text."""
    numbered = book.numbered()
    for one in numbered:
        yield from _line(run, one)
    if book.put_back:
        yield f"\nwhatever happens{', unless all went well' if book.stays else ''}, in the end:"
        for action in book.put_back:
            yield f"  - {action.title}"


def _line(run: Run, one: Numbered) -> Iterator[str]:
    action = one.action
    beside = f" (side by side with {', '.join(map(str, one.beside))})" if one.beside else ""
    yield f"\n{one.number:2}. {action.title}{beside}"
    yield f"      why       {action.why}"
    yield f"      usually   {in_minutes(action.typical_minutes)}"
    yield f"      if stuck  {action.if_stuck}"
    for command in action.by_hand(run):
        yield f"      $ {command}"


def in_minutes(minutes: float) -> str:
    """A span as runbooks write it."""
    return f"{minutes * 60:.0f} s" if minutes < 1 else f"{minutes:g} min"


def changes(run: Run, book: Runbook) -> Iterable[tuple[Numbered, Command]]:
    """The calls of a runbook that change AWS, in their order, with the line that makes them."""
    for one in book.numbered():
        for command in one.action.by_hand(run):
            if isinstance(command, Command) and command.mutating:
                yield one, command
