"""One of the lab's clients: writes numbered rows, reads some of them back, and remembers outside what was said."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from drctl.lab.traffic_record import Line
from drctl.lab.traffic_target import Asked, Target
from drctl.lab.traffic_user import Answer, Unanswered, User

#: Every so manieth request reads back one of the so many rows of this client that were acknowledged last.
READ_EVERY, READ_AMONG = 5, 20
OK, NOT_FOUND = range(200, 300), 404


@dataclass(frozen=True)
class Known:
    """A row that was acknowledged."""

    n: int
    row: str
    id: str | None


@dataclass(frozen=True)
class Rows:
    """How rows are called (`label`) and numbered, and where what became of them goes; shared by all clients."""

    label: str
    numbers: Iterator[int]
    put: Callable[[Line], None]
    region_of: Callable[[str], str]


class Client:
    """Writes row after row, each number once: what was not acknowledged is never sent again."""

    def __init__(self, number: int, user: User, target: Target, rows: Rows) -> None:
        self._number, self._user, self._target, self._rows = number, user, target, rows
        self._readable: deque[tuple[Known, Asked]] = deque(maxlen=READ_AMONG)
        self._requests = 0

    def request(self) -> None:
        """The next request: mostly a write, now and then a read; what comes of it is recorded before this returns."""
        self._requests += 1
        if self._readable and self._requests % READ_EVERY == 0:
            # the position moves on by one with each read, so that rows of all ages among them are read
            self._read(*self._readable[self._requests // READ_EVERY % len(self._readable)])
        else:
            self._write()

    def _write(self) -> None:
        n = next(self._rows.numbers)
        row = f"{self._rows.label}-{self._number}-{n}"
        at = time.time()
        try:
            answer = self._user.ask(self._target.write(row))
        except Unanswered as none:
            self._unanswered("write", Known(n, row, None), at, none)
            return
        if answer.status not in OK:
            self._answered("write", Known(n, row, None), at, answer, "refused")
            return
        known = Known(n, row, self._target.id_in(answer.body))
        why = "" if known.id is not None else f"its answer has no {self._target.id_field}"
        self._answered("write", known, at, answer, "acknowledged", why)
        if (asked := self._target.read(row, known.id)) is not None:
            self._readable.append((known, asked))

    def _read(self, known: Known, asked: Asked) -> None:
        at = time.time()
        try:
            answer = self._user.ask(asked)
        except Unanswered as none:
            self._unanswered("read", known, at, none)
            return
        self._answered("read", known, at, answer, judged(answer, known.row))

    def _answered(self, kind: str, known: Known, at: float, answer: Answer, outcome: str, why: str = "") -> None:
        if outcome in {"refused", "wrong"}:
            why = answer.body[:200].decode(errors="replace")
        self._rows.put(Line(known.n, known.row, kind, at, time.time(), outcome, answer.status, why, answer.address,
                            self._rows.region_of(answer.address), known.id))

    def _unanswered(self, kind: str, known: Known, at: float, none: Unanswered) -> None:
        self._rows.put(Line(known.n, known.row, kind, at, time.time(), "unanswered", None, none.why, none.address,
                            self._rows.region_of(none.address), known.id))


def judged(answer: Answer, row: str) -> str:
    """The outcome of a read by its answer: `read`, `missing`, `wrong` or `refused`."""
    if answer.status == NOT_FOUND:
        return "missing"
    if answer.status not in OK:
        return "refused"
    return "read" if row.encode() in answer.body else "wrong"
