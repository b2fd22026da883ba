"""A hand-written proxy between drctl and the lab: counts, answers in AWS's place, cuts the line, or forwards."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    """One request as the proxy sees it."""

    region: str
    service: str
    operation: str
    body: bytes
    #: When it arrived, in seconds since 1970.
    at: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Reply:
    """An answer in AWS's place."""

    status: int
    body: str
    content_type: str = "text/xml"


def refusal(code: str, message: str, status: int = 400) -> Reply:
    """An error of a query-protocol service."""
    return Reply(status, f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>"
                         f"</Error><RequestId>req-{code}</RequestId></ErrorResponse>")


def json_refusal(code: str, message: str, status: int = 400) -> Reply:
    """An error of a JSON-protocol service."""
    return Reply(status, f'{{"__type": "{code}", "message": "{message}"}}', "application/x-amz-json-1.1")


@dataclass
class Between:
    """What passed, and what is done about it."""

    url: str = ""
    seen: list[Request] = field(default_factory=list)
    decide: Callable[[Request], Reply | None] = lambda _: None


class _Server(ThreadingHTTPServer):
    """The proxy's socket, with what its lines need to know."""

    daemon_threads = True

    def __init__(self, state: Between, target: str | None) -> None:
        super().__init__(("127.0.0.1", 0), _Line)
        self.state, self.target = state, target

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed in the middle of a request is no error of the proxy."""


class _Line(BaseHTTPRequestHandler):
    """One connection of drctl."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def __getattr__(self, name: str) -> object:
        """Every method of HTTP is passed in the same way."""
        if name.startswith("do_"):
            return self._pass
        raise AttributeError(name)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        return

    def _pass(self) -> None:
        body = self._body()
        request = self._understood(body)
        self.server.state.seen.append(request)
        if (reply := self.server.state.decide(request)) is not None:
            self._send(reply.status, {"Content-Type": reply.content_type}, reply.body.encode())
        elif self.server.target is None:
            self._send(599, {}, b"nobody should have asked")
        else:
            self._forward(self.server.target, body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return parts

    def _understood(self, body: bytes) -> Request:
        scope = self.headers.get("Authorization", "").partition("Credential=")[2].split(",")[0].split("/")
        region, service = (scope[2], scope[3]) if len(scope) > 4 else ("", "")
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        if not operation and "x-www-form-urlencoded" in self.headers.get("Content-Type", ""):
            operation = parse_qs(body.decode("utf-8", "replace")).get("Action", [""])[0]
        return Request(region, service, operation or f"{self.command} {self.path}", body)

    def _forward(self, target: str, body: bytes) -> None:
        place = urlsplit(target)
        line = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
        headers = {key: value for key, value in self.headers.items()
                   if key.lower() not in {"transfer-encoding", "content-length", "connection", "expect"}}
        try:
            line.request(self.command, self.path, body, headers | {"Content-Length": str(len(body))})
            answer = line.getresponse()
            self._send(answer.status, dict(answer.getheaders()), answer.read())
        except OSError:
            self.close_connection = True
        finally:
            line.close()

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for key, value in headers.items():
            if key.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(key, value)
        without_body = self.command == "HEAD"
        self.send_header("Content-Length", headers.get("Content-Length", "0") if without_body else str(len(body)))
        self.end_headers()
        if not without_body:
            self.wfile.write(body)


@contextmanager
def between(target: str | None) -> Iterator[Between]:
    """A proxy in front of `target`; without one everything that is not answered is a test's mistake."""
    state = Between()
    server = _Server(state, target)
    state.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
