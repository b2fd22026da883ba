"""Hand-written steps and actions that need no AWS, and a run that talks to nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from drctl.aws.clients import Aws, Credentials, Door
from drctl.aws.hooks import Call
from drctl.engine.clock import Clock
from drctl.engine.events import Events, Record
from drctl.engine.run import Run
from drctl.engine.runbook import Action, Change
from drctl.engine.step import Finding, Step
from drctl.settings import Settings, Site

SITE = Settings().primary
OTHER = Settings().standby


def offline_run(records: list[Record] | None = None, *, speed: float = 100_000.0) -> Run:
    """A run whose door leads to a closed port."""
    clock = Clock(speed)
    clock.patience_s = 0.05
    events = Events(clock, *((records.append,) if records is not None else ()))
    return Run("test", Settings(), Aws(Door("http://127.0.0.1:9", Credentials("x", "x")), events), clock, events)


def refusal(code: str, message: str = "no", operation: str = "CreateThing") -> ClientError:
    """AWS's answer with this code."""
    return ClientError({"Error": {"Code": code, "Message": message},
                        "ResponseMetadata": {"RequestId": "req-1", "HTTPStatusCode": 400, "HTTPHeaders": {},
                                             "RetryAttempts": 0, "HostId": ""}}, operation)


@dataclass
class World:
    """What stands, in which order it was made and removed, and what goes wrong."""

    stands: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)
    at_ensure: dict[str, Callable[[Run], object]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, eq=False)
class Thing(Step[str]):
    """A step that stands in a World."""

    label: str
    world: World
    needs: tuple[Step[Any], ...] = ()

    @property
    def purpose(self) -> str:
        return self.label

    def find(self, run: Run) -> str | None:
        return self.label if self.label in self.world.stands else None

    def ensure(self, run: Run) -> str:
        if happens := self.world.at_ensure.get(self.label):
            happens(run)
        for need in self.needs:
            run.output(need)
        if self.label not in self.world.stands:
            run.events.sending(Call(self.region, "fake", "CreateThing", {}))
            with self.world.lock:
                self.world.stands.add(self.label)
                self.world.log.append(f"+{self.label}")
        return self.label

    def verify(self, run: Run, out: str) -> Iterable[Finding]:
        return ()

    def destroy(self, run: Run) -> None:
        if self.label in self.world.stands:
            run.events.sending(Call(self.region, "fake", "DeleteThing", {}))
            with self.world.lock:
                self.world.stands.discard(self.label)
                self.world.log.append(f"-{self.label}")


@dataclass(frozen=True, eq=False)
class Line(Action):
    """A line of a runbook that writes its name down."""

    label: str
    log: list[str]
    fails: BaseException | None = None
    why: ClassVar[str] = "because"
    typical_minutes: ClassVar[float] = 0
    if_stuck: ClassVar[str] = "pull"

    @property
    def title(self) -> str:
        return self.label

    def do(self, run: Run) -> None:
        self.log.append(self.label)
        if self.fails:
            raise self.fails


@dataclass(frozen=True, eq=False)
class Turn(Change):
    """A line that changes a state, which can be stuck."""

    label: str
    state: set[str]
    stuck: bool = False
    why: ClassVar[str] = "because"
    typical_minutes: ClassVar[float] = 0
    if_stuck: ClassVar[str] = "pull"

    @property
    def title(self) -> str:
        return self.label

    def done(self, run: Run) -> bool:
        return self.label in self.state

    def do(self, run: Run) -> None:
        if not self.stuck:
            self.state.add(self.label)


def site(index: int) -> Site:
    """The primary for even numbers, the standby for odd ones."""
    return (SITE, OTHER)[index % 2]
