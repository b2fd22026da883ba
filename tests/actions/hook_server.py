"""A webhook on this machine that takes messages, refuses them, or never answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: As secret as the path of a real one.
PATH = "/services/T0SECRET/B0SECRET/hunter2"


class HookServer(ThreadingHTTPServer):
    """Answers every message with `status`; a hanging one answers when it is closed."""

    daemon_threads = True

    def __init__(self, status: int, location: str, *, hangs: bool) -> None:
        self.status, self.location = status, location
        self.heard: list[tuple[str, str, bytes]] = []
        self.lines: list[str] = []
        self.over = threading.Event()
        if not hangs:
            self.over.set()
        super().__init__(("127.0.0.1", 0), _Hook)

    @property
    def url(self) -> str:
        """The secret address."""
        return f"http://127.0.0.1:{self.server_address[1]}{PATH}"


class _Hook(BaseHTTPRequestHandler):
    server: HookServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, self.headers["Content-Type"], body))
        self.server.over.wait()
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_request(self, *_: Any) -> None:
        self.server.lines.append(self.requestline)

    def log_error(self, *_: Any) -> None:
        return


@contextmanager
def listening(status: int = 200, location: str = "", *, hangs: bool = False) -> Iterator[HookServer]:
    """A webhook while the body runs."""
    server = HookServer(status, location, hangs=hangs)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
