"""Clients whose requests go straight to the lab of this process, without a socket: the same bytes, in less time.

What happens to connections, in outages and with faults, needs some: then requests go by the socket as ever.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.awsrequest import AWSResponse

from drctl.aws.clients import Aws, Door
from drctl.aws.fence import Fence
from drctl.aws.hooks import Listener
from drctl.lab import outages
from drctl.lab.faults import FAULTS

#: Status, headers and body of an answer.
Told = tuple[int, dict[str, str], bytes]
#: The lab's WSGI application.
App = Callable[..., Any]


class LabFailed(BaseException):
    """The lab's own code raised: no answer of AWS, so nobody may take it for one."""


class Straight(Aws):
    """Clients of a lab in this process."""

    def __init__(self, app: App, door: Door, listener: Listener, fence: Fence | None = None) -> None:
        super().__init__(door, listener, fence)
        self._app = app

    def _new(self, service: str, region: str) -> Any:
        client = super()._new(service, region)

        def carried(request: Any, **_: Any) -> AWSResponse | None:
            if outages.present() or FAULTS.rate:
                return None
            return response(request, asked(self._app, as_received(request)[0]))

        client.meta.events.register_first("before-send.*.*", carried)
        return client


def asked(app: App, environ: dict[str, Any]) -> Told:
    """What the lab answers; raises LabFailed where its code fails."""
    told: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
        told.update(status=int(status[:3]), headers={name.lower(): value for name, value in headers})

    try:
        body = b"".join(app(environ, start_response))
    except Exception as failure:
        raise LabFailed(f"{environ['REQUEST_METHOD']} {environ['REQUEST_URI']}: {failure!r}") from failure
    return told["status"], told["headers"], body


def response(request: Any, told: Told) -> AWSResponse:
    """An answer as botocore reads it."""
    status, headers, body = told
    dated = {"date": formatdate(usegmt=True), **headers}  # a server adds it
    return AWSResponse(request.url, status, _Headers(dated), _Raw(body))  # type: ignore[arg-type]  # read like one


def as_received(request: Any) -> tuple[dict[str, Any], bytes]:
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
               "PATH_INFO": unquote(url.path).encode().decode("latin-1"), "QUERY_STRING": url.query,
               "REQUEST_URI": target, "CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(body)),
               "SERVER_NAME": url.hostname, "SERVER_PORT": str(url.port), "SERVER_PROTOCOL": "HTTP/1.1",
               "REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body),
               "wsgi.errors": io.StringIO(), "wsgi.version": (1, 0), "wsgi.multithread": True,
               "wsgi.multiprocess": False, "wsgi.run_once": False, **chunked}
    return environ, body


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
