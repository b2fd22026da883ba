"""Faults: a share of all calls ends in a way that AWS's calls end in at times, drawn in the order of their arrival.

Source: AWS SDKs and Tools Reference Guide, "Retry behavior"; AWS API references, "Common Errors".
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from drctl.lab import outages, refusals, throttling
from drctl.lab.called import Call, Environ
from drctl.lab.connections import cut

#: Refused for going too fast; failed or unavailable; cut before the effect; done, and cut before the answer.
KINDS = ("throttled", "internal-error", "unavailable", "reset", "lost")

App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Faults:
    """Which calls end badly, and how many did."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.stop()

    def start(self, rate: float, seed: int = 0, kinds: Sequence[str] = (), services: Sequence[str] = ()) -> None:
        """Let this share of the calls, of these services, end so from now on; raises ValueError."""
        names = [outages.ALIASES.get(name, name) for name in services]
        if not 0 <= rate <= 1:
            raise ValueError(f"rate {rate} is not between 0 and 1")
        for unknown in set(kinds) - set(KINDS) | set(names) - outages.SERVICES:
            raise ValueError(f"{unknown!r} is unknown: kinds {', '.join(KINDS)}; services as in credential scopes")
        with self._lock:
            self.rate, self.seed = rate, seed
            self._kinds, self._services = tuple(kinds) or KINDS, frozenset(names)
            self._random = random.Random(seed)  # noqa: S311  # repeatable, not secret
            self._counted: Counter[str] = Counter()
            self._calls = 0

    def stop(self) -> None:
        """No more faults; what was counted is forgotten."""
        self.start(0.0)

    def wire(self) -> dict[str, Any]:
        """As the lab tells it."""
        return {"rate": self.rate, "seed": self.seed, "kinds": list(self._kinds), "services": sorted(self._services),
                "calls": self._calls, "struck": {kind: self._counted[kind] for kind in self._kinds}}

    def draw(self, service: str) -> str:
        """How the next call of a service ends; empty when it ends well."""
        if not self.rate or (self._services and service not in self._services):
            return ""
        with self._lock:
            self._calls += 1
            if self._random.random() >= self.rate:
                return ""
            kind = self._random.choice(self._kinds)
            self._counted[kind] += 1
            return kind


FAULTS = Faults()


def strike(call: Call, environ: Environ, start_response: Callable[..., Any], aws: App) -> Iterable[bytes] | None:
    """The answer of a call that ends badly, if any; None when it ends well."""
    # The functions' own calls come when they come: drawn for them too, no draw could be repeated.
    match "" if call.by_function else FAULTS.draw(call.service):
        case "throttled":
            return refusals.answer(throttling.refusal_of(call.service), call, environ, start_response)
        case "internal-error":
            return refusals.answer(refusals.internal_error(call.service), call, environ, start_response)
        case "unavailable":
            return refusals.answer(refusals.unavailable(call.service), call, environ, start_response)
        case "reset":
            cut(environ)
        case "lost":
            for _ in aws(environ, lambda *_: None):
                pass
            cut(environ)
    return None
