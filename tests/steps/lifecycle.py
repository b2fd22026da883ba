"""What is true of every step, asked in a few words; and a stand-in for a step that another one needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from drctl.engine.run import Run
from drctl.engine.step import Finding, Step
from drctl.lab.clock import CLOCK
from drctl.lab.rules import RULES, SWITCHED_OFF
from drctl.settings import Site
from tests.conftest import SPEED, changes, ensure_with_needs


@dataclass(frozen=True, eq=False)
class Given(Step[Any]):
    """A step that stands as it is told to."""

    label: str
    out: Any

    @property
    def purpose(self) -> str:
        return self.label

    def find(self, run: Run) -> Any:
        return self.out

    def ensure(self, run: Run) -> Any:
        return self.out

    def verify(self, run: Run, out: Any) -> Iterable[Finding]:
        return ()

    def destroy(self, run: Run) -> None:
        return


def given(site: Site, label: str, **out: Any) -> Any:
    """A step of any class whose output has these fields."""
    return Given(site, label, SimpleNamespace(**out))


def slow_down(speed: float) -> None:
    """The lab goes at this speed, so that its lags are longer than a call.

    Nobody is throttled: the SDK's pauses, which would see to that, are those of a faster clock.
    """
    SWITCHED_OFF.update(name for name in RULES if name.startswith("throttling-"))
    CLOCK.set_speed(speed)


@contextmanager
def lagging(speed: float = 200.0) -> Iterator[None]:
    """The lab so slow that its lags are seen: at 200, ten seconds of AWS are 50 ms."""
    slow_down(speed)
    try:
        yield
    finally:
        CLOCK.set_speed(SPEED)


def findings(run: Run, step: Step[Any]) -> list[str]:
    """What a fresh look at `step` finds wrong."""
    out = run.refresh(step)
    return ["absent"] if out is None else [finding.text for finding in step.verify(run, out)]


def assert_a_second_run_changes_nothing(make_run: Callable[..., Run], *steps: Step[Any], settings: Any = None) -> None:
    """A new process makes no mutating call, and finds nothing wrong."""
    again = make_run(settings)
    for step in steps:
        ensure_with_needs(again, step)
        assert changes(again, step) == 0, step.key
        assert findings(again, step) == []


def assert_mended(run: Run, step: Step[Any], damage: Callable[[], Any], text: str) -> None:
    """`damage` is noticed in these words, and the next ensure mends it."""
    damage()
    assert any(text in finding for finding in findings(run, step)), findings(run, step)
    ensure_with_needs(run, step)
    assert findings(run, step) == []


def destroy_twice(run: Run, *steps: Step[Any]) -> None:
    """Destroy in this order, and once more."""
    for _ in range(2):
        for step in steps:
            step.destroy(run)
            run.forget(step)
    for step in steps:
        assert step.find(run) is None, step.key
