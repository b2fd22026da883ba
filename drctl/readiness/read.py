"""What the rules judge: the stack as the survey saw it, and the answers of the few looks that no step makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from drctl.engine.run import Run
from drctl.engine.step import Step, dependencies
from drctl.engine.survey import Looking, Seen
from drctl.settings import Settings, Site
from drctl.stack import Stack

T = TypeVar("T")
#: A look by its name and region.
Place = tuple[str, str]


class NotSeen(Exception):  # no error: it says why a rule cannot be judged
    """What a rule needs to know is not known, with the reason."""


@dataclass(frozen=True)
class Told:
    """What a look was answered; None is an answer too."""

    value: Any


@dataclass(frozen=True, eq=False)
class Look(Step[Told]):
    """A question that no step asks, in the shape of a step: so the survey asks it once, with the others."""

    name: str
    ask: Callable[[Run], Any]

    @property
    def key(self) -> str:
        """As it is told."""
        return f"{self.name} {self.region}"

    def find(self, run: Run) -> Told:
        """The answer as AWS gives it now."""
        return Told(self.ask(run))

    def ensure(self, run: Run) -> Told:
        """Nothing is made by looking."""
        return run.output(self)

    def verify(self, run: Run, out: Told) -> Iterator[Any]:
        """The rules judge it."""
        return iter(())

    def destroy(self, run: Run) -> None:
        """There is nothing to remove."""


@dataclass(frozen=True)
class Read:
    """One read of the stack. `seen` has its steps and `looks`; every question is answered from there."""

    run: Looking
    stack: Stack
    seen: Mapping[Step[Any], Seen]
    looks: Mapping[Place, Look] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """The configuration."""
        return self.run.settings

    @property
    def active(self) -> Site:
        """The region that writes: what is compared, is compared with it. NotSeen when nobody knows who writes."""
        writer = self.out(self.stack.database.global_cluster).writer
        return next((site for site in self.settings.sites if site.region == writer), self.settings.primary)

    @property
    def follower(self) -> Site:
        """The region that a failover would go to."""
        return self.settings.other(self.active)

    def out(self, step: Step[T]) -> T:
        """How a step stands; NotSeen with the reason when that is not known, or it does not stand."""
        seen = self.seen.get(step, Seen(unknown=f"{step.key} was not looked at"))
        if seen.unknown:
            raise NotSeen(seen.unknown)
        if seen.out is None:
            raise NotSeen(f"{step.key} does not stand")
        return seen.out  # type: ignore[no-any-return]  # a step's output is of its own type

    def told(self, name: str, site: Site) -> Any:
        """What a look was answered; NotSeen when it was not."""
        return self.out(self.looks[name, site.region]).value

    def of(self, *kinds: type[Step[Any]], purpose: str = "") -> list[Any]:
        """The stack's steps of these classes, in its order."""
        return [step for step in self.stack.steps if type(step) in kinds and purpose in {"", step.purpose}]

    def both(self, kind: type[Step[Any]], purpose: str = "") -> tuple[Any, Any]:
        """How the steps of a class stand in the active region and in the other one."""
        by_region = {step.region: step for step in self.of(kind, purpose=purpose)}
        return self.out(by_region[self.active.region]), self.out(by_region[self.follower.region])

    def missing_below(self, step: Step[Any]) -> Step[Any] | None:
        """What `step` stands on and is not there itself: as long as that is so, `step` may only not be found."""
        for need in dependencies(step):
            seen = self.seen.get(need)
            if seen is not None and (seen.out is None or seen.unknown):
                return self.missing_below(need) or need
        return None
