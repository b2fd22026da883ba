"""How far secondaries lag behind their primary: as it is set for the running lab, and as it was in the last hours."""

from __future__ import annotations

import math
import threading
from typing import Any

from drctl.lab.clock import CLOCK

#: What Aurora usually needs (Aurora User Guide, Using Amazon Aurora Global Database: "typically under a second").
USUAL_MS = 80.0
#: A longer lag is taken for a slip: a day.
LONGEST_MS = 86_400_000.0
#: AWS seconds for which earlier settings are remembered; CloudWatch is asked for an hour at most.
KEPT_S = 2 * 3600.0


class ReplicationLag:
    """The lag of every secondary in AWS milliseconds. A new one is shown from the moment on at which it is set.

    The copy itself falls behind as time passes: what has arrived stays, what is on its way, or written from then on,
    takes as long as is set now.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: Moments of the lab's clock, and the lag from then on; oldest first.
        self._settings: list[tuple[float, float]] = []
        self.reset()

    @property
    def ms(self) -> float:
        """As it is set now."""
        return self._settings[-1][1]

    def at(self, moment: float) -> float:
        """As it was set at a moment of the lab's clock."""
        return next((ms for since, ms in reversed(list(self._settings)) if since <= moment), self._settings[0][1])

    def set(self, ms: float) -> None:
        """So many milliseconds from now on; raises ValueError for a lag that cannot be."""
        if not 0 <= ms <= LONGEST_MS:
            raise ValueError(f"a lag of {ms:g} ms cannot be set: from 0 to 24 hours")
        now = CLOCK.now()
        with self._lock:
            kept = [one for one in self._settings if one[0] > now - KEPT_S]
            first = self.at(now - KEPT_S)
            self._settings = [(-math.inf, first), *kept, (now, float(ms))]

    def reset(self) -> None:
        """The usual lag, now and ever before."""
        with self._lock:
            self._settings = [(-math.inf, USUAL_MS)]

    def wire(self) -> dict[str, Any]:
        """As the lab tells it."""
        return {"lag_ms": self.ms, "default": self.ms == USUAL_MS}


#: The lag of this lab process.
LAG = ReplicationLag()
