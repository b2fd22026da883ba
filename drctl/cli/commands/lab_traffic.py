"""`drctl lab traffic`: clients that write and read numbered rows through the users' name."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drctl.cli import options
from drctl.cli.render import emit
from drctl.errors import DrctlError

if TYPE_CHECKING:
    from drctl.lab.traffic_process import TrafficState

#: Seconds between two lines of --watch.
EVERY = 1.0


@click.group("traffic", epilog=options.examples(
    ("drctl lab traffic start", "clients begin to write and read"),
    ("drctl lab traffic status --watch", "what they see, once a second"),
    ("drctl lab traffic stop", "their record stays until the lab goes")))
def traffic() -> None:
    """Clients in the lab that use the stack through the users' name, all the time, and remember what was acknowledged.

    They write numbered rows and read some back, as lab.traffic of the configuration says; without it, by the sample
    application. The record is a line of JSON per request under DRCTL_HOME/traffic, until the lab goes.
    """


@traffic.command("start", epilog=options.examples(
    ("drctl lab traffic start", "four clients, with the sample application"),
    ("drctl lab traffic start --clients 8 --rate 40 --label before-the-drill", "more of them, with a name")))
@options.config
@click.option("--clients", type=click.IntRange(1, 64), default=None,
              help="Clients, each with a resolver and a connection of its own; default: 4.")
@click.option("--rate", type=click.FloatRange(0.1, 1000), default=None, metavar="N",
              help="Requests a second of all together, in real time; default: one per client and AWS second, at "
                   "most 20.")
@click.option("--label", default="", metavar="TEXT", help="Names the record and its rows; default: traffic-1, -2, …")
@options.as_json
def start(config_path: Path | None, clients: int | None, rate: float | None, label: str, as_json: bool) -> None:
    """Start the traffic of this home's lab; one that runs already is told."""
    from drctl.cli.traffic import target_of
    from drctl.configuration import load, packaged_lab
    from drctl.lab import process, traffic_process

    target = target_of(load(config_path or packaged_lab()))
    found, started = traffic_process.start(process.needed(), target, label, clients, rate)
    word = "started" if started else "runs already"
    emit(found.shown(), as_json=as_json, text=lambda: click.echo(
        f"traffic {found.label}: {word}, {found.clients} clients, {found.rate:g} requests a second at {found.name}; "
        f"record {found.record}"))


@traffic.command("stop", epilog=options.examples(("drctl lab traffic stop --json", "for a script")))
@options.as_json
def stop(as_json: bool) -> None:
    """Stop the traffic after the requests under way, and tell what it saw; its record stays until the lab goes."""
    from drctl.lab import traffic_process

    found = traffic_process.stop()
    if found is None:
        emit({"stopped": None}, as_json=as_json, text=lambda: click.echo("traffic: none was running"))
        return
    shown = found.shown()
    emit({"stopped": found.label, **shown}, as_json=as_json, text=lambda: click.echo(
        f"traffic {found.label}: stopped; {_figures(shown)}; record {found.record}"))


@traffic.command("status", epilog=options.examples(("drctl lab traffic status --watch", "until Ctrl-C")))
@click.option("--watch", is_flag=True, help="Go on telling, once a second, until the traffic ends or Ctrl-C.")
@options.as_json
def status(watch: bool, as_json: bool) -> None:
    """What the traffic has seen so far: writes by outcome, reads and misses, the region; exit 1 when none runs."""
    if watch and as_json:
        raise click.UsageError("--watch goes on, --json is one document: give one of them")
    found = _running()
    shown = found.shown()
    if watch:
        _watch(found)
        return
    emit({**shown, "last_acknowledged_ago_s": _ago(shown)}, as_json=as_json, text=lambda: click.echo("\n".join(
        f"{key:12} {value}" for key, value in (("label", found.label), ("name", found.name), ("pid", found.pid),
                                               ("record", found.record), ("seen", _figures(shown))))))


def _running() -> TrafficState:
    """The traffic of this home; DrctlError when none runs, with the last words of one that came to a bad end."""
    from drctl.lab import traffic_process

    found = traffic_process.running()
    if found is None:
        raise DrctlError("no traffic runs" + traffic_process.complaint(), next_step="drctl lab traffic start")
    return found


def _watch(found: TrafficState) -> None:
    """On a terminal one line that changes, elsewhere a line each time; the last one is of the end."""
    from drctl.lab.traffic_record import Record

    record, pause, on_terminal = Record(Path(found.record)), threading.Event(), sys.stdout.isatty()
    try:
        while True:
            lives = found.lives()
            record.refresh()
            click.echo(("\r\033[K" if on_terminal else "") + _figures(record.totals()), nl=not on_terminal)
            if not lives or pause.wait(EVERY):
                break
    except (KeyboardInterrupt, FileNotFoundError):
        pass  # nobody looks any more, or the record went with its lab
    if on_terminal:
        click.echo()


def _figures(shown: dict[str, Any]) -> str:
    """The totals in a line."""
    counts = (f"acknowledged {shown['acknowledged']}, refused {shown['refused']}, unanswered {shown['unanswered']}; "
              f"reads {shown['reads']}, missing {shown['missing']}, wrong {shown['wrong']}, "
              f"failed {shown['reads_failed']}")
    ago = _ago(shown)
    last = "none acknowledged yet" if ago is None else f"last acknowledged {ago:.1f} s ago"
    return f"{counts}; {last}; {shown['region'] or 'no region'}"


def _ago(shown: dict[str, Any]) -> float | None:
    """Real seconds since the last acknowledged write."""
    last = shown["last_acknowledged"]
    return None if last is None else max(0.0, round(time.time() - last, 1))
