"""The rows of a global database as a log: what was acknowledged, what a copy has of it, what a move has lost.

The lab tells who writes, when that changes, and how far a copy lags; rows know nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from drctl.lab.clock import CLOCK
from drctl.lab.lag import LAG

#: What a row is known by: a heartbeat's run and number, or a user's own number.
Key = tuple[str, int]


@dataclass
class Rows:
    """The writer's log in the order of its commits, and the moment up to which the copy has it."""

    log: list[tuple[float, Key]] = field(default_factory=list)
    copied_until: float = field(default_factory=CLOCK.now)
    acknowledged: dict[Key, float] = field(default_factory=dict)
    #: Acknowledged rows that the writer does not hold, by the kind of move that lost them.
    lost: dict[Key, str] = field(default_factory=dict)

    def write(self, key: Key) -> None:
        """The writer takes and acknowledges a row; the same row again is the one there is."""
        if key not in self.acknowledged:
            self.log.append((CLOCK.now(), key))
            self.acknowledged[key] = CLOCK.now()

    def go_on(self, writer: str, replicates: bool) -> None:
        """Time has passed: what is older than the lag is in the copy too."""
        if writer and replicates:
            self.copied_until = max(self.copied_until, CLOCK.now() - LAG.ms / 1000)

    def of_the_copy(self) -> list[Key]:
        """What the copy has."""
        return [key for at, key in self.log if at <= self.copied_until]

    def change(self, kind: str, *_: Any) -> None:
        """The copy becomes the writer: after a switchover with everything, after a failover with what it has."""
        kept = self.log if kind == "switchover" else [(at, key) for at, key in self.log if at <= self.copied_until]
        remaining = {key for _, key in kept}
        self.lost |= {key: kind for _, key in self.log if key not in remaining}
        self.log, self.copied_until = kept, CLOCK.now()
