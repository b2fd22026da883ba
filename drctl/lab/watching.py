"""A thread that looks at whatever is there, again and again, and ends when nothing is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")
#: Real seconds between two rounds at most.
LONGEST_S = 2.0


class Watch(Generic[T]):
    """Looks at each of `there` in turn, with `every_s` real seconds between two rounds at least.

    `look` says in how many real seconds it has to be called again: waking up for nothing costs more than a look.
    """

    def __init__(self, name: str, every_s: float, there: Callable[[], Iterable[T]],
                 look: Callable[[T], float]) -> None:
        self._name, self._every_s, self._there, self._look = name, every_s, there, look
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._woken = threading.Event()

    def start(self) -> None:
        """Look from now on."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._stopped = threading.Event()
                self._thread = threading.Thread(target=self._work, args=(self._stopped,), name=self._name, daemon=True)
                self._thread.start()
        self.wake()

    def wake(self) -> None:
        """Look again soon: something has changed."""
        self._woken.set()

    def stop(self) -> None:
        """Look no more; a look under way comes to its end."""
        self._stopped.set()
        self.wake()
        if (thread := self._thread) is not None:
            thread.join(timeout=10)

    def _work(self, stopped: threading.Event) -> None:
        rest = 0.0
        while True:
            if rest > self._every_s:
                self._woken.wait(min(rest, LONGEST_S) - self._every_s)
            self._woken.clear()
            if stopped.wait(self._every_s):
                return
            with self._lock:
                present = list(self._there())
                if not present:
                    self._thread = None
                    return
            rest = min(self._look(one) for one in present)
