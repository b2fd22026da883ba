"""What runbooks do about the lease: say what is begun and that nothing is left, and remove it last of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from drctl.engine import runner
from drctl.engine.run import Run
from drctl.engine.runbook import Action, Change
from drctl.steps.control_bucket import ControlBucket


@dataclass(frozen=True, eq=False)
class Commit(Action):
    """The lease tells from now on that something is begun, and where everything has to be in the end."""

    begin: Callable[[], None]
    why = "should this process die from here on, whoever comes next knows what was begun and finishes it"
    typical_minutes = 0.0
    if_stuck = "the same command again"

    @property
    def title(self) -> str:
        return "tell in the lease what is begun"

    def do(self, run: Run) -> None:
        self.begin()


@dataclass(frozen=True, eq=False)
class Settle(Action):
    """The lease no longer tells of something begun: everything is where it was."""

    settle: Callable[[], None]
    why = "should this process die from here on, nothing has to be finished by anybody"
    typical_minutes = 0.0
    if_stuck = "the same command again"

    @property
    def title(self) -> str:
        return "nothing is left unfinished"

    def do(self, run: Run) -> None:
        self.settle()


@dataclass(frozen=True, eq=False)
class RemoveControl(Change):
    """Give the lease back, stop copying, and remove the control buckets with everything in them."""

    steps: tuple[ControlBucket, ...]
    #: Ends what still writes into the buckets.
    let_go: Callable[[], None]
    why = "whoever removes the lease must not need it any more"
    typical_minutes = 0.2
    if_stuck = "drctl teardown again"
    phase: ClassVar[str] = "destroy"

    @property
    def title(self) -> str:
        return "remove the control buckets"

    def done(self, run: Run) -> bool:
        return all(run.refresh(step) is None for step in self.steps)

    def do(self, run: Run) -> None:
        self.let_go()
        runner.destroy(run, self.steps)
