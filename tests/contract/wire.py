"""The wire between drctl and the lab in this process, which can be cut before or after any call.

The lab's own application is called without a socket: the same bytes, half of the time.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError

from drctl.aws.calls import is_mutating
from drctl.aws.clients import Aws, Credentials, Door
from drctl.aws.hooks import Answer, Call
from drctl.lab.clock import CLOCK

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
#: Status, headers and body of an answer.
_Told = tuple[int, dict[str, str], bytes]


class PowerCut(BaseException):
    """The process is dead: nothing in it may catch this."""


class LabFailed(BaseException):
    """The lab's own code raised: no answer of AWS, so nobody may take it for one."""


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
        self._answers: dict[tuple[Sent, str, bytes], list[_Told]] = {}
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
        environ, body = _as_received(request)
        known = [] if is_mutating(sent.operation) else self._answers.setdefault(
            (sent, environ["REQUEST_URI"], body), [])
        if self.still in {"first", "last"} and known:
            told = known[0 if self.still == "first" else -1]
        else:
            told = self._asked(environ)
            known[1:] = [told]
        status, headers, answer = told
        return AWSResponse(request.url, status, _Headers(headers), _Raw(answer))  # type: ignore[arg-type]  # read like one

    def _asked(self, environ: dict[str, Any]) -> _Told:
        told: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
            told.update(status=int(status[:3]), headers={name.lower(): value for name, value in headers})

        try:
            body = b"".join(self._app(environ, start_response))
        except Exception as failure:
            raise LabFailed(f"{environ['REQUEST_METHOD']} {environ['REQUEST_URI']}: {failure!r}") from failure
        return told["status"], told["headers"], body


class _Headers(dict[str, str]):
    """Headers whatever their case."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key.lower(), default)

    def __getitem__(self, key: str) -> str:
        return super().__getitem__(key.lower())

    def __contains__(self, key: object) -> bool:
        return super().__contains__(str(key).lower())


class _Raw(io.BytesIO):
    """A body as urllib3 hands it out."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        while part := self.read(65536):
            yield part


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


def _as_received(request: Any) -> tuple[dict[str, Any], bytes]:
    """A request as a WSGI server hands it on, and its body."""
    url, body = urlsplit(request.url), request.body or b""
    if hasattr(body, "read"):
        body = body.read()
    body = body.encode() if isinstance(body, str) else bytes(body)
    target = url.path + (f"?{url.query}" if url.query else "")
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value.decode() if isinstance(value, bytes) else str(value)
               for name, value in request.headers.items()}
    kind = headers.pop("HTTP_CONTENT_TYPE", "")
    headers.pop("HTTP_CONTENT_LENGTH", None)
    chunked = {"wsgi.input_terminated": True} if "HTTP_TRANSFER_ENCODING" in headers else {}
    environ = {**headers, "HTTP_HOST": url.netloc, "REQUEST_METHOD": request.method, "SCRIPT_NAME": "",
            "PATH_INFO": unquote(url.path).encode().decode("latin-1"), "QUERY_STRING": url.query, "REQUEST_URI": target,
            "CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(body)), "SERVER_NAME": url.hostname,
            "SERVER_PORT": str(url.port), "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1",
            "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body), "wsgi.errors": io.StringIO(),
            "wsgi.version": (1, 0), "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
            **chunked}
    return environ, body
