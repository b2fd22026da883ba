"""What makes the latch look every minute.

It stands once the records do, and is the first to go: before that there is nothing to keep users from, and no bucket
must be written into while it is emptied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drctl.steps.deployed_function import DeployedFunction
from drctl.steps.event_rule import LATCH
from drctl.steps.latch import Latch
from drctl.steps.records import FailoverRecords
from drctl.steps.schedule import Schedule

EVERY_MINUTE = "rate(1 minute)"
#: A look that comes late says nothing of its minute (EventBridge API Reference, RetryPolicy: 60 s at least).
RETRY_POLICY = {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}


@dataclass(frozen=True, eq=False)
class LatchSchedule(Schedule):
    """Every minute."""

    latch: Latch
    records: FailoverRecords

    @property
    def rule(self) -> str:
        return LATCH

    @property
    def invoked(self) -> DeployedFunction:
        return self.latch

    def _when(self) -> tuple[str, str]:
        return f"drctl: the latch of {self.region} looks every minute", EVERY_MINUTE

    def _target(self) -> dict[str, Any]:
        return {"Id": "latch", "RetryPolicy": RETRY_POLICY}
