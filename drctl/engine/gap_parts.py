"""What the recovery time was spent on: the gap between the last write before a move and the first after, cut in parts.

The cuts are where lines of the runbook began and ended; what follows the last of them is the users' own: their
resolvers' caches, and connections that they keep.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]


def parts(measures: Record, records: Iterable[Record]) -> list[dict[str, Any]]:
    """Name, AWS seconds and share of each part of `rto_s` that took any time; their sum is `rto_s`.

    Nothing without a gap that was seen from both sides.
    """
    began, whole = measures.get("gap_began_s"), measures.get("rto_s")
    if began is None or not whole:
        return []
    end = began + whole
    lines = [one for one in records if one["event"] == "action-ended" and one.get("outcome") == "done"
             and one["aws"] - one["aws_seconds"] < end]
    promotion, dns = ([one for one in lines if one.get("phase") == phase] for phase in ("promote", "dns"))
    cuts = (("before the run", 0.0), ("until the promotion began", _begin(promotion, began)),
            ("promotion", _end(promotion, began)), ("until the name answered", _end(dns, began)),
            ("until users wrote again", end))
    found, at = [], began
    for name, cut in cuts:
        until = min(max(at, cut), end)
        if until > at:
            found.append({"part": name, "seconds": round(until - at, 1), "share": round((until - at) / whole, 3)})
        at = until
    return found


def _begin(lines: Sequence[Record], otherwise: float) -> float:
    return min((float(one["aws"] - one["aws_seconds"]) for one in lines), default=otherwise)


def _end(lines: Sequence[Record], otherwise: float) -> float:
    return max((float(one["aws"]) for one in lines), default=otherwise)
