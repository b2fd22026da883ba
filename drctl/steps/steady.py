"""Waiting for what lasts: RDS shows `available` for a moment between two pieces of work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Looks in a row that must be good, and AWS seconds between them: a database just made turns to `backing-up` or
#: `configuring-...` once more (CloudFormation's handlers of AWS::RDS wait for a status to stay, too).
LOOKS = 3
PAUSE = 5.0


def steadily(ready: Callable[[T], bool]) -> Callable[[T], bool]:
    """Ready when it was so in `LOOKS` looks in a row; for one wait."""
    good = 0

    def so(seen: T) -> bool:
        nonlocal good
        good = good + 1 if ready(seen) else 0
        return good >= LOOKS

    return so
