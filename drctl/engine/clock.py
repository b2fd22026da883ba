"""Time as AWS spends it: real time on AWS, a scaled time against the lab (`DRCTL_SPEED` AWS seconds in one second)."""

from __future__ import annotations

import threading
import time


class Clock:
    """AWS seconds since the run began, and the one sleep of drctl, which a stop ends at once."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        #: Real seconds every wait lasts at least: a fast lab must not turn this machine's slowness into a time-out.
        self.patience_s = 10.0
        self.started_at = time.time()
        self._zero = time.monotonic()
        self._stop = threading.Event()
        self._ended = False

    def now(self) -> float:
        """AWS seconds since this clock was made."""
        return (time.monotonic() - self._zero) * self.speed

    def wall(self) -> float:
        """Real seconds since this clock was made."""
        return time.monotonic() - self._zero

    def sleep(self, aws_seconds: float) -> None:
        """Wait that many AWS seconds, or until `stop`."""
        self._stop.wait(max(0.0, aws_seconds) / self.speed)

    def wait_for(self, event: threading.Event, aws_seconds: float) -> bool:
        """Wait that many AWS seconds, or until `event` is set: whether it is. A stop does not end it."""
        return event.wait(aws_seconds / self.speed)

    def stop(self) -> None:
        """End every sleep now and all sleeps to come."""
        self._stop.set()

    def resume(self) -> None:
        """Wait again: what a stop interrupted has still to be put back; not after `end`."""
        if not self._ended:
            self._stop.clear()

    def end(self) -> None:
        """Stop for good: this run may not go on, not even to put things back."""
        self._ended = True
        self._stop.set()

    @property
    def stopped(self) -> bool:
        """Whether the operator asked to stop."""
        return self._stop.is_set()
