"""Asks name servers themselves what they answer, never a cache: where users are being sent at this moment."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dns.message import Message

#: A name server: address and port.
Server = tuple[str, int]
PORT = 53


@dataclass(frozen=True)
class Answer:
    """Addresses in order; with none, `problem` says why: a response code of DNS, or what kept the question from it."""

    addresses: tuple[str, ...] = ()
    problem: str = ""
    server: str = ""

    def __bool__(self) -> bool:
        return bool(self.addresses)


def ask(name: str, server: Server, timeout_s: float) -> Answer:
    """IPv4 addresses of a name as one server knows them, in at most `timeout_s`; never raises for the network."""
    import dns.exception
    import dns.message
    import dns.query

    where = f"{server[0]}:{server[1]}"
    try:
        question = dns.message.make_query(name, "A")
        question.flags = 0  # no recursion wanted: the zone's own servers are asked
        reply, _ = dns.query.udp_with_fallback(question, server[0], timeout_s, server[1])
    except dns.exception.Timeout:
        return Answer(problem=f"no answer within {timeout_s:.3g} s", server=where)
    except (dns.exception.DNSException, OSError) as wrong:
        return Answer(problem=str(wrong) or type(wrong).__name__, server=where)
    found = _addresses(reply)
    return Answer(found, "" if found else _why_nothing(reply), where)


def answers(name: str, server: Server, timeout_s: float) -> tuple[str, ...]:
    """As `ask`, the addresses alone; empty when there are none for whatever reason."""
    return ask(name, server, timeout_s).addresses


def ask_zone(name: str, name_servers: Sequence[str], override: Server | None, timeout_s: float) -> Answer:
    """What the zone's own servers answer: the first of them that answers at all, `timeout_s` for all together.

    `override` is asked in their place where the zone's servers stand elsewhere than in the world's DNS.
    """
    until = time.monotonic() + timeout_s
    problems: list[str] = []
    servers = [override] if override else _servers(name_servers, problems)
    for server in servers:
        left = until - time.monotonic()
        if left <= 0:
            problems.append(f"no answer within {timeout_s:.3g} s")
            break
        # A silent server may not use up the time of the others (there are four).
        heard = ask(name, server, left if override else max(left / 2, min(left, 0.5)))
        if heard or heard.problem in {"NXDOMAIN", "NOERROR"}:
            return heard
        problems.append(f"{heard.server}: {heard.problem}")
    return Answer(problem="; ".join(problems) or "no name server to ask")


def addresses_of(host: str, override: Server | None, timeout_s: float) -> Answer:
    """Addresses of a host such as a load balancer: from `override`, or from the resolver of this machine."""
    if override:
        return ask(host, override, timeout_s)
    import dns.exception
    import dns.resolver

    try:
        resolver = dns.resolver.Resolver()
        found = resolver.resolve(host, "A", lifetime=timeout_s, search=False)
    except dns.exception.DNSException as wrong:
        return Answer(problem=str(wrong) or type(wrong).__name__)
    return Answer(tuple(sorted(record.address for record in found)))


def _servers(names: Sequence[str], problems: list[str]) -> Iterator[Server]:
    """Addresses of the name servers, each looked up when its turn comes."""
    import socket

    for name in names:
        try:
            found = socket.getaddrinfo(name.rstrip("."), PORT, socket.AF_INET, socket.SOCK_DGRAM)
        except OSError as wrong:
            problems.append(f"{name}: {wrong}")
            continue
        if found:
            yield str(found[0][4][0]), PORT


def _addresses(reply: Message) -> tuple[str, ...]:
    import dns.rdatatype

    return tuple(sorted({record.address for rrset in reply.answer if rrset.rdtype == dns.rdatatype.A
                         for record in rrset}))


def _why_nothing(reply: Message) -> str:
    import dns.rcode

    return str(dns.rcode.to_text(reply.rcode()))
