"""Lambda entry point of the latch, invoked every minute: look, decide, act, remember; in under 15 seconds.

An error that keeps it from looking or acting is raised: the function's alarm tells of it, and nothing was done.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from ..name_servers.asking import Server, addresses_of, ask_zone
from .decision import Act, Latch, Seen, State
from .objects import Objects

#: Seconds for the zone's name servers, and for the balancer's addresses.
ANSWER_WITHIN_S = 2.0


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Lambda's entry point; `id` is the scheduled event's own, which is the same when it is delivered twice."""
    told = one_minute(str(event.get("id", "")) if isinstance(event, Mapping) else "", _objects(), os.environ)
    sys.stdout.write(json.dumps(told) + "\n")
    return told


def one_minute(event: str, objects: Objects, environment: Mapping[str, str]) -> dict[str, Any]:
    """Look once and do what follows; what was done is remembered after it was done."""
    latch = Latch(environment["DRCTL_ROLE"], int(environment["LATCH_MINUTES"]))
    before = objects.state()
    seen = Seen(users_are_here(environment), objects.own_lies(), objects.other_lies())
    act, state = latch.decide(seen, before, time.time(), event)
    if act is Act.PUT:
        objects.put(event)
    elif act is Act.DELETE:
        objects.delete()
    if _matters(state) != _matters(before):
        objects.keep(state)
    return {"act": act.value, "here": seen.here, "own": seen.own.there, "other": seen.other.there,
            "other_known": seen.other.known, "astray": state.astray, "back": state.back}


def _matters(state: State) -> Any:
    """What has to be written down: while nobody is astray, only what the other region said."""
    return state if state.astray else (0, state.other)


def users_are_here(environment: Mapping[str, str]) -> bool | None:
    """Whether the zone's own name servers answer with this region's balancer; None when that cannot be told."""
    server = _instead(environment)
    told = ask_zone(environment["USERS_NAME"], environment["NAME_SERVERS"].split(","), server, ANSWER_WITHIN_S)
    balancer = addresses_of(environment["BALANCER"], server, ANSWER_WITHIN_S)
    if not told or not balancer:
        return None
    return bool(set(told.addresses) & set(balancer.addresses))


def _instead(environment: Mapping[str, str]) -> Server | None:
    """The name server that is asked in place of the zone's, where those stand in no world's DNS."""
    host, _, port = environment.get("NAME_SERVER", "").rpartition(":")
    return (host, int(port)) if host else None


@cache
def _objects() -> Objects:
    """The clients that outlive an invocation."""
    return Objects.from_environment()
