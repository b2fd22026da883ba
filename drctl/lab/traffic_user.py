"""One user's software in front of the name: a resolver with a cache, one connection that is kept open, time-outs.

The way to the balancer is the lab's edge, an HTTP proxy that carries TCP to the addresses of the simulated balancers.
"""

from __future__ import annotations

import http.client
import select
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from drctl.lab.resolver import Resolver, Unresolved
from drctl.lab.traffic_target import Asked, Target

#: AWS seconds that a request may take in all, and the real seconds that it may take at least: at a high speed ten AWS
#: seconds are shorter than what this machine itself may need.
TIMEOUT_AWS_S, TIMEOUT_AT_LEAST_S = 10.0, 1.0
#: Where the edge reads which address a user comes from.
CLIENT_HEADER = "X-Lab-Client"


class Unanswered(Exception):
    """No whole answer came; the message begins with "not sent" when the request certainly did not leave."""

    def __init__(self, why: str, address: str = "") -> None:
        super().__init__(why)
        self.why, self.address = why, address


@dataclass(frozen=True)
class Answer:
    """An answer of whatever status, and the balancer's address that it came from."""

    status: int
    body: bytes
    address: str


@dataclass(frozen=True)
class Way:
    """How the lab is reached: its edge and name server (host:port), its authority's certificate, its speed."""

    edge: str
    dns: str
    ca: str
    speed: float

    @classmethod
    def of(cls, page: dict[str, Any]) -> Way:
        """As the lab's page `clients` tells it; KeyError when it does not."""
        return cls(page["edge"], page["dns"], page["ca"], float(page["speed"]))

    @property
    def timeout_s(self) -> float:
        """Real seconds that a request may take."""
        return max(TIMEOUT_AT_LEAST_S, TIMEOUT_AWS_S / self.speed)


class _Connection(http.client.HTTPConnection):
    """TCP through the edge to one balancer, and TLS with the users' name on it."""

    def __init__(self, way: Way, target: Target, context: ssl.SSLContext | None, address: str, until: float) -> None:
        host, _, port = way.edge.rpartition(":")
        super().__init__(host, int(port), timeout=_left(until))
        self.set_tunnel(address, target.port, {CLIENT_HEADER: target.client})
        self.address, self._name, self._context, self._until = address, target.name, context, until

    def connect(self) -> None:
        """TimeoutError, or another OSError, when it cannot be had in time."""
        super().connect()
        self.allow(self._until)
        if self._context is not None:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self._name)
            self.allow(self._until)

    def allow(self, until: float) -> None:
        """Let what comes next take until then."""
        self.sock.settimeout(_left(until))

    def is_over(self) -> bool:
        """Whether the other side has ended it, or has said something that nobody asked for."""
        return self.sock is None or bool(select.select([self.sock], [], [], 0)[0])


def _left(until: float) -> float:
    """Seconds until then; a socket takes 0 for "at once", so never less than a moment."""
    return max(0.001, until - time.monotonic())


class User:
    """Asks one request after another. A connection is kept while its address is among those that the name has, until
    an answer 5xx, a break or a time-out; the next one goes to the next address. `turn` says which is the first.

    When the name server does not answer, an open connection is used on, and no other is made.
    """

    def __init__(self, way: Way, target: Target, turn: int = 0) -> None:
        self._way, self._target, self._turn = way, target, turn
        self.timeout_s = way.timeout_s
        """Real seconds that a request may take."""
        self._resolver = Resolver(way.dns, target.name, way.speed)
        self._context = ssl.create_default_context(cadata=way.ca) if target.tls else None
        self._kept: _Connection | None = None

    def ask(self, asked: Asked) -> Answer:
        """The answer, whatever its status; Unanswered when none came in time."""
        until = time.monotonic() + self.timeout_s
        connection = self._connection(until)
        try:
            connection.allow(until)
            response = self._response(connection, asked)
            answer = Answer(response.status, response.read(), connection.address)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unanswered(self._words(error), connection.address) from error
        if answer.status >= http.client.INTERNAL_SERVER_ERROR:
            self.close()
        return answer

    def close(self) -> None:
        """End the connection, if there is one."""
        kept, self._kept = self._kept, None
        if kept is not None:
            with suppress(OSError):
                kept.close()

    def _response(self, connection: _Connection, asked: Asked) -> http.client.HTTPResponse:
        headers = {"Host": self._target.name, "Accept": "application/json", "User-Agent": "drctl-lab-traffic"}
        if asked.body:
            headers["Content-Type"] = "application/json"
        connection.request(asked.method, asked.path, asked.body or None, headers)
        return connection.getresponse()

    def _connection(self, until: float) -> _Connection:
        """The one that is kept if it may be used still, else a new one."""
        kept = self._kept
        try:
            addresses = self._resolver.addresses()
        except Unresolved as error:
            if kept is None or kept.is_over():
                self.close()
                raise Unanswered(f"not sent: {error}") from error
            return kept
        if kept is not None and kept.address in addresses and not kept.is_over():
            return kept
        self.close()
        if not addresses:
            raise Unanswered(f"not sent: {self._target.name} has no address")
        address = addresses[self._turn % len(addresses)]
        self._turn += 1
        return self._connected(address, until)

    def _connected(self, address: str, until: float) -> _Connection:
        connection = self._kept = _Connection(self._way, self._target, self._context, address, until)
        try:
            connection.connect()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unanswered(f"not sent: {self._words(error)}", address) from error
        return connection

    def _words(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"no answer within {self.timeout_s:g} s"
        return str(error) or type(error).__name__
