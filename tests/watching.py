"""A layer in front of the lab that writes down every request of drctl, and begins an outage at a chosen one of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from drctl.lab import outages
from drctl.lab.called import Environ, what_is_called
from drctl.lab.server import Lab


@dataclass(frozen=True)
class Seen:
    """One request: where it goes, whatever region it is signed for, what it calls, and when it came."""

    region: str
    service: str
    operation: str
    mutating: bool
    path: str
    #: Seconds since 1970.
    at: float = field(default_factory=time.time)

    @property
    def text(self) -> str:
        """Service and operation; of a REST service its method and path."""
        method, _, rest = self.operation.partition(" ")
        return f"{self.service} {method}{' ' + self.path if rest else ''}"

    def __str__(self) -> str:
        return f"{self.text} in {self.region}"


@dataclass
class Watching:
    """Sees what drctl sends; `trigger` is asked for each request, `begin` is called once, when it first says yes."""

    lab: Lab
    #: Every request, in the order of their arrival.
    seen: list[Seen] = field(default_factory=list)
    trigger: Callable[[Seen], bool] = lambda _: False
    begin: Callable[[], object] = lambda: None
    #: How many requests had come when it began; None before.
    began: int | None = None

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._answer = self.lab._server.wsgi_app
        self.lab._server.wsgi_app = self

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "drctl" in environ.get("HTTP_USER_AGENT", ""):
            call = what_is_called(environ)
            place = outages.CONTROL_PLANES.get(call.service, call.region)
            self._saw(Seen(place, call.service, call.operation, call.mutating, call.path))
        answer: Iterable[bytes] = self._answer(environ, start_response)
        return answer

    def _saw(self, seen: Seen) -> None:
        """The outage begins before the request is served, and before any other one is."""
        with self._lock:
            self.seen.append(seen)
            if self.began is None and self.trigger(seen):
                self.begin()
                self.began = len(self.seen)

    def watch(self, trigger: Callable[[Seen], bool], begin: Callable[[], object]) -> None:
        """Forget what was seen, and wait for another trigger."""
        with self._lock:
            self.seen.clear()
            self.trigger, self.begin, self.began = trigger, begin, None

    def leave_off(self) -> list[Seen]:
        """What was seen; no trigger any more."""
        with self._lock:
            self.trigger = lambda _: False
            return list(self.seen)

    def leave(self) -> None:
        """The lab answers by itself again."""
        self.lab._server.wsgi_app = self._answer
