"""A user's resolver: asks the lab's name server for the addresses of one name, and keeps what it says for its TTL.

Sources: RFC 1034 (resolvers; 3.6.2, CNAME records), RFC 2308 (negative caching), RFC 8767 for what it does not do:
serve what is stale.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from dnslib import QTYPE, RCODE, DNSError, DNSRecord

#: AWS seconds that "there is no such name" is kept. Shorter than Route 53's zones allow (900 s, by their SOA record),
#: so that traffic which begins before the stack is there finds it soon.
NEGATIVE_TTL_S = 10.0
#: Real seconds that the name server, which is on this machine, may take, and how often it is asked.
ANSWER_WITHIN_S, ATTEMPTS = 0.5, 2


class Unresolved(Exception):
    """The name server said nothing that can be used; it is asked again at the next request."""


class Resolver:
    """Addresses of `name`, asked of `server` (host:port); `speed` is AWS seconds in a second.

    It belongs to one client, as a user's machine has its own: they do not all turn at the same moment.
    """

    def __init__(self, server: str, name: str, speed: float, now: Callable[[], float] = time.monotonic) -> None:
        host, _, port = server.rpartition(":")
        self._server, self._name, self._speed, self._now = (host, int(port)), name, speed, now
        self._addresses: tuple[str, ...] = ()
        self._until = 0.0
        #: Names that are others' CNAMEs, and until when that is kept: each record of an answer has its own TTL.
        self._renamed: dict[str, tuple[str, float]] = {}

    def addresses(self) -> tuple[str, ...]:
        """The IPv4 addresses as they may be used now; none when there is no such name or it has no address.

        Raises Unresolved when nothing is known any more and the name server does not tell.
        """
        if self._now() >= self._until:
            asked = self._now()
            self._addresses, ttl = self._asked(asked)
            self._until = asked + ttl / self._speed
        return self._addresses

    def _known_as(self, now: float) -> str:
        """The name to ask for: what the users' name is known to be a CNAME of, else itself."""
        name, seen = self._name, set[str]()
        while name not in seen and self._renamed.get(name, ("", 0.0))[1] > now:
            seen.add(name)
            name = self._renamed[name][0]
        return name

    def _asked(self, now: float) -> tuple[tuple[str, ...], float]:
        """What the name server says, and for how many AWS seconds its addresses are kept."""
        answer = self._answer(self._known_as(now))
        code = RCODE[answer.header.rcode]
        if code not in {"NOERROR", "NXDOMAIN"}:
            raise Unresolved(f"the name server answers {code}")
        for line in answer.rr:
            if line.rtype == QTYPE.CNAME:
                self._renamed[_plain(line.rname)] = (_plain(line.rdata), now + line.ttl / self._speed)
        found = [line for line in answer.rr if line.rtype == QTYPE.A]
        if not found:
            return (), NEGATIVE_TTL_S
        return tuple(str(line.rdata) for line in found), float(min(line.ttl for line in found))

    def _answer(self, name: str) -> DNSRecord:
        problem = ""
        for _ in range(ATTEMPTS):
            try:
                return self._exchange(name)
            except (OSError, DNSError) as error:
                problem = str(error) or type(error).__name__
        raise Unresolved(f"the name server does not answer: {problem}")

    def _exchange(self, name: str) -> DNSRecord:
        question = DNSRecord.question(name, "A")
        answer = DNSRecord.parse(self._by_udp(bytes(question.pack())))
        if answer.header.tc:
            answer = DNSRecord.parse(self._by_tcp(bytes(question.pack())))
        if answer.header.id != question.header.id:
            raise OSError("an answer to another question")
        return answer

    def _by_udp(self, question: bytes) -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.settimeout(ANSWER_WITHIN_S)
            line.connect(self._server)
            line.send(question)
            return line.recv(65535)

    def _by_tcp(self, question: bytes) -> bytes:
        with socket.create_connection(self._server, ANSWER_WITHIN_S) as line, line.makefile("rb") as answers:
            line.sendall(len(question).to_bytes(2, "big") + question)
            return answers.read(int.from_bytes(answers.read(2), "big"))


def _plain(name: object) -> str:
    return str(name).rstrip(".").lower()
