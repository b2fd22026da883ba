"""What happens in a run, as records: written to the journal first, then shown to whoever listens.

A record is a flat mapping with `event` and the fields named here; `step` and `region` say where it belongs.

run-started (command, environment, target, version, settings, request, resumes), run-ended (outcome, seconds)
step-started, step-ended (outcome: created / changed / kept / removed / absent / failed, calls, changes, aws_seconds)
action-started (title), action-ended (outcome: done / skipped / failed, aws_seconds)
waiting (sentence, seen, aws_seconds)  one look of a wait
call (service, operation, to, params, mutating)  before it is sent
answer (service, operation, to, status, code, request_id, retries, wall_seconds)
note (text)  something a person should read;  finding (rule, text, mend)  a check that failed
measure (name, value, unit)  a figure of the report
decision (picture, allowed_loss_s, force)  what a failover was decided by;  approved (approval)  how it was confirmed
unreconciled (kind, place, count, items)  what an outage has left for people to look at
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from drctl.aws.hooks import Answer, Call
from drctl.engine.clock import Clock

Record = dict[str, Any]
Sink = Callable[[Record], None]

_place: contextvars.ContextVar[tuple[str, str]] = contextvars.ContextVar("place", default=("", ""))


class Events:
    """Numbers, stamps and hands on each record, one at a time, in one order for all sinks."""

    def __init__(self, clock: Clock, *sinks: Sink) -> None:
        self._clock = clock
        self._sinks = list(sinks)
        self._lock = threading.Lock()
        self._count = 0
        self.calls: dict[str, int] = {}
        self.changes: dict[str, int] = {}
        #: Asked before a call is sent, and before each try of it; what it raises keeps it from being sent.
        self.guard: Callable[[Call], None] | None = None

    def add_sink(self, sink: Sink) -> None:
        """Hand every record from now on to `sink` too."""
        with self._lock:
            self._sinks.append(sink)

    def emit(self, event: str, **fields: Any) -> None:
        """Record that `event` happened at the current place."""
        step, region = _place.get()
        with self._lock:
            self._count += 1
            record: Record = {"n": self._count, "at": round(time.time(), 3), "aws": round(self._clock.now(), 3),
                              "event": event, **({"step": step} if step else {}),
                              **({"region": region} if region else {}), **fields}
            for sink in self._sinks:
                sink(record)

    @contextmanager
    def at(self, step: str, region: str) -> Iterator[None]:
        """Everything emitted inside belongs to this step."""
        token = _place.set((step, region))
        try:
            yield
        finally:
            _place.reset(token)

    # The methods of drctl.aws.hooks.Listener.

    def leaving(self, call: Call) -> None:
        """Keep a try of a call from being sent when the run may not make it any more."""
        if self.guard is not None:
            self.guard(call)

    def sending(self, call: Call) -> None:
        """Count and record a call before it leaves."""
        if self.guard is not None:
            self.guard(call)
        step = _place.get()[0]
        with self._lock:
            self.calls[step] = self.calls.get(step, 0) + 1
            if call.mutating:
                self.changes[step] = self.changes.get(step, 0) + 1
        self.emit("call", service=call.service, operation=call.operation, to=call.region, mutating=call.mutating,
                  params=call.params if call.mutating else {})

    def answered(self, call: Call, answer: Answer) -> None:
        """Record how a call ended."""
        self.emit("answer", service=call.service, operation=call.operation, to=call.region, status=answer.status,
                  code=answer.code, request_id=answer.request_id, retries=answer.retries,
                  wall_seconds=round(answer.seconds, 4))
