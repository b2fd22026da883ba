"""Throttling: token buckets in front of every service, filled in AWS seconds, refusing with the service's own code.

What AWS allows stands in lab/request_quotas.py, one rule for each service; this module counts.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from drctl.lab.called import Call
from drctl.lab.clock import CLOCK
from drctl.lab.refusals import Refusal
from drctl.lab.rules import is_on, layer_rule


class Limit(NamedTuple):
    """A bucket: who shares it, how many tokens come in a second, how many it holds."""

    shared_by: str
    per_second: float
    burst: float


Allowed = Callable[[Call], Limit | None]


class _Quota(NamedTuple):
    name: str
    allowed: Allowed
    refusal: Refusal
    account_wide: bool


#: What a service without a rule would answer (AWS API references, "Common Errors").
USUAL = Refusal("ThrottlingException", "Rate exceeded")

_quotas: dict[str, _Quota] = {}
_lock = threading.Lock()
#: Tokens left, and when they were counted, by rule, region and those who share them.
_buckets: dict[tuple[str, str, str], tuple[float, float]] = {}
#: How often each service was asked too often.
REFUSED: Counter[str] = Counter()


def throttle(service: str, refusal: Refusal = USUAL, *, account_wide: bool = False) -> Callable[[Allowed], Allowed]:
    """Make `def route53(call) -> Limit | None` the rule `throttling-route53`: the bucket that a call takes from."""

    def install(allowed: Allowed) -> Allowed:
        name = f"throttling-{service}"
        layer_rule(name)(allowed)
        _quotas[service] = _Quota(name, allowed, refusal, account_wide)
        return allowed

    return install


def refused(call: Call) -> Refusal | None:
    """Count a call; the refusal when its bucket is empty."""
    quota = _quotas.get(call.service)
    if quota is None or not is_on(quota.name):
        return None
    limit = quota.allowed(call)
    if limit is None or _take((quota.name, "" if quota.account_wide else call.region, limit.shared_by), limit):
        return None
    REFUSED[call.service] += 1
    return quota.refusal


def _take(bucket: tuple[str, str, str], limit: Limit) -> bool:
    now = CLOCK.now()
    with _lock:
        left, counted = _buckets.get(bucket, (limit.burst, now))
        left = min(limit.burst, left + max(0.0, now - counted) * limit.per_second)
        taken = left >= 1.0
        _buckets[bucket] = (left - 1.0 if taken else left, now)
    return taken


def refusal_of(service: str) -> Refusal:
    """How a service says that it was asked too often."""
    quota = _quotas.get(service)
    return quota.refusal if quota else USUAL


def reset() -> None:
    """Every bucket is full, nobody was refused."""
    with _lock:
        _buckets.clear()
    REFUSED.clear()
