"""The leases of a run: taken in a fixed order, renewed by a thread of their own, given back at the end.

A run that cannot renew changes nothing more: its time is stopped at once, and every change is refused before it is
sent, also after the machine has slept through the lease's time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from drctl.aws.errors import AwsError
from drctl.aws.hooks import Call
from drctl.engine.clock import Clock
from drctl.engine.lease import Lease, LeaseLost, Terms
from drctl.errors import DrctlError

#: AWS seconds that a lease lasts unrenewed: what a colleague waits for when a laptop has died.
LASTS_S = 120.0
#: Real seconds that it lasts at least, however fast the lab's time goes: a busy machine must be able to renew it.
AT_LEAST_S = 10.0
#: Renewals in the time that a lease lasts.
BEATS = 4
#: Calls that change nothing in AWS but may write rows: the probe's heartbeats.
WRITES = frozenset({"Invoke"})


def lasts(speed: float) -> float:
    """Real seconds that a lease lasts where AWS's time goes at `speed`."""
    return max(LASTS_S / speed, AT_LEAST_S)


def awake_and_asleep() -> float:
    """Seconds that went by, those in which the machine slept too."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.time() if boottime is None else time.clock_gettime(boottime)


@dataclass
class Held:
    """One lease that is ours: its ETag, when it was last written, and what it said before."""

    lease: Lease
    etag: str
    written: float
    before: Terms | None = None


class Holding:
    """All leases of one run; `begin` takes them, `end` gives them back."""

    def __init__(self, leases: Sequence[Lease], terms: Terms, clock: Clock,
                 tell: Callable[[str], object] = lambda _: None,
                 now: Callable[[], float] = awake_and_asleep) -> None:
        self._leases, self._clock, self._tell, self._now = leases, clock, tell, now
        self.terms = terms
        self.lost: LeaseLost | None = None
        #: Whether the last request about a lease was not answered in time; only where nobody waits for answers.
        self.silent = False
        #: What an earlier run has begun and not brought to its end.
        self.inherited: dict[str, str] = {}
        self._held: list[Held] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)

    def begin(self, take_over: str = "") -> tuple[Terms, ...]:
        """Take every lease, in the same order as everybody, and go on renewing; returns the terms taken over.

        Raises Refused, after giving back what was taken, when somebody else holds one of them.
        """
        previous = self._take(take_over)
        self._thread.start()
        return previous

    def _take(self, take_over: str) -> tuple[Terms, ...]:
        try:
            for lease in self._leases:
                now = self._now()
                etag, before = lease.take(self.terms, take_over)
                self._held.append(Held(lease, etag, now, before))
        except BaseException:
            self._put_back()
            raise
        previous = tuple(held.before for held in self._held if held.before is not None)
        self.inherited = left_unfinished(previous)
        self.terms = replace(self.terms, unfinished=self.inherited or self.terms.unfinished)
        return previous

    def begins(self, **unfinished: str) -> None:
        """From now on the lease tells what must be brought to its end, should this process die."""
        self.terms = replace(self.terms, unfinished=unfinished)
        self._renew()
        if self.lost is not None:
            raise self.lost

    def settle(self) -> None:
        """What was left unfinished, by this run or one before, has come to its end."""
        self.terms = replace(self.terms, unfinished={})

    def refuse_when_lost(self, call: Call) -> None:
        """Raise LeaseLost for a change that this run may not make any more; asked before every try of every call."""
        if not (call.mutating or call.operation in WRITES) or not self._held:
            return
        if self.lost is None and self._overdue():
            self._renew()
        if self.lost is not None:
            raise self.lost

    def end(self) -> None:
        """Give the leases back; at best effort, for they run out by themselves."""
        self._stop()
        if self.lost is None:
            self._give_back()

    def leave(self) -> None:
        """Renew no more and give nothing back: what the leases lie in is about to go."""
        self._stop()
        self._held = []

    def _stop(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=self.terms.lasts_s)

    def _give_back(self) -> None:
        for held in self._held:
            self._release(held, self.terms)
        self._held = []

    def _put_back(self) -> None:
        """Whoever did not get all of them leaves each as it was: what it tells to be unfinished is so still."""
        for held in self._held:
            self._release(held, held.before or self.terms)
        self._held = []

    @staticmethod
    def _release(held: Held, terms: Terms) -> None:
        with suppress(DrctlError, *AwsError):
            held.lease.renew(replace(terms, released=True, beat=terms.beat + 1), held.etag)

    def _beat(self) -> None:
        while not self._ended.wait(self.terms.lasts_s / BEATS):
            self._renew()

    def _renew(self) -> None:
        with self._lock:
            if self.lost is not None or self._ended.is_set():
                return
            self.terms = replace(self.terms, beat=self.terms.beat + 1)
            for held in self._held:
                self._renew_one(held)

    def _renew_one(self, held: Held) -> None:
        now = self._now()
        try:
            held.etag = held.lease.renew(self.terms, held.etag)
            held.written = now
        except LeaseLost as lost:
            self._lose(lost)
        except (DrctlError, *AwsError) as error:
            self._unrenewed(held, error)

    def _unrenewed(self, held: Held, error: Exception) -> None:
        if self._now() - held.written > self.terms.lasts_s:
            self._lose(LeaseLost(f"the lease in {held.lease.region} could not be renewed for "
                                 f"{self.terms.lasts_s:.0f} s ({error}); this run has stopped",
                                 next_step="the same command again, once the region answers"))

    def _lose(self, lost: LeaseLost) -> None:
        if self.lost is None:
            self.lost = lost
            self._clock.end()
            self._tell(lost.message)

    def _overdue(self) -> bool:
        now = self._now()
        return any(now - held.written > self.terms.lasts_s for held in self._held)


def left_unfinished(before: Iterable[Terms]) -> dict[str, str]:
    """What the newest of the runs that held the leases has begun and not brought to its end.

    A failover writes into the survivor's lease alone: what the lost region's tells was begun before it, and is over.
    """
    newest = max(before, key=lambda terms: (terms.since, bool(terms.unfinished)), default=None)
    return newest.unfinished if newest is not None else {}
