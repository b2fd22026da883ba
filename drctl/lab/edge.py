"""The way in for real clients: a forward proxy on loopback whose CONNECT leads to the simulated load balancers.

A client asks for `CONNECT address:port` with an address (or a name) that the lab's name server knows, and speaks HTTP,
or TLS and HTTP, as the listener on that port does. `X-Lab-Client` tells where on the internet it is.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from typing import Any

from cheroot.wsgi import Server
from moto.elbv2.models import FakeLoadBalancer

from drctl.lab import dns_answers, outages
from drctl.lab.called import Environ, whole_body
from drctl.lab.connections import connection_of, cut, request_of, serve_with, wait
from drctl.lab.entrances import Entrance, region_of
from drctl.lab.front_doors import balancers
from drctl.lab.listener_tls import context_of
from drctl.lab.tunnels import Tunnel, tunnel_of
from drctl.lab.visits import Reply, Visit, with_status

StartResponse = Callable[..., Any]
ADDRESS = "127.0.0.1"
#: Requests answered at the same time; those that wait in an outage, or are never answered, hold no thread.
THREADS = 32
#: Connections that wait for a client's next request, or for ever.
KEPT_CONNECTIONS = 1024
#: Real seconds that a connection may be idle.
IDLE_S = 60
#: Where a client is that does not say it: an address for documentation (RFC 5737).
SOMEWHERE = "198.51.100.7"
SERVICE = "elasticloadbalancing"
#: AWS seconds that a client may keep a connection, unless the balancer says otherwise (Application Load Balancers,
#: "HTTP client keepalive duration").
KEPT_S = 3600.0
#: Where a request keeps its answer, when it has to wait before it is given.
_REPLY = "drctl.reply"
#: What the edge itself says of an answer.
_OWN_HEADERS = frozenset({"connection", "content-length", "transfer-encoding"})


class Edge:
    """The edge on one port of loopback: `start`, `address`, `stop`."""

    def __init__(self) -> None:
        self._tunnels: weakref.WeakSet[Tunnel] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._server = Server((ADDRESS, 0), self._serve, numthreads=THREADS, request_queue_size=256, timeout=IDLE_S,
                              server_name="awselb/2.0")
        self._server.keep_alive_conn_limit = KEPT_CONNECTIONS
        serve_with(self._server, Tunnel)
        self._server.prepare()
        self.address = f"{ADDRESS}:{self._server.bind_addr[1]}"

    def start(self) -> None:
        """Answer in the background."""
        outages.ON_CHANGE.append(self._break_off)
        threading.Thread(target=self._server.serve, name="lab-edge", daemon=True).start()

    def stop(self) -> None:
        """Break every connection and answer no more."""
        outages.ON_CHANGE.remove(self._break_off)
        for tunnel in self._established():
            tunnel.break_off()
        self._server.stop()

    def _established(self) -> list[Tunnel]:
        with self._lock:
            return list(self._tunnels)

    def _break_off(self, region: str, service: str) -> None:
        """A region that refuses connections breaks those that there are; called when an outage begins or ends."""
        outage = outages.covering(region, SERVICE) if service in {"", SERVICE} else None
        if outage is not None and outage.mode == "refuse":
            for tunnel in self._established():
                if tunnel.entrance is not None and tunnel.entrance.region == region:
                    tunnel.break_off()

    def _serve(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        tunnel = tunnel_of(environ)
        if tunnel.entrance is not None:
            return _visit(tunnel, tunnel.entrance, environ, start_response)
        return self._connect(tunnel, environ, start_response)

    def _connect(self, tunnel: Tunnel, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """400, 405 and 502 are the proxy's; what the internet would drop is never answered."""
        if environ["REQUEST_METHOD"] != "CONNECT":
            return _give(with_status(405, b"this is a proxy to load balancers: CONNECT address:port\n"), environ,
                         start_response)
        host, _, port = environ["REQUEST_URI"].rpartition(":")
        client = environ.get("HTTP_X_LAB_CLIENT", SOMEWHERE)
        if not _is_address(client):
            return _give(with_status(400, b"X-Lab-Client is no IPv4 address\n"), environ, start_response)
        balancer = _balancer_at(host)
        if balancer is None:
            return _give(with_status(502, f"no load balancer has the address {host}\n".encode()), environ,
                         start_response)
        entrance = Entrance(balancer, int(port))
        _strike(entrance.region, environ)
        listener = entrance.listener
        if listener is None or not entrance.lets_in(client):
            wait(environ)
        context = context_of(listener) if listener.protocol == "HTTPS" else None
        if listener.protocol == "HTTPS" and context is None:
            cut(environ)
        with self._lock:
            self._tunnels.add(tunnel)
        request = request_of(environ)
        request.sent_headers, request.close_connection = True, False  # nothing but the line that establishes it
        tunnel.establish(entrance, client, context)
        return ()


