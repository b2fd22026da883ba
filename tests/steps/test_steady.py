"""What RDS shows between two pieces of work is not taken for the end."""

from __future__ import annotations

from drctl.engine.run import Run
from drctl.steps.steady import PAUSE, steadily


def test_ready_is_what_stays_so(run: Run) -> None:
    shown = iter(["creating", "available", "available", "backing-up", "available", "available", "available", "later"])
    assert run.wait_until("it stays available", lambda: next(shown), steadily(lambda seen: seen == "available"),
                          within=600, every=PAUSE) == "available"
    assert next(shown) == "later"


def test_every_wait_counts_for_itself() -> None:
    first, second = steadily(bool), steadily(bool)
    assert [first(True), first(True), second(True), first(True)] == [False, False, False, True]
