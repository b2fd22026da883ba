"""What a drill with a fault does to the lab: it takes a region, or a service of it, away, and gives it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from drctl.engine.run import Run
from drctl.engine.runbook import Action
from drctl.settings import Site


@dataclass(frozen=True, eq=False)
class Break(Action):
    """The lab takes `what` of a region away; from then on the run takes the region for lost."""

    site: Site
    what: str
    begin: Callable[[], None]
    why = "a failover that was never carried out against a dead region is a hope"
    typical_minutes = 0.0
    if_stuck = "drctl lab status"
    phase: ClassVar[str] = "detect"

    @property
    def title(self) -> str:
        return f"the lab takes {self.what} of {self.site.region} away"

    @property
    def region(self) -> str:
        return self.site.region

    def do(self, run: Run) -> None:
        self.begin()


@dataclass(frozen=True, eq=False)
class Mend(Action):
    """The lab gives back what it took away."""

    site: Site
    end: Callable[[], None]
    why = "a drill leaves nothing broken"
    typical_minutes = 0.0
    if_stuck = "drctl lab outage end"
    phase: ClassVar[str] = "prepare"

    @property
    def title(self) -> str:
        return f"the lab gives {self.site.region} back"

    @property
    def region(self) -> str:
        return self.site.region

    def do(self, run: Run) -> None:
        self.end()
