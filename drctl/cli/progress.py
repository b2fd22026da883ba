"""What a person watches: what runs in which region, what it waits for, elapsed in AWS time and in wall time.

On a terminal a live table, elsewhere one line for each thing that ends.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import Any, Protocol

import click

from drctl.engine.clock import Clock

Record = dict[str, Any]
#: Outcomes worth a line; what was kept or absent is only counted.
QUIET_OUTCOMES = {"kept", "absent", "skipped"}


def span(aws_seconds: float) -> str:
    """AWS time as minutes and seconds."""
    return f"{int(aws_seconds) // 60}:{int(aws_seconds) % 60:02d}"


class Progress(Protocol):
    """A sink of records with something on the screen."""

    def __call__(self, record: Record) -> None: ...

    def __enter__(self) -> Progress: ...

    def paused(self) -> AbstractContextManager[None]:
        """Nothing is drawn meanwhile: a person is asked something."""

    def shows(self, told: Callable[[], str]) -> None:
        """Show below, where there is room for it, what `told` says now; nothing while it says nothing."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None: ...


class Lines:
    """One line on stderr for everything that ends, with its time."""

    def __call__(self, record: Record) -> None:
        if line := line_of(record):
            click.echo(line, err=True)

    def __enter__(self) -> Lines:
        return self

    def paused(self) -> AbstractContextManager[None]:
        return nullcontext()

    def shows(self, told: Callable[[], str]) -> None:
        return

    def __exit__(self, *_: object) -> None:
        return


def line_of(record: Record) -> str:
    """The line a record is worth; empty for most."""
    at = f"{span(record['aws']):>6}"
    match record["event"]:
        case "step-ended" | "action-ended" if record["outcome"] not in QUIET_OUTCOMES:
            took = f" ({span(record['aws_seconds'])})" if record["aws_seconds"] >= 1 else ""
            error = f": {record['error']}" if "error" in record else ""
            return f"{at}  {record['step']}: {record['outcome']}{took}{error}"
        case "note":
            return f"{at}  {record['text']}"
        case _:
            return ""


class Live:
    """A live table of what runs, over a log of what has ended."""

    def __init__(self, clock: Clock, console: Any = None) -> None:
        from rich.console import Console

        self._clock = clock
        self._lock = threading.Lock()
        self._running: dict[str, tuple[str, float, str]] = {}
        self._ended: dict[str, int] = {}
        self._told: Callable[[], str] = str
        self._console = console or Console(stderr=True)
        self._live = self._drawn()

    def _drawn(self) -> Any:
        from rich.live import Live as RichLive

        return RichLive(console=self._console, get_renderable=self._table, refresh_per_second=8, transient=True)

    def __call__(self, record: Record) -> None:
        with self._lock:
            self._take(record)
        if line := line_of(record):
            style = "red" if record.get("outcome") == "failed" else "dim" if record["event"] == "note" else ""
            self._console.print(line, style=style, highlight=False, markup=False)

    def shows(self, told: Callable[[], str]) -> None:
        self._told = told

    def _take(self, record: Record) -> None:
        step = record.get("step", "")
        match record["event"]:
            case "step-started" | "action-started":
                self._running[step] = (record.get("region", ""), record["aws"], "")
            case "waiting" if step in self._running:
                region, since, _ = self._running[step]
                self._running[step] = (region, since, f"{record['sentence']}: {record['seen']}")
            case "step-ended" | "action-ended":
                self._running.pop(step, None)
                self._ended[record["outcome"]] = self._ended.get(record["outcome"], 0) + 1

    def _table(self) -> Any:
        from rich.table import Table

        with self._lock:
            running, ended = dict(self._running), dict(self._ended)
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(ended.items()))
        title = f"AWS time {span(self._clock.now())} · wall {span(self._clock.wall())} · {counts or 'starting'}"
        if self._clock.stopped:
            title += " · stopping at the next clean edge, Ctrl-C again ends at once"
        table = Table(title=title, title_justify="left", expand=True, box=None, title_style="bold",
                      caption=self._told() or None, caption_justify="left")
        for name, options in (("region", {"width": 12}), ("running", {"width": 34}), ("for", {"width": 7}),
                              ("waits for", {"ratio": 1, "no_wrap": True})):
            table.add_column(name, **options)  # type: ignore[arg-type]  # options differ by column
        for step, (region, since, waits) in sorted(running.items(), key=lambda item: item[1]):
            table.add_row(region or "both", step, span(self._clock.now() - since), waits)
        return table

    def __enter__(self) -> Live:
        self._live.start()
        return self

    @contextmanager
    def paused(self) -> Iterator[None]:
        self._live.stop()
        try:
            yield
        finally:  # a new one: the old one would erase as many lines as its table had, and so what was told meanwhile
            self._live = self._drawn()
            self._live.start()

    def __exit__(self, *_: object) -> None:
        self._live.stop()


def progress_for(clock: Clock) -> Progress:
    """The progress that suits where stderr goes."""
    return Live(clock) if sys.stderr.isatty() else Lines()
