"""Connections that do more than answer: they can be cut without a word, or wait without holding a thread."""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import Any, NoReturn

from cheroot.server import HTTPConnection
from cheroot.wsgi import Gateway_10

from drctl.lab.called import Environ

_KEY = "drctl.gateway"


class Connection(HTTPConnection):
    """One client's connection."""

    #: The request that waits, and whether it may go on.
    waiting: Gateway | None = None
    going_on = False
    is_cut = False

    def communicate(self) -> bool:
        """Serve the next request, or the one that waited; True keeps the connection."""
        if self.waiting is None:
            keeps = bool(super().communicate())  # type: ignore[no-untyped-call]  # cheroot's types are only partly there
            return keeps or self.waiting is not None  # cheroot keeps it: it may be readable when the client goes away
        gateway, self.waiting = self.waiting, None
        if self.going_on:
            gateway.go_on()
        return False

    @property
    def last_used(self) -> float:
        """When it was last used, in seconds since 1970: cheroot ends idle connections, but one that waits is not."""
        return float("inf") if self.waiting is not None else self._last_used

    @last_used.setter
    def last_used(self, when: float) -> None:
        self._last_used = when

    def go_on(self) -> None:
        """Let the request that waits be served now."""
        self.going_on = True
        try:
            # wakes cheroot's loop; the answer can still be written, by TLS too, whose own shutdown would end that
            socket.socket.shutdown(self.socket, socket.SHUT_RD)
        except OSError:
            return  # the client is gone

    def close(self) -> None:
        """End it, unless it is cut already."""
        if not self.is_cut:
            super().close()


class Gateway(Gateway_10):
    """One request, whose environment leads to its connection."""

    def get_environ(self) -> Environ:  # type: ignore[override]  # cheroot's own types say None
        """The WSGI environment."""
        environ: Environ = super().get_environ()  # type: ignore[no-untyped-call]  # cheroot's types are only partly there
        environ[_KEY] = self
        return environ

    def go_on(self) -> None:
        """Serve the request that has waited; its connection ends with it."""
        self.req.close_connection = True
        try:
            self.respond()
            if self.req.chunked_write:
                self.req.conn.wfile.write(b"0\r\n\r\n")
        except OSError:
            return  # the client is gone, or the connection was cut


def request_of(environ: Environ) -> Any:
    """cheroot's own request behind an environment."""
    return environ[_KEY].req


def connection_of(environ: Environ) -> Connection:
    """The connection that a request came by."""
    connection: Connection = request_of(environ).conn
    return connection


def cut(environ: Environ) -> NoReturn:
    """End a request's connection without an answer: the client sees a reset."""
    connection = connection_of(environ)
    connection.is_cut = True
    reset = struct.pack("ii", 1, 0)  # closing with SO_LINGER and no time sends RST
    try:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        os.close(connection.socket.detach())
    except OSError:
        pass  # the client was faster
    raise ConnectionResetError(errno.ECONNRESET, "cut by the lab")


def wait(environ: Environ) -> NoReturn:
    """Leave a request, whose body has been read, without an answer, and without a thread, until `Connection.go_on`."""
    connection_of(environ).waiting = environ[_KEY]
    raise ConnectionResetError(errno.ECONNRESET, "waits in the lab")


def serve_with(server: Any, connections: type[Connection]) -> None:
    """Let a cheroot server make its connections of a kind, and its requests of the one here."""
    server.ConnectionClass, server.gateway = connections, Gateway
