"""The addresses that Route 53's health checkers ask from, as AWS lists them; read only, asked for once in a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network

from drctl.engine.run import Run
from drctl.engine.step import Finding, Step


@dataclass(frozen=True)
class CheckerRanges(Step[tuple[str, ...]]):
    """Equal for equal sites, so that all who ask in one run share one answer of a call limited to five a second."""

    def find(self, run: Run) -> tuple[str, ...] | None:
        return tuple(sorted(run.at(self.region).route53.get_checker_ip_ranges()["CheckerIpRanges"]))

    def ensure(self, run: Run) -> tuple[str, ...]:
        return run.found(self) or ()

    def verify(self, run: Run, out: tuple[str, ...]) -> Iterable[Finding]:
        return ()

    def destroy(self, run: Run) -> None:
        """AWS's own addresses."""


def ipv4_only(ranges: Iterable[str]) -> list[str]:
    """The ranges of an IPv4 balancer's visitors."""
    return [cidr for cidr in ranges if ip_network(cidr).version == 4]
