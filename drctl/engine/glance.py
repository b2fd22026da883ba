"""A glance at both regions: everything is asked at once, it ends in time whatever happens, and it changes nothing.

No call that can change AWS leaves. A service that has left a call unanswered is not asked again in its region, and when
the glance is over nothing more is sent for it, also by those who wait for an answer still.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from drctl.aws.hooks import Call
from drctl.aws.retries import is_silence
from drctl.engine.events import Events, Record
from drctl.engine.looks import Answers, look_in_groups
from drctl.engine.survey import Silent, WouldChange

#: Real seconds for all looks, and at least for those at one region once the other has told everything: it may be lost.
WITHIN_S, GRACE_S = 6.0, 2.0
#: How the end of a call without an answer is recorded.
UNANSWERED = frozenset({"NoAnswer", "AnswerLost"})

_glance: ContextVar[Glance | None] = ContextVar("glance", default=None)


@dataclass
class Glance:
    """One glance. Whatever is asked for it knows it by its context: a call may outlive it."""

    #: Region and service of calls that were left unanswered.
    silent: set[tuple[str, str]] = field(default_factory=set)
    over: bool = False

    def judge(self, call: Call) -> None:
        """Raise Silent for what nobody would wait for."""
        if self.over:
            raise Silent("nobody waits for it any more")
        if (call.region, call.service) in self.silent:
            raise Silent(f"{call.service} in {call.region} has left another call unanswered")


def only_glance(events: Events) -> None:
    """From now on a run's calls are those of glances."""
    events.guard = _judge
    events.add_sink(_hear)


def _judge(call: Call) -> None:
    if call.mutating:
        raise WouldChange(call)
    if (glance := _glance.get()) is not None:
        glance.judge(call)


def _hear(record: Record) -> None:
    glance = _glance.get()
    if glance is not None and record["event"] == "answer" and record["code"] in UNANSWERED:
        glance.silent.add((record["to"], record["service"]))


def glance_at(groups: Mapping[str, Mapping[str, Callable[[], Any]]], within_s: float = WITHIN_S,
              grace_s: float = GRACE_S) -> dict[str, Answers]:
    """Answers by region and look, in time: see `look_in_groups`."""
    glance = Glance()
    token = _glance.set(glance)
    try:
        return look_in_groups(groups, within_s, grace_s)
    finally:
        glance.over = True
        _glance.reset(token)


def was_silent(error: BaseException | None) -> bool:
    """Whether nothing came, or nothing was asked because nothing had come before."""
    return isinstance(error, Silent) or is_silence(error)
