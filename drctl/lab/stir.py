"""Whether anything happens in the lab: while nothing does, the threads that look at it may rest longer."""

from __future__ import annotations

import time
from collections.abc import Callable

from drctl.lab import gray, outages

#: Real seconds after the last change in which the lab goes on as if more were to come: a latch looks ten times in it.
QUIET_AFTER_S = 30.0


class Stir:
    """When something was changed last: by a call of somebody outside, by an outage, in what a health check says."""

    def __init__(self) -> None:
        #: Real seconds of the monotonic clock.
        self.at = time.monotonic()
        #: Called at each change.
        self.on_change: list[Callable[[], None]] = []

    def touch(self) -> None:
        """Something is changed now."""
        self.at = time.monotonic()
        for listener in self.on_change:
            listener()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing has been changed for a while, and nothing is out."""
        return (time.monotonic() - self.at > QUIET_AFTER_S and not outages.present() and not gray.present())


#: Of this lab process.
STIR = Stir()
outages.ON_CHANGE.append(lambda *_: STIR.touch())
gray.ON_CHANGE.append(lambda *_: STIR.touch())
