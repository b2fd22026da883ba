"""Who writes all the time while a stack moves, and remembers outside the database what was acknowledged.

On AWS that is drctl's own probe function; in a lab, clients that write through the users' name as users do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Write:
    """One acknowledged write: its number, when it was acknowledged in AWS seconds of the run's clock, and where."""

    number: int
    at: float
    region: str


@dataclass(frozen=True)
class Audit:
    """What was read back: writes that are not there, and those of which nobody could tell."""

    lost: tuple[Write, ...]
    unknown: tuple[Write, ...] = ()


class Witness(Protocol):
    """Begun before a move, ended after it."""

    @property
    def words(self) -> str:
        """Who it is, for the report: a figure is worth what its source is."""
        ...

    @property
    def by_name(self) -> bool:
        """Whether it writes through the users' name, so that its first write proves the name's answer too."""
        ...

    @property
    def every_s(self) -> float:
        """AWS seconds between two writes: as exact as any figure can be."""
        ...

    @property
    def saw_before(self) -> bool:
        """Whether it was writing before the run began, so that it knows of an outage's last write."""
        ...

    def begin(self) -> None:
        """Write from now on, unless it does already."""
        ...

    def end(self) -> None:
        """This move is over."""
        ...

    def tried(self) -> int:
        """One more write, or a look whether there was one: how many were acknowledged since `begin`."""
        ...

    def in_words(self) -> str:
        """How it went lately, as a wait shows it."""
        ...

    def acknowledged(self) -> Sequence[Write]:
        """What was acknowledged, in order of time; from before `begin` too where `saw_before`."""
        ...

    def audit(self, writes: Sequence[Write], region: str) -> Audit:
        """Which of these writes the database of that region does not hold; the newest are those that may be gone."""
        ...


@dataclass(frozen=True)
class Gap:
    """From the last write that was acknowledged in the old region to the first in the new one."""

    last: Write
    first: Write

    @property
    def seconds(self) -> float:
        """AWS seconds without an acknowledged write."""
        return self.first.at - self.last.at


def recovered(gap: Gap, witness: Witness, ended: float) -> float:
    """AWS seconds from the last write to the first one after; who does not write through the name waits for the lines
    that prove it, which ended at a moment of the run's clock."""
    return gap.seconds if witness.by_name else max(gap.first.at, ended) - gap.last.at


def first_in(region: str, writes: Iterable[Write], since: float) -> Write | None:
    """The oldest write in a region since a moment of the run's clock."""
    return next((one for one in writes if one.region == region and one.at >= since), None)


def last_in(region: str, writes: Sequence[Write], before: Write) -> Write | None:
    """The newest write in a region before another one."""
    return next((one for one in reversed(writes) if one.region == region and one.at <= before.at), None)


def at_stake(writes: Sequence[Write], gap: Gap) -> list[Write]:
    """What a move could have lost: the writes since users had last come to the old region."""
    earlier = [one.at for one in writes if one.region == gap.first.region and one.at < gap.last.at]
    return [one for one in writes if one.at > max(earlier, default=float("-inf"))]


def span_of(lost: Collection[Write], last: Write, every_s: float) -> float:
    """AWS seconds of writes that are gone: from the first lost one to the last acknowledged before the move, and the
    pause before it, in which the newest write that is still there may lie."""
    return max(0.0, last.at - min(one.at for one in lost)) + every_s if lost else 0.0


def ranges(numbers: Iterable[int]) -> str:
    """Numbers as people list them: 4, 7-9."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(begin) if begin == end else f"{begin}-{end}" for begin, end in runs)
