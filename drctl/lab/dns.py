"""The lab's name server: authoritative for the simulated hosted zones, on loopback over UDP and TCP."""

from __future__ import annotations

import threading
from typing import Any

from dnslib import RCODE, RR, DNSRecord
from dnslib.server import DNSHandler, DNSLogger, TCPServer, UDPServer
from moto.core.responses import ActionResult
from moto.route53 import urls
from moto.route53.responses import Route53

from drctl.lab.dns_answers import Answer, Line, answer
from drctl.lab.rules import operation

ADDRESS = "127.0.0.1"
#: Names of the question types that the lab knows, by number.
TYPES = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 15: "MX", 16: "TXT", 28: "AAAA"}


class _Handler(DNSHandler):
    """A longer answer is truncated and asked for again over TCP."""

    udplen = 1232


class _Questions:
    """Answers one question at a time from the zones as they are."""

    def resolve(self, request: DNSRecord, _handler: Any) -> DNSRecord:
        """The reply to a request."""
        found = answer(str(request.q.qname), TYPES.get(request.q.qtype, "?"))
        reply = request.reply(ra=0, aa=found.code != "REFUSED")
        reply.header.rcode = getattr(RCODE, found.code)
        reply.add_answer(*_records(found.lines))
        reply.add_auth(*_records(found.authority))
        return reply


def _records(lines: tuple[Line, ...]) -> list[RR]:
    return [record for line in lines
            for record in RR.fromZone(f"{line.name}. {line.ttl} IN {line.type} {line.value}")]


class DnsServer:
    """A name server on one port of loopback: `start`, `port`, `stop`."""

    def __init__(self, port: int = 0) -> None:
        self._servers = _bind(port)
        self.port = int(self._servers[0].server_address[1])
        self._threads: list[threading.Thread] = []

    @property
    def address(self) -> str:
        """Host and port to ask."""
        return f"{ADDRESS}:{self.port}"

    def start(self) -> None:
        """Answer in the background."""
        self._threads = [threading.Thread(target=server.serve_forever, args=(0.5,), name="lab-dns", daemon=True)
                         for server in self._servers]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Answer no more."""
        for server in self._servers:
            if self._threads:
                server.shutdown()
            server.server_close()
        self._threads = []


def _bind(port: int) -> tuple[Any, Any]:
    """UDP and TCP on one port; a port that is free for one may be taken for the other."""
    for attempt in range(20):
        udp = UDPServer((ADDRESS, port), _Handler)
        try:
            tcp = TCPServer((ADDRESS, udp.server_address[1]), _Handler)
        except OSError:
            udp.server_close()
            if port or attempt == 19:
                raise
            continue
        for server in (udp, tcp):
            server.resolver, server.logger = _Questions(), DNSLogger(log="-request,-reply,-truncated,-error")
        return udp, tcp
    raise OSError("no port is free for UDP and TCP")


urls.url_paths[r"{0}/(?P<api_version>[\d_-]+)/testdnsanswer$"] = Route53.dispatch


@operation("test-dns-answer", Route53, "test_dns_answer")
def test_dns_answer(self: Route53) -> ActionResult:
    """What the name servers of a hosted zone answer for a name and type.

    Source: Route 53 API Reference, TestDNSAnswer.
    """
    zone = self.backend.get_hosted_zone(self._get_param("HostedZoneId"))
    name, rtype = self._get_param("RecordName"), self._get_param("RecordType")
    found: Answer = answer(name, rtype, zone)
    return ActionResult({
        "Nameserver": zone.delegation_set.name_servers[0], "RecordName": name, "RecordType": rtype,
        "RecordData": [line.value for line in found.lines if line.type == rtype],
        "ResponseCode": found.code, "Protocol": "UDP"})
