"""`drctl status`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drctl.cli import options
from drctl.cli.render import emit

if TYPE_CHECKING:
    from drctl.actions.screen import Screen
    from drctl.cli.session import Look

#: Seconds between two looks of --watch, unless they are given; and real seconds that this machine's own runs may take
#: longer to read than both regions to answer.
EVERY_S, HERE_S = 5.0, 0.5


@click.command("status", epilog=options.examples(
    ("drctl status -c config/production.yaml", "who is active, who answers, what a failover now would cost"),
    ("drctl status --watch", "again every 5 seconds, until Ctrl-C"),
    ("drctl status --watch 60 > status.log", "a line a minute, for a log"),
    ("drctl status -c config/production.yaml --json", "the same for a script")))
@options.config
@options.as_json
@click.option("--watch", "every_s", type=click.FloatRange(min=0.5), is_flag=False, flag_value=EVERY_S, default=None,
              metavar="[SECONDS]", help="Look again and again, until Ctrl-C: a live screen, or a line for each look "
              "where there is no terminal.")
@click.pass_context
def command(context: click.Context, config_path: Path | None, as_json: bool, every_s: float | None) -> None:
    """One screen: which region is active, who answers, roles, lag, health, certificates, readiness, runs, and what a
    failover now would cost in data and minutes.

    It takes seconds, also while a region hangs, changes nothing, and says what it could not see and why. A stack in a
    bad state is no failure: exit code 0. Where nothing answers it is 1, where there is no stack 3.
    """
    if every_s is not None and as_json:
        raise click.UsageError("--watch goes on, --json is one document: give one of them")
    from drctl.cli.session import looking, settings_of

    settings = settings_of(config_path)
    with looking(settings, hurry=True) as look:
        glance = _glances(look)
        screen = glance()
        _refuse_nothing(look, screen)
        if every_s is not None:
            _watch(screen, glance, every_s)
            return
    from drctl.cli.status_view import show_status

    seen = screen.as_dict()
    emit(seen, as_json=as_json, text=lambda: show_status(seen))
    if len(screen.silent) == len(screen.seen):
        context.exit(1)


def _glances(look: Look) -> Callable[[], Screen]:
    """Takes a look at everything whenever it is called; the clients stay."""
    from drctl.actions.look import Parts, looks_at_both
    from drctl.actions.screen import Screen
    from drctl.cli.earlier_runs import drills_here, known, local
    from drctl.engine.glance import glance_at, only_glance
    from drctl.engine.looks import Pending
    from drctl.stack import stack_of

    run, stack = look.run, stack_of(look.run.settings)
    front = stack.front
    parts = Parts(stack.database.global_cluster, front.balancer, front.checks, front.switches, front.certificate)
    only_glance(run.events)

    def glance() -> Screen:
        here = Pending("runs of this home", lambda: local(run.settings))
        seen = glance_at(looks_at_both(run, parts, drills_here()))
        return Screen(run.settings, seen, known(here.wait(HERE_S)))

    return glance


def _refuse_nothing(look: Look, screen: Screen) -> None:
    """Raise where there is nothing to show: AWS refuses everything, the lab is gone, or there is no stack."""
    from drctl.actions.answering import refusal
    from drctl.errors import Refused

    if len(screen.silent) == len(screen.seen) and look.way.is_cut():
        raise look.way.cut()
    if (error := refusal(screen.seen)) is not None:
        raise error
    if screen.is_nowhere:
        raise Refused(f"there is no stack {screen.settings.environment}", next_step="drctl provision")


def _watch(screen: Screen, glance: Callable[[], Screen], every_s: float) -> None:
    """A screen that is drawn anew after each look, or a line for each; it never ends by itself."""
    from drctl.cli.status_view import in_one_line

    pause = threading.Event()
    with _drawn() if sys.stdout.isatty() else nullcontext(lambda seen: click.echo(in_one_line(seen))) as show:
        while True:
            show(screen.as_dict())
            pause.wait(every_s)
            screen = glance()


@contextmanager
def _drawn() -> Iterator[Callable[[dict[str, Any]], None]]:
    """Draws the screen in the place of the one before."""
    from rich.live import Live
    from rich.text import Text

    from drctl.cli.status_view import columns, lines

    with Live(auto_refresh=False) as live:
        yield lambda seen: live.update(Text.from_ansi("\n".join(
            [*lines(seen, columns()), "", f"seen at {seen['at']}; Ctrl-C ends"])), refresh=True)
