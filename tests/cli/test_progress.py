"""What a person sees on a terminal: a table that is drawn anew, and everything that was told above it."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from drctl.cli.progress import Live
from drctl.engine.clock import Clock

TOLD = ("the region does not answer", "what will not come back:", "  - this", "  - that", "recommended: failover")


def screen(written: str) -> list[str]:
    """The lines that a terminal shows in the end, as far as cursor moves and erased lines go."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[\??[0-9;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", written):
        if part == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif part == "\r":
            column = 0
        elif moved := re.fullmatch(r"\x1b\[(\d*)A", part):
            row = max(0, row - int(moved[1] or 1))
        elif part == "\x1b[2K":
            lines[row] = ""
        elif not part.startswith("\x1b"):
            lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + len(part):]
            column += len(part)
    return [line.rstrip() for line in lines]


@pytest.fixture
def terminal() -> io.StringIO:
    """Where a terminal of a hundred columns would be."""
    return io.StringIO()


def live(terminal: io.StringIO, clock: Clock) -> Live:
    return Live(clock, Console(file=terminal, force_terminal=True, width=100, color_system=None))


def test_what_is_told_while_the_table_rests_stays_on_the_screen(terminal: io.StringIO) -> None:
    with live(terminal, Clock(1.0)) as progress:
        for step in ("one", "two", "three"):
            progress({"event": "action-started", "step": step, "region": "us-east-1", "aws": 0.0})
        progress._live.refresh()
        with progress.paused():
            terminal.write("\n".join(TOLD) + "\n")
        progress._live.refresh()
        progress({"event": "note", "text": "a note", "aws": 1.0})
    shown = screen(terminal.getvalue())
    assert [line for line in shown if line in TOLD] == list(TOLD)
    assert any("a note" in line for line in shown)


def test_that_a_run_was_asked_to_stop_is_shown_as_long_as_it_goes_on(terminal: io.StringIO) -> None:
    clock = Clock(1.0)
    with live(terminal, clock) as progress:
        clock.stop()
        progress._live.refresh()
        assert "stopping at the next clean edge" in screen(terminal.getvalue())[0]


def test_the_counters_of_clients_stand_below_the_table_as_soon_as_there_are_any(terminal: io.StringIO) -> None:
    told = [""]
    with live(terminal, Clock(1.0)) as progress:
        progress.shows(lambda: told[0])
        progress._live.refresh()
        assert not any("acknowledged" in line for line in screen(terminal.getvalue()))
        told[0] = "4 clients: 12 writes acknowledged"
        progress._live.refresh()
        assert [line for line in screen(terminal.getvalue()) if line][-1] == told[0]
