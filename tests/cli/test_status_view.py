"""The screen of status as people read it: kept word for word in golden files, at two widths and without a terminal.

To renew them after a change that is meant: RENEW_GOLDEN=1 pytest tests/cli/test_status_view.py; then read `git diff`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from drctl.actions.aftermath import Aftermath
from drctl.actions.screen import Local, Screen
from drctl.actions.steady_state import Growth, Lag
from drctl.cli.status_view import in_one_line, lines, show_status
from tests.actions.glanced import DRILL, EAST, NOON, SILENCE, WEST, lease, region, screen, silent
from tests.actions.test_screen import BROKEN, NOTHING
from tests.cli.test_show import RENEWS

GOLDEN = Path(__file__).parent / "golden" / "status"


def lost() -> Screen:
    """The active region hangs; the lag grows since it does."""
    return screen(silent(EAST), region(WEST, users=WEST, LAG=Lag(868.0, NOON, 0.0, Growth(NOON - 868, 41.5))))


def failed_over() -> Screen:
    """The other region has taken over; a drill of another machine has missed its objectives."""
    note = Aftermath("20260901-110000-failover-beef", EAST, WEST, 0.0)
    drill = DRILL | {"run": "20261001-120000-drill-cafe", "rto_s": 1204.0, "met": False, "simulated": True}
    return screen(region(EAST, WEST, WEST, APP=0, LAG=Lag(0.2, NOON)), region(
        WEST, WEST, WEST, NOTE=note, SWITCH=True, DRILLS=drill), Local(DRILL, (), None))


def half() -> Screen:
    """A provision that died on its way, and a service that fails."""
    run = {"run": "20260901-130000-provision-dead", "command": "provision", "outcome": "interrupted",
           "next": "drctl resume 20260901-130000-provision-dead"}
    part: dict[str, Any] = NOTHING | {"LEASE": None, "APP": None, "READY": BROKEN}
    return screen(region(EAST, **part), region(WEST, **NOTHING), Local(None, (run,), None))


def busy() -> Screen:
    """A failback is under way on another machine, and the control bucket of the other region hangs."""
    return screen(region(EAST, LEASE=SILENCE, NOTE=SILENCE, DRILLS=SILENCE), region(WEST, LEASE=lease()))


SHOWN: dict[str, Callable[[], Screen]] = {
    "healthy": screen, "lost": lost, "failed-over": failed_over, "half": half, "busy": busy,
    "nothing": lambda: screen(silent(EAST), silent(WEST, BROKEN))}


@pytest.mark.parametrize("width", [80, 120, 0])
@pytest.mark.parametrize("name", SHOWN)
def test_the_screen_is_as_it_was_and_fits(name: str, width: int) -> None:
    shown = "\n".join(click.unstyle(line) for line in lines(SHOWN[name]().as_dict(), width)) + "\n"
    file = GOLDEN / f"{name}-{width or 'lines'}.txt"
    if RENEWS:
        file.parent.mkdir(exist_ok=True)
        file.write_text(shown)
    assert shown == file.read_text(), f"{file.name} has changed; if that is meant: RENEW_GOLDEN=1 pytest {__file__}"
    assert max(map(len, shown.splitlines())) <= (width or 10_000)
    assert not any(line != line.rstrip() for line in shown.splitlines())


def test_every_golden_file_is_compared() -> None:
    assert {file.stem for file in GOLDEN.glob("*")} == {f"{name}-{width}" for name in SHOWN for width in (
        "80", "120", "lines")}


def test_what_is_bad_is_red_and_the_same_words_where_there_is_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    seen = lost().as_dict()
    red = [line for line in lines(seen) if "\x1b[31m" in line]
    assert any("DOES NOT ANSWER" in line for line in red)
    show_status(seen)
    assert capsys.readouterr().out == "".join(click.unstyle(line) + "\n" for line in lines(seen))


def test_one_line_for_a_log_has_the_time_first_and_what_is_to_be_done_last() -> None:
    told: dict[str, Any] = failed_over().as_dict() | {"at": "2026-09-01T12:00:00Z"}
    assert in_one_line(told) == (
        "2026-09-01T12:00:00Z  active in us-west-2; us-east-1 yes, app stopped, database reads, us-west-2 yes, app "
        "healthy, database writes; lag 0.20 s; to be done: the failover from us-east-1 (run "
        "20260901-110000-failover-beef): drctl failback; the app in us-east-1 is stopped")
