"""What the lab's clients saw, outside of the stack: a line of JSON per request, and the questions reports ask of it.

A line: `kind` (write or read), `n` and `row` (the row's number, which no other client has, and its text), `at` and
`ended` (seconds since 1970, real time: sent, and answered or given up), `outcome`, `status`, `why`, `address` and
`region` (which balancer), `id` (what the app calls the row). Empty or null is what was not known.

Outcomes of a write: `acknowledged` (2xx), `refused` (another status), `unanswered` (none; `why` begins with "not sent"
when it cannot have arrived; otherwise the row may be there or not). Outcomes of a read: `read`, `missing` (404),
`wrong` (2xx without the row in it), `refused`, `unanswered`.
"""

from __future__ import annotations

import bisect
import json
import threading
from collections import Counter
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Line:
    """One request, as it is recorded."""

    n: int
    row: str
    kind: str
    at: float
    ended: float
    outcome: str
    status: int | None = None
    why: str = ""
    address: str = ""
    region: str = ""
    id: str | None = None


class Recorder:
    """Appends lines, each on disk for other processes to read before the next request (flushed, not synced)."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("x", encoding="utf-8")
        self._lock = threading.Lock()

    def put(self, line: Line) -> None:
        """Remember one request."""
        text = json.dumps(asdict(line)) + "\n"
        with self._lock:
            self._file.write(text)
            self._file.flush()

    def close(self) -> None:
        """Nothing more is recorded."""
        with self._lock:
            self._file.close()


@dataclass(frozen=True)
class Write:
    """An acknowledged write; `at` is when its acknowledgement came, in seconds since 1970."""

    n: int
    row: str
    id: str | None
    at: float
    region: str
    address: str


@dataclass(frozen=True)
class Gap:
    """A time in which no write was acknowledged: since `begin`, and until `end` or, without `first`, still.

    `last` and `first` are the acknowledged writes around it; `refused` and `unanswered` count the writes in it.
    """

    begin: float
    end: float
    last: Write | None
    first: Write | None
    refused: int
    unanswered: int

    @property
    def seconds(self) -> float:
        """How long, in real seconds."""
        return self.end - self.begin


class Record:
    """A record as far as it is written; `refresh` reads on, so that a growing one can be followed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        """Requests by kind and outcome, for example `write acknowledged`, `read missing`."""
        self.region = ""
        """The region that answered last."""
        self._offset = 0
        self._writes: list[Write] = []
        self._failed: list[Line] = []
        self._span: tuple[float, float] | None = None
        self.refresh()

    def refresh(self) -> None:
        """Take in what was written since; a line that is not whole yet, or was cut off by a kill, is left."""
        with self.path.open("rb") as file:
            file.seek(self._offset)
            whole = file.read().rpartition(b"\n")
        self._offset += len(whole[0]) + len(whole[1])
        for text in whole[0].splitlines():
            self._take(Line(**json.loads(text)))
        self._writes.sort(key=_at)  # clients end side by side: neighbours may stand the other way round

    def _take(self, line: Line) -> None:
        self.counts[f"{line.kind} {line.outcome}"] += 1
        if line.status is not None:
            self.region = line.region
        begin, end = self._span or (line.at, line.ended)
        self._span = min(begin, line.at), max(end, line.ended)
        if line.outcome == "acknowledged":
            self._writes.append(Write(line.n, line.row, line.id, line.ended, line.region, line.address))
        elif line.kind == "write":
            self._failed.append(line)

    def acknowledged(self) -> list[Write]:
        """All acknowledged writes, in the order of their acknowledgements."""
        return list(self._writes)

    def last_before(self, t: float, region: str = "") -> Write | None:
        """The last write that was acknowledged at `t` or before (seconds since 1970), by `region` or by any."""
        before = self._writes[:bisect.bisect_right(self._writes, t, key=_at)]
        return next((one for one in reversed(before) if region in {"", one.region}), None)

    def first_after(self, t: float, region: str = "") -> Write | None:
        """The first write that was acknowledged after `t` (seconds since 1970), by `region` or by any."""
        after = self._writes[bisect.bisect_right(self._writes, t, key=_at):]
        return next((one for one in after if region in {"", one.region}), None)

    def gaps(self, longer_than_s: float = 1.0) -> list[Gap]:
        """The times longer than that, in real seconds, in which no write was acknowledged; the ends count too."""
        if self._span is None:
            return []
        begin, end = self._span
        ends: list[Write | None] = [None, *self._writes, None]
        around = [(last, first, begin if last is None else last.at, end if first is None else first.at)
                  for last, first in pairwise(ends)]
        return [self._gap(since, until, last, first) for last, first, since, until in around
                if until - since > longer_than_s]

    def _gap(self, begin: float, end: float, last: Write | None, first: Write | None) -> Gap:
        within = Counter(line.outcome for line in self._failed if begin <= line.ended <= end)
        return Gap(begin, end, last, first, within["refused"], within["unanswered"])

    def totals(self) -> dict[str, Any]:
        """The figures that people look at: writes by outcome, reads that found their row, misses, and the rest."""
        counts = self.counts
        return {**{outcome: counts[f"write {outcome}"] for outcome in ("acknowledged", "refused", "unanswered")},
                "reads": counts["read read"], "missing": counts["read missing"], "wrong": counts["read wrong"],
                "reads_failed": counts["read refused"] + counts["read unanswered"],
                "last_acknowledged": self._writes[-1].at if self._writes else None, "region": self.region}


def _at(write: Write) -> float:
    return write.at