def regions() -> dict[str, str]:
    """The region of each address of a balancer."""
    return {address: region_of(one.arn) for one in balancers() for address in dns_answers.addresses(one)}


def _is_address(text: str) -> bool:
    try:
        return bool(IPv4Address(text))
    except ValueError:
        return False


def _balancer_at(host: str) -> FakeLoadBalancer | None:
    """The balancer with an address; of a name the first address counts, as the lab's name server tells it now."""
    address = host
    if not _is_address(host):
        address = next((line.value for line in dns_answers.answer(host, "A").lines if line.type == "A"), "")
    return next((one for one in balancers() if address in dns_answers.addresses(one)), None)


def _strike(region: str, environ: Environ) -> bool:
    """Whether an outage answers for the balancer; one that refuses or hangs does not return."""
    outage = outages.covering(region, SERVICE)
    if outage is None:
        return False
    if outage.mode == "refuse":
        cut(environ)
    if outage.mode == "hang":
        outage.waiting.add(connection_of(environ))
        if outage in outages.present():  # one that has just ended would wake nobody
            wait(environ)
    return outage.mode == "error"


def _visit(tunnel: Tunnel, entrance: Entrance, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Serve one request; the answer to one that an outage has overtaken is lost, or waits, or is 503."""
    listener = entrance.listener
    if listener is None:
        cut(environ)  # the balancer or its listener has gone since
    body = whole_body(environ)
    is_failing = _strike(entrance.region, environ)
    if not is_failing:
        known = environ.get(_REPLY)
        environ[_REPLY] = known or entrance.answer(listener, _visit_of(tunnel.client, body, environ))
        is_failing = _strike(entrance.region, environ)
    kept = float(entrance.balancer.attrs.get("client_keep_alive.seconds") or KEPT_S)
    return _give(with_status(503) if is_failing else environ[_REPLY], environ, start_response, ends=tunnel.age >= kept)


def _visit_of(client: str, body: bytes, environ: Environ) -> Visit:
    path, _, query = environ["REQUEST_URI"].partition("?")
    if not path.startswith("/"):  # the absolute form is for proxies, but everybody understands it (RFC 9112, 3.2.2)
        path = "/" + path.partition("//")[2].partition("/")[2]
    headers = {name.decode("latin-1").lower(): value.decode("latin-1")
               for name, value in request_of(environ).inheaders.items()}
    return Visit(client, environ["REQUEST_METHOD"], path, query, headers, body)


def _give(reply: Reply, environ: Environ, start_response: StartResponse, *, ends: bool = False) -> Iterable[bytes]:
    tunnel_of(environ).wfile.hold()
    headers = [one for one in reply.headers if one[0].lower() not in _OWN_HEADERS]
    if ends:
        headers.append(("Connection", "close"))
        request_of(environ).close_connection = True
    if reply.status in {204, 304}:
        start_response(f"{reply.status} {reply.text}", headers)
        return ()
    start_response(f"{reply.status} {reply.text}", [*headers, ("Content-Length", str(len(reply.body)))])
    return () if environ["REQUEST_METHOD"] == "HEAD" else (reply.body,)
