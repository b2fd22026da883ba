"""One request from the internet to something in the lab, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from ipaddress import ip_network


@dataclass(frozen=True)
class Visit:
    """A request: path and query as they came, header names in lower case, and where it comes from."""

    #: Address or range of addresses that it comes from.
    client: str
    method: str = "GET"
    path: str = "/"
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Reply:
    """What came back: HTTP status, or None and the reason why there was no answer."""

    status: int | None
    text: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def ok(self) -> bool:
        """What a health checker takes for healthy: 2xx or 3xx."""
        return self.status is not None and 200 <= self.status < 400


def with_status(status: int, body: bytes = b"", headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """An answer with the usual phrase of its status."""
    known = status in HTTPStatus._value2member_map_
    return Reply(status, HTTPStatus(status).phrase if known else "", body, headers)


@lru_cache(10_000)  # clients come from the same few addresses and ranges, and are asked about all the time
def within(cidr: str, wider: str) -> bool:
    """Whether an address, or all of a range, lies in another range."""
    here, there = ip_network(cidr), ip_network(wider, strict=False)
    return here.version == there.version and here.subnet_of(there)  # type: ignore[arg-type]  # versions are equal
