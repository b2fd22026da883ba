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
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def now(self) -> float:
        """AWS seconds since the lab came up."""
        return (time.monotonic() - self._zero) * self.speed

    def set_speed(self, speed: float) -> None:
        """Go on at `speed` AWS seconds a second; what is due keeps its moment."""
        self._set(self.now(), speed)

    def skip(self, aws_seconds: float) -> None:
        """Let that many AWS seconds pass at once."""
        self._set(self.now() + aws_seconds, self.speed)

    def _set(self, now: float, speed: float) -> None:
        with self._changed:
            self.speed, self._zero = speed, time.monotonic() - now / speed
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
                while not self._due or self._due[0][0] > self.now():
                    pause = (self._due[0][0] - self.now()) / self.speed if self._due else None
                    self._changed.wait(pause)
                do = heapq.heappop(self._due)[2]
            try:
                do()
            except Exception:
                log.exception("something that was due in the lab failed")


#: The one clock of this lab process.
CLOCK = LabClock()
