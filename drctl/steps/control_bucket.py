"""The control bucket of a region: the lease, and copies of the runs' journals.

It is the first thing made and the last removed. Encrypted by S3 itself: it must work when the stack's key does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from drctl.engine.lease import LEASE_KEY
from drctl.engine.run import Run
from drctl.steps.bucket import Bucket

#: Purpose in the bucket's name.
CONTROL = "control"


@dataclass(frozen=True, eq=False)
class ControlBucket(Bucket):
    """Versions of journals, which are never written twice, are what somebody has deleted: evidence, kept like them."""

    label: ClassVar[str] = CONTROL

    def policy(self, run: Run) -> list[dict[str, Any]]:
        return []

    def lifecycle(self, run: Run) -> list[dict[str, Any]]:
        """Evidence is kept: whoever must delete it by law does so knowingly. The lease is written every half minute
        of a run; what it said before is nothing that anybody needs."""
        return [{"ID": "old-leases", "Status": "Enabled", "Filter": {"Prefix": LEASE_KEY},
                 "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}]
