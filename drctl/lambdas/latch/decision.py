"""What the latch of a region does about what it sees, minute by minute: a pure function, so that it can be tried out.

The object that was put last says where users belong, and no object at all says: in the primary region. Where they are,
though, is decided by health checks too. Once users have been in a region for `limit` minutes without belonging there,
the region's latch puts its own object: from then on they do. It counts minutes, not visits: a way back that is shorter
than `limit` does not begin the count anew, so that a region that comes and goes loses its users for good.

Nothing is done because a question could not be answered; what the other region last said counts until it speaks again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


class Act(Enum):
    """What is to be done with the region's own object."""

    NOTHING = "nothing"
    PUT = "put"
    DELETE = "delete"


@dataclass(frozen=True)
class Lies:
    """What is known of a switch object: nothing; or since when it lies there (epoch seconds), None when it does not."""

    known: bool = False
    since: float | None = None

    @property
    def there(self) -> bool:
        """Whether it is known to lie there."""
        return self.since is not None


@dataclass(frozen=True)
class Seen:
    """One look: whether users are sent here (None: the name servers did not say), and both objects."""

    here: bool | None
    own: Lies
    other: Lies


@dataclass(frozen=True)
class State:
    """What is remembered from one minute to the next.

    `astray`: minutes in which users were here without belonging here; `back`: minutes since, in a row, in which they
    were not; `at`: epoch seconds of the last of either; `event`: what the last look was made for; `other`: the other
    region's object as last seen.
    """

    astray: int = 0
    back: int = 0
    at: float = 0.0
    event: str = ""
    other: Lies = Lies()


@dataclass(frozen=True)
class Latch:
    """Which latch it is; `limit` in minutes."""

    role: str
    limit: int

    def belong_here(self, own: Lies, other: Lies) -> bool:
        """Whether the objects send users to this region; of two the younger, of two of one second the primary's,
        which outvotes the other in the health checks too."""
        if self.role == "primary":
            return not other.there or _younger(own, other, even=True)
        return own.there and not _younger(other, own, even=True)

    def decide(self, seen: Seen, state: State, now: float, event: str) -> tuple[Act, State]:
        """What to do, and what to remember if it succeeds; a look that was made before for the same event counts
        once."""
        if event and event == state.event:
            return Act.NOTHING, state
        other = seen.other if seen.other.known else state.other
        state = replace(state, other=other, event=event)
        if self._is_over(seen):
            return Act.DELETE, State(other=other)
        if seen.here is None:
            return Act.NOTHING, state
        if self.belong_here(seen.own, other):
            return Act.NOTHING, State(other=other)
        state = self._counted(seen.here, state, now)
        return (Act.PUT, State(other=other)) if state.astray >= self.limit else (Act.NOTHING, state)

    def _is_over(self, seen: Seen) -> bool:
        """Whether the pin has done its work: the switch that it outvotes is gone, or was turned again after it.

        The switch itself is never deleted: that brings users back, which is the operator's to do.
        """
        return (self.role == "primary" and seen.own.there and seen.other.known
                and (not seen.other.there or _younger(seen.other, seen.own)))

    def _counted(self, here: bool, state: State, now: float) -> State:
        """One more minute; a count that was not looked after for longer than its limit says nothing any more."""
        if now - state.at > (self.limit + 1) * 60:
            state = replace(state, astray=0, back=0)
        if here:
            return replace(state, astray=state.astray + 1, back=0, at=now)
        if not state.astray or state.back + 1 >= self.limit:
            return State(other=state.other)
        return replace(state, back=state.back + 1, at=now)


def _younger(one: Lies, other: Lies, *, even: bool = False) -> bool:
    """Whether `one` was put after `other`, or with `even` in the same second."""
    if one.since is None or other.since is None:
        return one.since is not None
    return one.since > other.since or (even and one.since == other.since)
