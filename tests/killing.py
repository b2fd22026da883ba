"""A layer in front of the lab that ends drctl with SIGKILL at its n-th mutating call, before or after the effect.

It stands where the network stands: before the effect the request is dropped, after it the answer is. Either way the
process is dead when its connection breaks.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from drctl.lab import connections
from drctl.lab.called import Environ, what_is_called
from drctl.lab.server import Lab
from drctl.processes import lives

#: Where the calls of the control buckets lie: leases, and copies of journals.
CONTROL = "s3-control-"


@dataclass
class Killing:
    """Counts the mutating calls of a life, and kills the process that makes a chosen one."""

    lab: Lab
    #: The process that is under way, 0 while its number is not known.
    victim: int = 0
    #: Whether a process is under way whose calls count.
    counts: bool = False
    #: Number of the call, from 1, at which it is killed; 0 for none. `after` its effect, or before.
    at: int = 0
    after: bool = False
    #: The mutating calls of this life, in the order of their arrival, as `service operation region`.
    calls: list[str] = field(default_factory=list)
    #: Number and name of the call at which the last process was killed.
    killed: tuple[int, str] | None = None

    def __post_init__(self) -> None:
        self._lock = threading.Condition()
        self._under_way = 0
        self._answer = self.lab.counting
        self.lab._server.wsgi_app = self

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        with self._lock:
            self._under_way += 1
        try:
            return self._pass(environ, start_response)
        finally:
            with self._lock:
                self._under_way -= 1
                self._lock.notify_all()

    def _pass(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not self.counts or "drctl" not in environ.get("HTTP_USER_AGENT", ""):
            return self._answer(environ, start_response)
        victim = self._chosen(environ)
        if victim and self.after:
            with suppress(ConnectionResetError):  # in an outage a call has no effect, and no answer
                for _ in self._answer(environ, lambda *_: None):
                    pass
        if victim:
            _kill(victim)
            connections.cut(environ)
        return self._answer(environ, start_response)

    def _chosen(self, environ: Environ) -> int:
        """The process to be killed, when this call is the chosen one."""
        call = what_is_called(environ)
        if not call.mutating:
            return 0
        with self._lock:
            if not self.counts:
                return 0
            self.calls.append(f"{call.service} {call.operation} {call.region}")
            if not self.at or len(self.calls) < self.at:
                return 0
            self.counts = False
            self.killed = len(self.calls), self.calls[-1]
            assert self._lock.wait_for(lambda: self.victim, timeout=10), "nobody says which process it is"
            return self.victim

    def expect(self, at: int = 0, *, after: bool = False) -> None:
        """Count the calls of the process that is about to begin, and kill it at call `at`."""
        with self._lock:
            self.counts, self.victim, self.at, self.after, self.killed = True, 0, at, after, None

    def begun(self, pid: int) -> None:
        """The process is this one."""
        with self._lock:
            self.victim = pid
            self._lock.notify_all()

    def end(self) -> None:
        """The process has ended; what it has sent is served to its end."""
        with self._lock:
            self.counts, self.victim = False, 0
            assert self._lock.wait_for(lambda: self._under_way == 0, timeout=60), "a call does not come to its end"

    def forget(self) -> None:
        """A new life begins."""
        self.calls.clear()

    def leave(self) -> None:
        """The lab answers by itself again."""
        self.lab._server.wsgi_app = self._answer


def _kill(pid: int) -> None:
    """End a process, and wait until it can send nothing any more."""
    os.kill(pid, signal.SIGKILL)
    pause = threading.Event()
    while lives(pid):
        pause.wait(0.002)
