"""The lab's time: AWS seconds, `speed` of them in a real second, and things that happen later."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


class LabClock:
    """AWS seconds since the lab came up, and one thread that does what is due."""

    def __init__(self) -> None:
        self.speed = 1.0
        self._zero = time.monotonic()
        #: The moment at which time stands still, if it does.
        self._held: float | None = None
        self._doing = threading.RLock()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def now(self) -> float:
        """AWS seconds since the lab came up."""
        return (time.monotonic() - self._zero) * self.speed if self._held is None else self._held

    def set_speed(self, speed: float) -> None:
        """Go on at `speed` AWS seconds a second; what is due keeps its moment."""
        self._set(self.now(), speed)

    def skip(self, aws_seconds: float) -> None:
        """Let that many AWS seconds pass at once; what fell due is done before this returns."""
        self._set(self.now() + aws_seconds, self.speed)
        while self._do_one():
            pass

    def hold(self) -> None:
        """Let time stand still, but for `skip`, until `release`."""
        with self._changed:
            self._held = self.now()
            self._changed.notify()

    def release(self) -> None:
        """Let time go on from where it stands."""
        with self._changed:
            now, self._held = self.now(), None
        self._set(now, self.speed)

    def _set(self, now: float, speed: float) -> None:
        with self._changed:
            self.speed, self._zero = speed, time.monotonic() - now / speed
            self._held = None if self._held is None else now
            self._changed.notify()

    def after(self, aws_seconds: float, do: Callable[[], None]) -> None:
        """Do something once that many AWS seconds have passed, in the lab's own thread."""
        with self._changed:
            heapq.heappush(self._due, (self.now() + aws_seconds, next(self._order), do))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="lab-clock", daemon=True)
                self._thread.start()
            self._changed.notify()

    def forget_all(self) -> None:
        """Nothing that was planned will happen (the lab is being emptied)."""
        with self._changed:
            self._due.clear()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._is_due():
                    still = not self._due or self._held is not None
                    self._changed.wait(None if still else (self._due[0][0] - self.now()) / self.speed)
            self._do_one()

    def _is_due(self) -> bool:
        return bool(self._due) and self._due[0][0] <= self.now()

    def _do_one(self) -> bool:
        """Do the first thing that is due, one at a time, and say whether there was one."""
        with self._doing:
            with self._changed:
                if not self._is_due():
                    return False
                do = heapq.heappop(self._due)[2]
            try:
                do()
            except Exception:
                log.exception("something that was due in the lab failed")
            return True


#: The one clock of this lab process.
CLOCK = LabClock()
