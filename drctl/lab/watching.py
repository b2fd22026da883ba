"""A thread that looks at whatever is there, again and again, and ends when nothing is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Watch(Generic[T]):
    """Looks at each of `there` in turn, with `every_s` real seconds between two rounds."""

    def __init__(self, name: str, every_s: float, there: Callable[[], Iterable[T]],
                 look: Callable[[T], object]) -> None:
        self._name, self._every_s, self._there, self._look = name, every_s, there, look
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def start(self) -> None:
        """Look from now on."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._stopped = threading.Event()
                self._thread = threading.Thread(target=self._work, args=(self._stopped,), name=self._name, daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Look no more; a look under way comes to its end."""
        self._stopped.set()
        if (thread := self._thread) is not None:
            thread.join(timeout=10)

    def _work(self, stopped: threading.Event) -> None:
        while not stopped.wait(self._every_s):
            with self._lock:
                present = list(self._there())
                if not present:
                    self._thread = None
                    return
            for one in present:
                self._look(one)
