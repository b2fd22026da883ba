"""What the lab's clients meet, small and by hand: the lab's page for them, its name server, its edge, and an app."""

from __future__ import annotations

import json
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from dnslib import CNAME, QTYPE, RCODE, RR, A, DNSRecord

from drctl.lab.traffic_target import Target
from drctl.lab.traffic_user import Way

NAME: Final = "app.dr.example.com"
EAST, EAST_TOO, WEST = "203.0.113.1", "203.0.113.2", "203.0.113.9"
WEST_NAME: Final = "west.elb.example.com"
REGIONS: Final = {EAST: "us-east-1", EAST_TOO: "us-east-1", WEST: "us-west-2"}
CLIENT: Final = "198.51.100.1"
BODY: Final = {"name": "{row}", "birth_date": "1980-02-29"}


def target(**other: Any) -> Target:
    """What the sample application is asked for, but for what is given."""
    return Target(**{"name": NAME, "tls": True, "client": CLIENT, "method": "POST", "path": "/patients", "body": BODY,
                     "read_path": "/patients/{id}", "id_field": "id", **other})


class World:
    """Rows, where the name sends users, and how each balancer treats them; all of it can be changed at any time."""

    def __init__(self, speed: float = 60.0) -> None:
        self.speed = speed
        self.rows: dict[str, str] = {}
        #: What the name server answers: addresses with a TTL in seconds, or a response code, or nothing.
        self.sent_to: tuple[str, ...] = (EAST,)
        self.ttl = 60
        #: What the name is a CNAME of, kept for an hour; "" for addresses of its own.
        self.renamed = ""
        self.code = "NOERROR"
        self.silent = False
        self.truncates = False
        self.questions = 0
        #: By address: "hangs" (its connections are never answered), "closes" (them), "stalls" (after the request),
        #: "closes after" (an answer, without a word).
        self.doors: dict[str, str] = {}
        #: By method: a status that is answered instead.
        self.statuses: dict[str, int] = {}
        self.connections: list[tuple[str, str]] = []
        self.ended = 0
        self.requests: list[tuple[str, str, str, str]] = []
        #: Whether the lab has a page for clients.
        self.lets_clients_in = True
        self.over = threading.Event()
        self.servers: dict[str, Any] = {}
        self.lock = threading.Lock()

    def url(self, name: str) -> str:
        """Host and port of one of the servers."""
        host, port = self.servers[name].server_address
        return f"{host}:{port}"

    @property
    def page(self) -> dict[str, Any]:
        """As the lab's page `clients` tells it."""
        return {"edge": self.url("edge"), "dns": self.url("dns"), "ca": authority().ca, "speed": self.speed,
                "regions": REGIONS}

    @property
    def way(self) -> Way:
        """The way for clients."""
        return Way.of(self.page)

    def answer(self, question: DNSRecord, *, by_tcp: bool) -> bytes | None:
        """The name server's answer."""
        self.questions += 1
        reply = question.reply()
        reply.header.rcode = getattr(RCODE, self.code)
        if self.truncates and not by_tcp:
            reply.header.tc = 1
        else:
            name = question.q.qname
            if self.renamed and str(name).rstrip(".") == NAME:
                reply.add_answer(RR(name, QTYPE.CNAME, rdata=CNAME(self.renamed), ttl=3600))
                name = self.renamed
            found = (WEST,) if str(name).rstrip(".") == WEST_NAME else self.sent_to
            reply.add_answer(*(RR(name, QTYPE.A, rdata=A(one), ttl=self.ttl) for one in found))
        return None if self.silent else bytes(reply.pack())

    def serve(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """The app's answer."""
        if method in self.statuses:
            return self.statuses[method], {"error": "as it was told"}
        with self.lock:
            if method == "POST":
                known_as = f"id-{len(self.rows) + 1}"
                self.rows[known_as] = json.loads(body)["name"]
                return 201, {"id": known_as, "name": self.rows[known_as]}
            found = self.rows.get(path.rpartition("/")[2])
        return (200, {"name": found}) if found else (404, {"error": "there is no such patient"})


class _Udp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        data, line = self.request
        if (reply := _world(self).answer(DNSRecord.parse(data), by_tcp=False)) is not None:
            line.sendto(reply, self.client_address)


class _Tcp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        size = int.from_bytes(self.request.recv(2), "big")
        reply = _world(self).answer(DNSRecord.parse(self.request.recv(size)), by_tcp=True)
        if reply is not None:
            self.request.sendall(len(reply).to_bytes(2, "big") + reply)


class _Edge(socketserver.BaseRequestHandler):
    """CONNECT, then TLS on port 443, then HTTP."""

    def handle(self) -> None:
        with suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += self.request.recv(1)
            lines = head.decode().splitlines()
            address, _, port = lines[0].split()[1].rpartition(":")
            came_from = next(line.partition(": ")[2] for line in lines if line.startswith("X-Lab-Client"))
            self._carry(address, int(port), came_from)

    def _carry(self, address: str, port: int, came_from: str) -> None:
        world = _world(self)
        world.connections.append((address, came_from))
        door = world.doors.get(address, "")
        if door == "hangs":
            world.over.wait()
        if door in {"hangs", "closes"}:
            return
        self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        line = authority().context().wrap_socket(self.request, server_side=True) if port == 443 else self.request
        with line:
            _App(line, (address, port), self.server)
        world.ended += 1


class _App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        world, address = _world(self), self.client_address[0]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        world.requests.append((address, self.command, self.path, self.headers["Host"]))
        if world.doors.get(address) == "stalls":
            world.over.wait()
        status, document = world.serve(self.command, self.path, body)
        answer = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        if world.doors.get(address) == "closes after":
            self.close_connection = True
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_PUT = do_GET  # noqa: N815  # the names that http.server looks for

    def log_message(self, *_: Any) -> None:
        return


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        world = _world(self)
        pages: dict[str, dict[str, Any]] = {"/drctl-lab/status": {"speed": world.speed}}
        if world.lets_clients_in:
            pages["/drctl-lab/clients"] = world.page
        known = pages.get(self.path)
        answer = json.dumps(known or {"error": f"the lab has no page GET {self.path}"}).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        return


def _world(handler: Any) -> World:
    found: World = handler.server.world
    return found


class _Threading(socketserver.ThreadingTCPServer):
    daemon_threads, request_queue_size = True, 64


class _ThreadingUdp(socketserver.ThreadingUDPServer):
    daemon_threads = True


@contextmanager
def world(speed: float = 60.0) -> Iterator[World]:
    """A world that answers while the body runs."""
    made = World(speed)
    made.servers["dns"], made.servers["dns tcp"] = _name_server()
    made.servers["edge"] = _Threading(("127.0.0.1", 0), _Edge)
    made.servers["page"] = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    for server in made.servers.values():
        server.world = made
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield made
    finally:
        made.over.set()
        for server in made.servers.values():
            server.shutdown()
            server.server_close()


def _name_server() -> tuple[_ThreadingUdp, _Threading]:
    """UDP and TCP on one port; a port that is free for one may be taken for the other."""
    while True:
        udp = _ThreadingUdp(("127.0.0.1", 0), _Udp)
        try:
            return udp, _Threading(udp.server_address, _Tcp)
        except OSError:
            udp.server_close()


class Authority:
    """A certificate authority, and the certificate for the users' name that it gave."""

    def __init__(self) -> None:
        key, self._key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        root = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
        ca = _signed(root, root, key.public_key(), key, lambda made: made.add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True))
        self._leaf = _signed(x509.Name([]), root, self._key.public_key(), key, lambda made: made.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=True))
        self.ca = ca.public_bytes(serialization.Encoding.PEM).decode()

    @cache  # noqa: B019  # there is one, for all tests of a process
    def context(self) -> ssl.SSLContext:
        """For the side that answers."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with TemporaryDirectory() as folder:
            both = Path(folder, "both.pem")
            both.write_bytes(self._key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
                + self._leaf.public_bytes(serialization.Encoding.PEM))
            made.load_cert_chain(both)
        return made


def _signed(subject: x509.Name, issuer: x509.Name, public: Any, key: ec.EllipticCurvePrivateKey,
            extended: Callable[[x509.CertificateBuilder], x509.CertificateBuilder]) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number(), now - timedelta(days=1),
                                      now + timedelta(days=1))
    return extended(builder).sign(key, hashes.SHA256())


@cache
def authority() -> Authority:
    """One for all tests of a process."""
    return Authority()
