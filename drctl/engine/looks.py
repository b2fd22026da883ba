"""Looks that nobody waits long for: all at once, each in a thread of its own that holds up no end of the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

#: The answers so far by name of the look.
Answers = dict[str, Any]


@dataclass(frozen=True)
class Unanswered:
    """What stands for the answer of a look that failed (`why`, and with what), or has not answered in time."""

    why: str = "no answer yet"
    error: Exception | None = field(default=None, compare=False, repr=False)

    def within(self, seconds: float) -> str:
        """The same, told with how long was waited."""
        return self.why if self.error is not None or self.why != Unanswered.why else f"no answer within {seconds:g} s"


class Pending:
    """A look under way; `answer` is what came of it so far."""

    def __init__(self, name: str, look: Callable[[], Any], done: Callable[[], None] = lambda: None) -> None:
        self.answer: Any = Unanswered()
        self._look, self._done = look, done
        self._ended = threading.Event()
        threading.Thread(target=copy_context().run, args=(self._work,), name=f"look: {name}", daemon=True).start()

    def _work(self) -> None:
        try:
            self.answer = self._look()
        except Exception as error:  # whatever it is, the others must be heard, and it is shown in its place
            self.answer = Unanswered(str(error) or type(error).__name__, error)
        self._ended.set()
        self._done()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._ended.is_set()

    def wait(self, within_s: float) -> Any:
        """The answer, after at most that many real seconds."""
        self._ended.wait(within_s)
        return self.answer


class Trying(Pending):
    """Work that is tried again after a failure of the kinds `again`, `pause_s` later, for `within_s` real seconds."""

    def __init__(self, name: str, work: Callable[[], Any], again: tuple[type[Exception], ...], pause_s: float,
                 within_s: float) -> None:
        self._once, self._again, self._pause_s = work, again, pause_s
        self._until, self._last = time.monotonic() + within_s, threading.Event()
        super().__init__(name, self._try)

    def last(self) -> None:
        """Somebody wants to know now: one more try, at once or after the one under way, and no further one."""
        self._last.set()

    def _try(self) -> Any:
        while True:
            is_last = self._last.is_set() or time.monotonic() > self._until
            try:
                return self._once()
            except self._again:
                if is_last:
                    raise
            self._last.wait(self._pause_s)


def look_all(looks: Mapping[str, Callable[[], Any]], within_s: float, needed: Collection[str] = (),
             grace_s: float = 0.0) -> Answers:
    """Answers by name; a look that raised, or has not answered by the end, is Unanswered.

    The end comes when all have answered; `grace_s` real seconds after those that are `needed` have; and after
    `within_s` in any case.
    """
    asked, changed = _begin(looks)
    until, waits_for = time.monotonic() + within_s, set(needed)
    while (left := until - time.monotonic()) > 0 and not all(one.ended for one in asked.values()):
        if waits_for and all(asked[name].ended for name in waits_for):
            until, waits_for = min(until, time.monotonic() + grace_s), set()
            continue
        changed.wait(left)
        changed.clear()
    return {name: one.answer for name, one in asked.items()}


def first_of(looks: Mapping[str, Callable[[], Any]], within_s: float, grace_s: float = 0.0) -> Answers:
    """As `look_all`, but one answer is enough; the others have `grace_s` real seconds more."""
    asked, changed = _begin(looks)
    until = time.monotonic() + within_s
    while (left := until - time.monotonic()) > 0 and not all(one.ended for one in asked.values()):
        if grace_s >= 0 and any(one.ended and not isinstance(one.answer, Unanswered) for one in asked.values()):
            until, grace_s = min(until, time.monotonic() + grace_s), -1.0
            continue
        changed.wait(left)
        changed.clear()
    return {name: one.answer for name, one in asked.items()}


def look_in_groups(groups: Mapping[str, Mapping[str, Callable[[], Any]]], within_s: float,
                   grace_s: float) -> dict[str, Answers]:
    """Answers by group and name; what has not answered by the end is Unanswered, and tells how long was waited.

    The end comes when all have answered; `grace_s` real seconds after all of one group have, or as long again as that
    has taken, for on a slow machine or line another may be as slow; and after `within_s` in any case.
    """
    changed, began = threading.Event(), time.monotonic()
    asked = {group: {name: Pending(f"{name} {group}", look, changed.set) for name, look in looks.items()}
             for group, looks in groups.items()}
    until, whole = began + within_s, False
    while (left := until - time.monotonic()) > 0:
        ended = [all(one.ended for one in some.values()) for some in asked.values()]
        if all(ended):
            break
        if any(ended) and not whole:
            now = time.monotonic()
            until, whole = min(until, now + max(grace_s, now - began)), True
            continue
        changed.wait(left)
        changed.clear()
    late = Unanswered(Unanswered().within(max(1, round(time.monotonic() - began))))
    return {group: {name: one.answer if one.ended else late for name, one in some.items()}
            for group, some in asked.items()}


def _begin(looks: Mapping[str, Callable[[], Any]]) -> tuple[dict[str, Pending], threading.Event]:
    changed = threading.Event()
    return {name: Pending(name, look, changed.set) for name, look in looks.items()}, changed
