"""Who holds the leases, and how to go on from there, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drctl.engine.holding import left_unfinished
from drctl.engine.lease import Seen
from drctl.engine.looks import Unanswered

#: What a lease is that nobody holds.
FREE = "free"


def in_words(seen: Any) -> str:
    """Who holds a lease, and what to do about it."""
    if isinstance(seen, Unanswered):
        return "not seen"
    if not isinstance(seen, Seen) or seen.terms.released:
        return FREE
    terms = seen.terms
    who = f"{terms.owner.name} since {terms.since}: {terms.command}, run {terms.run}"
    if seen.is_free:
        return f"left by {who}"
    return f"held by {who}; wait for it, or if you know that it is dead: --take-over {terms.owner.name}"


def unfinished(seen: Sequence[Seen]) -> str:
    """What the newest holder has begun and not brought to its end; nothing while somebody may still be at it."""
    begun = left_unfinished(one.terms for one in seen)
    if not begun.get("run") or not all(one.is_free for one in seen):
        return ""
    said = f"the {begun['command']} that run {begun['run']} has begun has not come to its end"
    # a drill with a fault cannot be gone on with: see settle_drill
    return f"{said}: drctl {'failback' if begun['command'] == 'fault drill' else 'resume ' + begun['run']}"
