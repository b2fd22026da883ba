"""The control bucket of a region: the lease, and copies of the runs' journals.

It is the first thing made and the last removed. Encrypted by S3 itself: it must work when the stack's key does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from drctl.engine.run import Run
from drctl.steps.bucket import Bucket

#: Purpose in the bucket's name.
CONTROL = "control"


@dataclass(frozen=True, eq=False)
class ControlBucket(Bucket):
    """Without versions: the lease is written every half minute, and journals are never written twice."""

    label: ClassVar[str] = CONTROL
    versioned: ClassVar[bool] = False

    def policy(self, run: Run) -> list[dict[str, Any]]:
        return []

    def lifecycle(self, run: Run) -> list[dict[str, Any]]:
        """Evidence is kept: whoever must delete it by law does so knowingly."""
        return []
