"""The part of a Route 53 caller reference that makes it new; the same for a whole run.

Route 53 uses a reference up for ever, even by what is deleted since. A request that is sent again because its answer
was lost must carry the first one's reference: then it makes nothing twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from drctl.engine.run import Run
from drctl.engine.step import Finding, Step


@dataclass(frozen=True)
class Generation(Step[str]):
    """Equal for equal sites and kinds, so that one run has one, until `run.forget` asks for the next."""

    kind: str

    def find(self, run: Run) -> str | None:
        return f"{time.time_ns():x}"

    def ensure(self, run: Run) -> str:
        return run.output(self)

    def verify(self, run: Run, out: str) -> Iterable[Finding]:
        return ()

    def destroy(self, run: Run) -> None:
        """Nothing stands."""
