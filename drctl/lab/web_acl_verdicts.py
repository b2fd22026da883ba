"""What a web ACL says of a request: address sets, exact matches of the path, and how often an address has come.

Managed rule groups, and statements that are none of these, fit nothing here.
"""

from __future__ import annotations

import base64
import threading
from collections import deque
from typing import Any

from moto.wafv2.models import FakeWebACL, WAFV2Backend, wafv2_backends

from drctl.lab.clock import CLOCK
from drctl.lab.rules import is_on, layer_rule
from drctl.lab.visits import Visit, within

_lock = threading.Lock()


@layer_rule("waf-verdict")
def admits(balancer_arn: str, visit: Visit) -> bool:
    """A web ACL's first rule that fits allows or blocks; over its limit in its window a rate-based one fits: 403.

    Each address is counted by itself, in AWS time. Source: AWS WAF Developer Guide, "Setting rule priority" and "Using
    rate-based rule statements".
    """
    backend = wafv2_backends[balancer_arn.split(":")[4]][balancer_arn.split(":")[3]]
    acl = next((one for one in list(backend.wacls.values()) if balancer_arn in one.associated_resources), None)
    if acl is None or not is_on("waf-verdict"):
        return True
    for one in sorted(acl.rules, key=lambda one: int(one.priority)):
        action = one.action or {}
        if {"Allow", "Block"} & action.keys() and _fits(backend, acl, one.name, one.statement, visit):
            return "Allow" in action
    return "Block" not in acl.default_action


def _fits(backend: WAFV2Backend, acl: FakeWebACL, name: str, statement: dict[str, Any], visit: Visit) -> bool:
    match next(iter(statement.items()), ("", {})):
        case "AndStatement", inner:
            return all(_fits(backend, acl, name, one, visit) for one in inner["Statements"])
        case "IPSetReferenceStatement", inner:
            known = backend.ip_sets.get(inner["ARN"])
            return known is not None and any(within(visit.client, one) for one in known.addresses)
        case "ByteMatchStatement", inner:
            return _path_is(inner, visit.path)
        case "RateBasedStatement", inner:
            return _comes_too_often(acl, name, inner, visit.client)
        case _:
            return False


def _path_is(match: dict[str, Any], path: str) -> bool:
    """The string to search for is kept as it is sent, in Base64."""
    return ("UriPath" in match["FieldToMatch"] and match["PositionalConstraint"] == "EXACTLY"
            and base64.b64decode(match["SearchString"]) == path.encode())


def _comes_too_often(acl: FakeWebACL, name: str, limit: dict[str, Any], client: str) -> bool:
    """Whether an address has come more often in the window than it may, this time included."""
    now, window = CLOCK.now(), float(limit.get("EvaluationWindowSec") or 300)
    with _lock:
        seen: deque[float] = acl.__dict__.setdefault("_lab_seen", {}).setdefault((name, client), deque())
        seen.append(now)
        _forget(seen, now - window)
        return len(seen) > int(limit["Limit"])


def _forget(seen: deque[float], until: float) -> None:
    while seen and seen[0] < until:
        seen.popleft()
