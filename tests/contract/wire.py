"""The wire between drctl and the lab in this process, which can be cut before or after any call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError

from drctl.aws.calls import is_mutating
from drctl.aws.clients import Aws, Credentials, Door
from drctl.aws.hooks import Answer, Call
from drctl.lab.clock import CLOCK
from tests.straight import LabFailed, Told, as_received, asked, response

#: AWS seconds that a call takes: without it the lab's request quotas would never fill again.
CALL_S = 0.25
#: Requests of one run of one step, whatever happens to it.
MOST_REQUESTS = 2000

#: Where in a call the line is cut: the process dies before it is sent, or after it took effect; or only the answer is
#: lost and the process lives.
Where = Literal["before", "after", "lost"]

#: How AWS stays as it is for a wait: time stands still; reads are answered as the run was answered last, or first,
#: before the wait; or, where all that has come about before, what the wait sees is not good enough.
Still = Literal["time", "last", "first", "denied"]


class PowerCut(BaseException):
    """The process is dead: nothing in it may catch this."""


@dataclass(frozen=True)
class Sent:
    """One request, as often as it was sent."""

    region: str
    service: str
    operation: str
    #: The bucket that a request to S3 speaks of.
    thing: str = ""


class Relay:
    """Hands what the clients see to the run of the moment: clients are dear, and shared by all runs of a world."""

    def __init__(self) -> None:
        self.to: Any = None

    def sending(self, call: Call) -> None:
        if self.to is not None:
            self.to.sending(call)

    def leaving(self, call: Call) -> None:
        return

    def answered(self, call: Call, answer: Answer) -> None:
        if self.to is not None:
            self.to.answered(call, answer)


class Wire:
    """Carries requests to the lab's application; notes the changes and cuts where it is told to."""

    def __init__(self, app: Callable[..., Any], endpoint: str, speed: float) -> None:
        self._app = app
        self._lock = threading.Lock()
        #: Mutating requests since `note`, in order.
        self.changes: list[Sent] = []
        self._cut: tuple[Where, int] | None = None
        self.struck: Sent | None = None
        #: The first and the last answer to each read since `forget`.
        self._answers: dict[tuple[Sent, str, bytes], list[Told]] = {}
        self._requests = 0
        #: Nothing changes any more, in this way.
        self.still: Still | None = None
        self.relay = Relay()
        #: Clients behind this wire.
        self.aws = _Wired(Door(endpoint, Credentials("lab", "lab"), speed=speed), self.relay, self)

    @contextmanager
    def noting(self, where: Where | None = None, number: int = 0) -> Iterator[list[Sent]]:
        """The changes that are sent inside; the `number`th of them (from 0) ends as `where` says."""
        self.changes, self.struck = [], None
        self._cut = (where, number) if where else None
        try:
            yield self.changes
        finally:
            self._cut = None

    def carry(self, request: Any, sent: Sent) -> AWSResponse:
        """Answer a request; raises what a cut line raises."""
        self._requests += 1
        if self._requests > MOST_REQUESTS:
            raise LabFailed(f"a run that never ends: {sent} is request {self._requests}")
        where = self._strikes(sent) if is_mutating(sent.operation) else None
        if where == "before":
            raise PowerCut(f"before {sent}")
        answer = self._answer(request, sent)
        if not self.still:
            CLOCK.skip(CALL_S)
        if where == "after":
            raise PowerCut(f"after {sent}")
        if where == "lost":
            raise ConnectionClosedError(endpoint_url=request.url)
        return answer

    def _strikes(self, sent: Sent) -> Where | None:
        with self._lock:
            self.changes.append(sent)
            if self._cut is None or len(self.changes) - 1 != self._cut[1]:
                return None
            self.struck = sent
            return self._cut[0]

    def forget(self) -> None:
        """A new process begins: nothing was read yet."""
        self._answers.clear()
        self._requests = 0

    def _answer(self, request: Any, sent: Sent) -> AWSResponse:
        environ, body = as_received(request)
        known = [] if is_mutating(sent.operation) else self._answers.setdefault(
            (sent, environ["REQUEST_URI"], body), [])
        if self.still in {"first", "last"} and known:
            told = known[0 if self.still == "first" else -1]
        else:
            told = asked(self._app, environ)
            known[1:] = [told]
        return response(request, told)


class _Wired(Aws):
    """Clients whose requests go over the wire."""

    def __init__(self, door: Door, relay: Relay, wire: Wire) -> None:
        super().__init__(door, relay)
        self._wire = wire

    def _new(self, service: str, region: str) -> Any:
        client = super()._new(service, region)

        def carried(request: Any, event_name: str = "", **_: Any) -> AWSResponse:
            bucket = urlsplit(request.url).path.split("/")[1] if service == "s3" else ""
            return self._wire.carry(request, Sent(region, service, event_name.rpartition(".")[2], bucket))

        client.meta.events.register_first("before-send.*.*", carried)
        return client
