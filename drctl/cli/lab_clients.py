"""The clients of a lab as the witness of a move: they write through the users' name, and remember it in a record."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from drctl.cli.traffic import target_of
from drctl.engine.clock import Clock
from drctl.engine.witness import Audit, Write
from drctl.errors import DrctlError
from drctl.lab import process, traffic_process
from drctl.lab.traffic_audit import audit
from drctl.lab.traffic_record import Record
from drctl.lab.traffic_user import Way
from drctl.settings import Settings

#: Rows that are read back at a time, the newest first: what is lost is the end of a log, so a whole page that is there
#: ends the search.
PAGE = 1000


class LabClients:
    """Those that run already, or its own: begun with the first move of a run, ended with the run."""

    by_name = True

    def __init__(self, lab: process.LabState, settings: Settings, clock: Clock) -> None:
        self._lab, self._clock = lab, clock
        self._target = target_of(settings)
        self._traffic = traffic_process.running()
        self.saw_before = self._traffic is not None
        self._record = Record(Path(self._traffic.record)) if self._traffic else None
        #: A record is read on by the run and by whoever draws its progress.
        self._lock = threading.Lock()
        #: When the move under way began, in AWS seconds of the run's clock.
        self._begun = 0.0

    @property
    def words(self) -> str:
        """How many there are, and where they write."""
        count = self._traffic.clients if self._traffic else 0
        return f"{count} clients of the lab at {self._target.name}"

    @property
    def every_s(self) -> float:
        """AWS seconds between two requests of all clients together."""
        return self._clock.speed / self._traffic.rate if self._traffic else 0.0

    def begin(self) -> None:
        """Have clients write; DrctlError when they cannot be begun."""
        self._begun = self._clock.now()
        if self._traffic is None:
            self._traffic, _ = traffic_process.start(self._lab, self._target)
            self._record = Record(Path(self._traffic.record))

    def end(self) -> None:
        """They go on: users do not care that a move is over."""

    def close(self) -> None:
        """End what this run has begun."""
        if self._traffic is not None and not self.saw_before:
            traffic_process.stop()

    def tried(self) -> int:
        """How many writes were acknowledged since `begin`."""
        return sum(one.at >= self._begun for one in self.acknowledged())

    def in_words(self) -> str:
        """The counters; that the clients have ended, if they have."""
        ended = "" if traffic_process.running() else f"; they have ended{traffic_process.complaint()}"
        return (self.counted() or "no clients yet") + ended

    def counted(self) -> str:
        """The counters of a person's screen: writes by outcome, reads that missed their row, and who answered last."""
        if self._record is None:
            return ""
        with self._lock:
            self._record.refresh()
            told = self._record.totals()
        return (f"{self.words}: {told['acknowledged']} writes acknowledged, {told['refused']} refused, "
                f"{told['unanswered']} unanswered; {told['missing']} of {told['missing'] + told['reads']} rows missing "
                f"when read; last answer from {told['region'] or 'nowhere'}")

    def acknowledged(self) -> list[Write]:
        """What the record holds by now."""
        if self._record is None:
            return []
        with self._lock:
            self._record.refresh()
            writes = self._record.acknowledged()
        zero, speed = time.time() - self._clock.wall(), self._clock.speed
        return [Write(one.n, (one.at - zero) * speed, one.region) for one in writes]

    def audit(self, writes: Sequence[Write], region: str) -> Audit:
        """Read rows back through the name, which answers with that region; the newest page by page, until one is whole.

        Raises DrctlError when the lab does not tell the way for clients.
        """
        if self._record is None:
            return Audit(())
        by_number = {one.number: one for one in writes}
        rows = [one for one in self._record.acknowledged() if one.n in by_number]
        way = Way.of(process.ask(self._lab, "clients"))
        lost: list[int] = []
        unknown: list[int] = []
        for end in range(len(rows), 0, -PAGE):
            found = audit(rows[max(end - PAGE, 0):end], way, self._target)
            lost, unknown = [*found.missing, *lost], [*found.unknown, *unknown]
            if not found.missing and not found.unknown:
                break
        return Audit(tuple(by_number[n] for n in lost), tuple(by_number[n] for n in unknown))


def clients_of(lab: process.LabState | None, settings: Settings, clock: Clock) -> LabClients | None:
    """The clients of a lab of this home; None without one, and when its balancers would admit none."""
    if lab is None or settings.target != "lab":
        return None
    try:
        return LabClients(lab, settings, clock)
    except DrctlError:
        return None
