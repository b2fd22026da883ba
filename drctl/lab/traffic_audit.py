"""Which acknowledged rows are not there any more: each is read back through the name, as users would."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from drctl.lab.traffic_client import judged
from drctl.lab.traffic_record import Write
from drctl.lab.traffic_target import Target
from drctl.lab.traffic_user import Unanswered, User, Way

#: Clients that read at the same time.
CLIENTS = 8
#: Real seconds without any usable answer after which what is left is unknown, and between two tries then.
PATIENCE_S, PAUSE_S = 10.0, 0.1


@dataclass(frozen=True)
class Audit:
    """Numbers of rows: `missing` are those that the app said it does not have (404), and only those; `unknown` could
    not be read for another reason, or had no id to be read by."""

    present: int
    missing: tuple[int, ...]
    unknown: tuple[int, ...]


def audit(writes: Iterable[Write], way: Way, target: Target, patience_s: float = PATIENCE_S) -> Audit:
    """Read each row back. One that fails is read again, until nothing usable was answered for `patience_s`."""
    work = _Work(writes, patience_s)
    readers = [threading.Thread(target=_read, args=(work, User(way, target, number), target), name=f"audit-{number}")
               for number in range(min(CLIENTS, len(work.left)))]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    unknown = {one.n for one in work.left} | work.without_id
    return Audit(work.present, tuple(sorted(work.missing)), tuple(sorted(unknown)))


class _Work:
    """What is left to be read, and what came of the rest; used by several threads."""

    def __init__(self, writes: Iterable[Write], patience_s: float) -> None:
        self.left = deque(writes)
        self.missing: set[int] = set()
        self.without_id: set[int] = set()
        self.present = 0
        self._lock = threading.Lock()
        self._until, self._patience_s = time.monotonic() + patience_s, patience_s

    def next(self) -> Write | None:
        """A row to read; None when there is none, or no more patience."""
        with self._lock:
            return self.left.popleft() if self.left and time.monotonic() < self._until else None

    def failed(self, write: Write) -> None:
        """It is to be read again, after the others."""
        self.left.append(write)

    def told(self, write: Write, outcome: str) -> None:
        """The app said whether it has the row."""
        with self._lock:
            self._until = time.monotonic() + self._patience_s
            if outcome == "read":
                self.present += 1
            else:
                self.missing.add(write.n)


def _read(work: _Work, user: User, target: Target) -> None:
    pause = threading.Event()
    while (write := work.next()) is not None:
        asked = target.read(write.row, write.id)
        if asked is None:
            work.without_id.add(write.n)
            continue
        try:
            outcome = judged(user.ask(asked), write.row)
        except Unanswered:
            outcome = "unanswered"
        if outcome in {"read", "missing"}:
            work.told(write, outcome)
        else:
            work.failed(write)
            pause.wait(PAUSE_S)
    user.close()
