"""The lease of a run that nobody may hold up: an unplanned failover goes on while its control bucket is silent.

What is asked of the bucket is asked aside and waited for a moment only. An answer that comes later counts all the same:
a lease that is somebody else's stops the run at its next change, whenever that is learned.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

from drctl.aws.hooks import Call
from drctl.engine.holding import WRITES, Held, Holding
from drctl.engine.lease import LeaseLost, Terms
from drctl.engine.looks import Pending, Unanswered
from drctl.errors import Refused

#: Real seconds that the taking of the lease is waited for, three requests at most, and any later request.
TAKE_S, WRITE_S = 1.0, 0.5


class HoldingAside(Holding):
    """As Holding, but silence loses nothing and holds nothing up; `silent` while a request is unanswered."""

    take_s: ClassVar[float] = TAKE_S
    write_s: ClassVar[float] = WRITE_S

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._taking: Pending | None = None
        self._deciding, self._is_late = threading.Lock(), False
        self._begun: dict[str, str] | None = None

    def begin(self, take_over: str = "") -> tuple[Terms, ...]:
        """As Holding's, for TAKE_S seconds: then without a lease, and without terms, until an answer comes."""
        self._taking = taking = Pending("take the lease", lambda: self._take(take_over), self._taken)
        taking.wait(self.take_s)
        with self._deciding:
            self._is_late = not taking.ended
        if self._is_late:
            self._fall_silent()
            return ()
        if isinstance(taking.answer, Unanswered):
            raise taking.answer.error or Refused(taking.answer.why)
        self._thread.start()
        previous: tuple[Terms, ...] = taking.answer
        return previous

    def _taken(self) -> None:
        """What came of taking the lease, when it came too late for `begin`."""
        with self._deciding:
            if not self._is_late or self._taking is None:
                return
        answer = self._taking.answer
        if self._ended.is_set():
            self._give_back()
        elif not isinstance(answer, Unanswered):
            if self._begun is not None:
                self.terms = replace(self.terms, unfinished=self._begun)
            self._renew()
            self._thread.start()
        elif isinstance(answer.error, Refused):
            why = answer.error
            self._lose(LeaseLost(why.message, findings=why.findings, next_step=why.next_step))

    def begins(self, **unfinished: str) -> None:
        """As Holding's, for WRITE_S seconds."""
        self._begun = unfinished
        self.terms = replace(self.terms, unfinished=unfinished)
        self._ask("tell what is begun", self._renew)
        if self.lost is not None:
            raise self.lost

    def settle(self) -> None:
        self._begun = {}
        super().settle()

    def refuse_when_lost(self, call: Call) -> None:
        """As Holding's; a lease that has run out is looked at for WRITE_S seconds, once."""
        if not (call.mutating or call.operation in WRITES):
            return
        if self.lost is None and self._overdue():
            self._ask("renew the lease", self._renew)
        if self.lost is not None:
            raise self.lost

    def end(self) -> None:
        """Give the lease back, for WRITE_S seconds."""
        self._ended.set()
        if self.lost is None:
            self._ask("give the lease back", self._give_back_in_turn)

    def _give_back_in_turn(self) -> None:
        with self._lock:  # a renewal that is still under way would undo it
            self._give_back()

    def _ask(self, what: str, request: Callable[[], None]) -> None:
        """Wait a moment for a request, and for none while an earlier one is unanswered."""
        if not self.silent and self._held:
            asked = Pending(what, request)
            asked.wait(self.write_s)
            if not asked.ended:
                self._fall_silent()

    def _renew_one(self, held: Held) -> None:
        before = held.written
        super()._renew_one(held)
        if held.written != before:
            self.silent = False

    def _unrenewed(self, held: Held, error: Exception) -> None:  # whatever it is, it is silence
        self._fall_silent()

    def _fall_silent(self) -> None:
        if not self.silent and not self._ended.is_set():
            self._tell(f"NO LEASE: the control bucket of {self._leases[0].region} does not answer; the failover goes "
                       "on all the same, so nobody else may begin one")
        self.silent = True
