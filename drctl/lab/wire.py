"""A TCP wire to a database: what the database answers can be late, and the wire can be cut."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

#: What a PostgreSQL client sends before TLS (PostgreSQL documentation, "Message Formats", SSLRequest).
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
#: What PostgreSQL answers to a client that it would admit with TLS alone (the same, ErrorResponse): length, fields.
_FIELDS = b"SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry for this host, no encryption\0\0"
NO_ENCRYPTION = b"E" + struct.pack("!i", 4 + len(_FIELDS)) + _FIELDS
#: Real seconds after which a wire that holds something back looks whether the delay has changed.
LOOK_S = 0.1


class Wire:
    """Listens on `port`, passes everything on to `target`, a loopback port that may change.

    What `target` answers is late by `delay` seconds, as they are now: what is under way when they change comes by the
    new ones. Nothing is late before a client has sent the bytes `begins`. What `target` has sent before it ended still
    arrives; a cut wire drops it. With `tls` it speaks TLS to clients as PostgreSQL does: for builds of PostgreSQL that
    cannot; to those that do not ask for it too, unless it is `tls_only`.
    """

    def __init__(self, target: int, delay: Callable[[], float] = float, *, begins: bytes = b"",
                 tls: ssl.SSLContext | None = None) -> None:
        self.target, self._delay = target, delay
        self._begins, self._tls, self.tls_only = begins, tls, True
        self._cut = False
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, name=f"wire-{self.port}", daemon=True).start()

    def cut(self) -> None:
        """Break every connection and let none through until `mend`: a partition."""
        self._cut = True
        self.drop()

    def mend(self) -> None:
        """Let connections through again."""
        self._cut = False

    def drop(self) -> None:
        """Break the connections that there are."""
        with self._lock:
            for end in self._open:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Take the wire away."""
        self._cut = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._cut:
                near.close()
                continue
            threading.Thread(target=self._carry, args=(near,), name=f"wire-{self.port}", daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        ends = [near]
        try:
            with self._lock:
                self._open.add(near)
            if self._cut:
                return  # in this very moment
            if self._tls is not None:
                ends[0] = near = self._with_tls(near, self._tls)
            far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            far.settimeout(None)
            ends.append(far)
            with self._lock:
                self._open |= set(ends)
            for end in ends:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pump(near, far)
        except (OSError, ValueError):
            return
        finally:
            with self._lock:
                self._open = {end for end in self._open if end not in ends and end.fileno() >= 0}
            for end in ends:
                end.close()

    def _with_tls(self, near: socket.socket, tls: ssl.SSLContext) -> socket.socket:
        if near.recv(len(SSL_REQUEST), socket.MSG_WAITALL | socket.MSG_PEEK) != SSL_REQUEST:
            if not self.tls_only:
                return near
            near.recv(65536)  # what is left unread would break the connection before the answer arrives
            near.sendall(NO_ENCRYPTION)
            raise ConnectionRefusedError("this database takes TLS only")
        near.recv(len(SSL_REQUEST), socket.MSG_WAITALL)
        near.sendall(b"S")
        return tls.wrap_socket(near, server_side=True)

    def _pump(self, near: socket.socket, far: socket.socket) -> None:
        """One thread for both ways: a TLS connection must not be read and written at the same time."""
        is_late, ends = not self._begins, [near, far]
        held: deque[tuple[float, bytes]] = deque()
        while held or far in ends:
            for end in _readable(ends, min(LOOK_S, self._remaining(held[0][0])) if held else None):
                chunk = end.recv(65536)
                if end is far:
                    if chunk:
                        held.append((time.monotonic(), chunk))
                    else:
                        ends.remove(far)
                elif not chunk:
                    return
                elif far in ends:
                    is_late = is_late or self._begins in chunk
                    far.sendall(chunk)
            while held and not (is_late and self._remaining(held[0][0])):
                near.sendall(held.popleft()[1])

    def _remaining(self, received: float) -> float:
        """Seconds for which what was received then is still held back."""
        return max(0.0, received + self._delay() - time.monotonic())


def _readable(ends: list[socket.socket], pause: float | None) -> list[socket.socket]:
    """The ends that have something to read; TLS may hold it already."""
    buffered: list[socket.socket] = [end for end in ends if isinstance(end, ssl.SSLSocket) and end.pending()]
    return buffered or select.select(ends, (), (), pause)[0]
