"""A step is a noun: one AWS thing in one region, with everything there is to know about it in one file.

A step is a frozen dataclass; a field that is a step is a dependency, so nobody keeps a list of edges.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from drctl.engine.usage import Use

if TYPE_CHECKING:
    from drctl.engine.run import Run
    from drctl.settings import Site

Out = TypeVar("Out")


@dataclass(frozen=True)
class Finding:
    """Something that is not as it must be, and the way to mend it."""

    text: str
    mend: str = "drctl provision"
    #: Whether AWS lets nobody change it, so that provision makes another one in its place.
    anew: bool = False


@dataclass(frozen=True)
class Resource:
    """One AWS resource that a step is responsible for, as an inventory lists it."""

    kind: str
    id: str
    region: str


#: Nothing is known beforehand.
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Step(ABC, Generic[Out]):
    """One thing in one region; `Out` is a small frozen dataclass of what stands.

    `find` and `verify` read only. `ensure` may be called at any moment, any number of times: it makes what is missing,
    converges what can change in place, and stops with an explanation where a change would replace data.
    `destroy` removes what `find` would find, and is done when there is nothing.
    """

    #: Keys of `drctl/aws/durations.yaml` that a first build waits for, one after the other.
    waits: ClassVar[tuple[str, ...]] = ()
    #: The same for a change of what stands, at its longest.
    waits_to_change: ClassVar[tuple[str, ...]] = ()

    site: Site

    @property
    def region(self) -> str:
        """The region whose API this step calls."""
        return self.site.region

    @property
    def purpose(self) -> str:
        """What tells two steps of one class in one region apart; empty when there is only one."""
        return ""

    @property
    def key(self) -> str:
        """Stable name of the step in journals and messages: `network us-east-1`."""
        words = "".join(f" {c.lower()}" if c.isupper() else c for c in type(self).__name__).strip()
        return " ".join(filter(None, (words, self.purpose, self.region)))

    @abstractmethod
    def find(self, run: Run) -> Out | None:
        """What stands now by name and tag, or None when any part of it that the others need is missing."""

    @abstractmethod
    def ensure(self, run: Run) -> Out:
        """Make it as the settings say and return it as it then stands; begins with `run.found(self)`."""

    @abstractmethod
    def verify(self, run: Run, out: Out) -> Iterable[Finding]:
        """What is wrong with `out`, judged by what AWS says now."""

    @abstractmethod
    def destroy(self, run: Run) -> None:
        """Remove all of it that carries our tags."""

    def resources(self, out: Out) -> Iterable[Resource]:
        """The AWS resources behind `out`, for counts and inventories."""
        return ()

    def foreseen(self, run: Run, out: Out | None) -> Mapping[str, Any]:
        """Fields of the output that are known before `ensure` has made it, or has made it anew in place of `out`.

        What AWS makes up, an id or an address, is not among them.
        """
        return NOTHING

    def uses(self, run: Run, out: Out | None) -> Iterable[Use]:
        """What a month of it is billed by: as it stands in `out`, or, with None, as the settings want it."""
        return ()


def dependencies(step: Step[Any]) -> Iterator[Step[Any]]:
    """The steps in the fields of `step`, inside tuples too."""
    for field in dataclasses.fields(step):
        value = getattr(step, field.name)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Step):
                yield item
