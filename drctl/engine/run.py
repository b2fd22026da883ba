"""A run: what every step and action is given. It knows the settings, reaches AWS, waits, and remembers only findings.

What a run remembers are outputs of steps that AWS was asked for in this run; nothing outlives it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from drctl.aws.clients import Aws, Region
from drctl.aws.errors import Refusal
from drctl.aws.tags import STACK_TAG
from drctl.engine.clock import Clock
from drctl.engine.events import Events
from drctl.engine.looks import Pending, Trying
from drctl.engine.step import Step
from drctl.engine.waiting import Waiting
from drctl.engine.witness import Witness
from drctl.errors import DrctlError
from drctl.names import Names
from drctl.settings import Settings, Site

T = TypeVar("T")
#: Measure that keeps when an outage began, in seconds since 1970, for the run and those that go on with it.
OUTAGE_BEGAN = "outage_began"


class NotBuilt(DrctlError):
    """A step needs another one that does not stand."""


@dataclass
class Aside:
    """Clients of the lost region: what may be asked there, but is never waited for."""

    aws: Aws
    #: Whether functions in that region have answered this run.
    answers: bool = False
    #: The attempt to stop the app there; its answer is the concurrency that was reserved for it before.
    fencing: Pending | None = None

    @property
    def reserved(self) -> int | None:
        """What was reserved for the app there before it was stopped; None without it, and as long as nobody knows."""
        answer = self.fencing.answer if self.fencing is not None else None
        return answer if isinstance(answer, int) and answer > 0 else None


@dataclass
class Run:
    """One execution of a command against one stack."""

    id: str
    settings: Settings
    aws: Aws
    clock: Clock
    events: Events
    #: Address of a name server to ask instead of the zone's own, `(host, port)`; only the lab has one.
    name_server: tuple[str, int] | None = None
    #: Clients of the users' name that write all the time; only a lab has them.
    clients: Witness | None = None
    #: The region that is taken for lost: this run asks it nothing. Empty while both are there.
    lost: str = ""
    #: The way to that region for what is tried there all the same.
    aside: Aside | None = None
    #: The attempts to note a failover for whoever cleans up after it.
    noting: Trying | None = None
    #: By region: clients that need that region alone, for their credentials too.
    alone: Mapping[str, Aws] = field(default_factory=dict)
    #: The figures recorded so far.
    measures: dict[str, Any] = field(default_factory=dict)
    #: When another writer was last asked for, in AWS seconds, and the region that wrote then: AWS shows it late.
    roles_asked: tuple[float, str | None] | None = None
    _outputs: dict[Step[Any], Any] = field(default_factory=dict)
    _locks: dict[Step[Any], threading.Lock] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.names = Names(self.settings.environment, self.settings.account_id)
        self._waiting = Waiting(self.clock, self.events)

    # AWS ---------------------------------------------------------------------------------------------------------

    def at(self, place: Site | str) -> Region:
        """The clients of a region."""
        return self.aws[place if isinstance(place, str) else place.region]

    @property
    def vantage(self) -> Region:
        """The clients of the region that is asked for what every region shows: the primary, unless it is lost."""
        primary, standby = self.settings.sites
        return self.at(standby if primary.region == self.lost else primary)

    def name(self, service: str, purpose: str, place: Site | str) -> str:
        """The stack's name for `purpose` in a region."""
        return self.names(service, purpose, place if isinstance(place, str) else place.region)

    def tags(self, site: Site | None, name: str = "") -> dict[str, str]:
        """Ownership tags; `site` is None for what both regions share."""
        tags = {**self.settings.tags, STACK_TAG: self.settings.environment, "Environment": self.settings.environment}
        if site is not None:
            tags |= {"Region": site.region, "DR-Role": site.tag_role}
        return tags | ({"Name": name} if name else {})

    # Other steps -------------------------------------------------------------------------------------------------

    def found(self, step: Step[T]) -> T | None:
        """What stands of `step`; AWS is asked once in a run, `refresh` asks again."""
        with self._guard:
            lock = self._locks.setdefault(step, threading.Lock())
        with lock:
            if self._outputs.get(step) is None:
                self._outputs[step] = step.find(self)
            return self._outputs[step]  # type: ignore[no-any-return]  # the key's type parameter is the value's type

    def refresh(self, step: Step[T]) -> T | None:
        """What stands of `step` now."""
        self.forget(step)
        return self.found(step)

    def output(self, step: Step[T]) -> T:
        """What stands of `step`, which must stand: NotBuilt otherwise."""
        out = self.found(step)
        if out is None:
            raise NotBuilt(f"{step.key} does not stand", next_step="drctl provision")
        return out

    def remember(self, step: Step[T], out: T) -> None:
        """`out` is how `step` stands."""
        self._outputs[step] = out

    def forget(self, step: Step[Any]) -> None:
        """Ask AWS again the next time."""
        self._outputs.pop(step, None)

    # Waiting and telling -----------------------------------------------------------------------------------------

    def wait_until(self, sentence: str, look: Callable[[], T], ready: Callable[[T], bool], *, within: float,
                   every: float = 10.0, failed: Callable[[T], str | None] = lambda _: None,
                   show: Callable[[T], str] = str) -> T:
        """See `drctl.engine.waiting.Waiting.wait_until`."""
        return self._waiting.wait_until(sentence, look, ready, within=within, every=every, failed=failed, show=show)

    def retry(self, sentence: str, call: Callable[[], T], on: tuple[Refusal, ...], *, within: float,
              every: float = 10.0) -> T:
        """See `drctl.engine.waiting.Waiting.retry`."""
        return self._waiting.retry(sentence, call, on, within=within, every=every)

    def say(self, text: str) -> None:
        """A note for the operator, kept in the journal."""
        self.events.emit("note", text=text)

    def measure(self, name: str, value: Any, unit: str = "") -> None:
        """A figure for the report."""
        self.measures[name] = value
        self.events.emit("measure", name=name, value=value, unit=unit)
