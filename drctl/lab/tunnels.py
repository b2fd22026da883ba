"""Connections to the lab's edge: first a forward proxy's, then, once CONNECT is answered, one to a load balancer."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from typing import Any

from cheroot.makefile import StreamReader
from cheroot.server import HTTPRequest

from drctl.lab.called import Environ
from drctl.lab.clock import CLOCK
from drctl.lab.connections import Connection, connection_of
from drctl.lab.entrances import Entrance

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class _Request(HTTPRequest):
    """One request; CONNECT too."""

    def __init__(self, server: Any, connection: Any) -> None:
        super().__init__(server, connection, proxy_mode=True)


class _TlsReader(StreamReader):
    """What was decrypted and not read yet is there too, and would not wake anybody."""

    def __init__(self, secured: ssl.SSLSocket) -> None:
        super().__init__(secured, "rb")
        self._secured = secured

    def has_data(self) -> bool:
        """Whether something can be read without the network."""
        read_ahead = bool(super().has_data())  # type: ignore[no-untyped-call]  # cheroot's types are only partly there
        return read_ahead or self._secured.pending() > 0


class _Writer:
    """Sends what is written at once, or, while it holds, in one piece: head and body apart are two TLS records."""

    def __init__(self, to: socket.socket) -> None:
        self._to = to
        self._held: list[bytes] | None = None

    def hold(self) -> None:
        """Send nothing until `flush`."""
        self._held = self._held or []

    def write(self, data: bytes) -> None:
        """Send, or keep; raises OSError when the client is gone."""
        if self._held is None:
            self._to.sendall(data)
        else:
            self._held.append(data)

    def flush(self) -> None:
        """Send what was kept; raises OSError when the client is gone."""
        held, self._held = self._held, None
        if held:
            self._to.sendall(b"".join(held))


class Tunnel(Connection):
    """One client's connection."""

    wfile: _Writer
    RequestHandlerClass = _Request
    #: What it leads to, once it does.
    entrance: Entrance | None = None
    #: The client's address as the internet sees it.
    client = ""
    #: When it was established, in AWS seconds of the lab.
    since = 0.0
    #: TLS that has not begun yet.
    _context: ssl.SSLContext | None = None
    _is_broken = False

    def __init__(self, server: Any, accepted: socket.socket, *more: Any) -> None:
        super().__init__(server, accepted, *more)
        self.wfile = _Writer(accepted)

    def establish(self, entrance: Entrance, client: str, context: ssl.SSLContext | None) -> None:
        """Tell the client that it is connected, by TLS with a context; what comes now is for the balancer."""
        self.wfile.write(ESTABLISHED)
        self.client, self._context, self.since, self.entrance = client, context, CLOCK.now(), entrance

    @property
    def age(self) -> float:
        """AWS seconds since it was established."""
        return CLOCK.now() - self.since

    def communicate(self) -> bool:
        """Shake hands, or serve the next request; True keeps the connection."""
        try:
            if self._context is not None and not self._is_broken:
                self._encrypt(self._context)
                return True
            # A client that does not trust the certificate says so only here, and one that has gone says nothing.
            goes_on = not self._is_broken and (self.waiting is not None or bool(self.rfile.peek(1)))
            goes_on = goes_on and super().communicate()
            self.wfile.flush()
        except OSError:
            return False
        return goes_on

    def _encrypt(self, context: ssl.SSLContext) -> None:
        self._context = None
        secured = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.socket, self.rfile, self.wfile = secured, _TlsReader(secured), _Writer(secured)
        secured.do_handshake()

    def go_on(self) -> None:
        """The request that waits is served now; a client that waits to be connected has to try again."""
        if self.entrance is None:
            self.break_off()
        else:
            super().go_on()

    def break_off(self) -> None:
        """End it without an answer, whatever it is doing."""
        self._is_broken = True
        with suppress(OSError):  # it has ended already
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)


def tunnel_of(environ: Environ) -> Tunnel:
    """The connection that a request to the edge came by."""
    tunnel = connection_of(environ)
    assert isinstance(tunnel, Tunnel)  # noqa: S101  # the edge makes no others
    return tunnel
