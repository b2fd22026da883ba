"""Documents compared by what they mean: AWS reorders lists, unwraps lists of one, rewrites principals, adds members."""

from __future__ import annotations

import json
import re
from typing import Any

_ROOT = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):root")


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    """A policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def same(one: str | dict[str, Any] | None, other: str | dict[str, Any] | None) -> bool:
    """Whether two policies (documents or their JSON) say the same."""
    return bool(_plain(_parsed(one)) == _plain(_parsed(other)))


def contains(seen: Any, wanted: Any) -> bool:
    """Whether `seen` says all that `wanted` says; AWS adds ids and defaults of its own (AWS Backup, AWS WAF)."""
    match wanted:
        case dict():
            return isinstance(seen, dict) and all(contains(seen.get(key), item) for key, item in wanted.items())
        case list():
            return isinstance(seen, list) and len(seen) == len(wanted) and all(map(contains, seen, wanted))
        case _:
            return bool(seen == wanted)


def _parsed(policy: str | dict[str, Any] | None) -> Any:
    return json.loads(policy) if isinstance(policy, str) else policy


def _plain(value: Any) -> Any:
    """Lists sorted, lists of one unwrapped, everything a string, an account's root by its number."""
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items() if key not in {"Id"}}
        case list() | tuple():
            items = sorted((_plain(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
            return items[0] if len(items) == 1 else items
        case bool():
            return str(value).lower()
        case None:
            return None
        case _:
            root = _ROOT.fullmatch(str(value))
            return root.group(1) if root else str(value)
