"""What each security group of a region lets in and out, as single rules that compare as sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from drctl.errors import ConfigurationError, Refused
from drctl.settings import Settings

HTTP, HTTPS, POSTGRESQL = 80, 443, 5432
WORLD = "0.0.0.0/0"
#: AWS-managed prefix lists (VPC User Guide, "AWS-managed prefix lists"); `{region}` is the region of the group.
CHECKERS = "com.amazonaws.{region}.route53-healthchecks"
CLOUDFRONT = "com.amazonaws.global.cloudfront.origin-facing"
S3 = "com.amazonaws.{region}.s3"


@dataclass(frozen=True, order=True)
class Rule:
    """One rule of a group; `peer` is a CIDR, a group's id or a prefix list's id, ports are -1 for all."""

    direction: Literal["in", "out"]
    protocol: str
    first: int
    last: int
    peer: str
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        ports = "all ports" if self.protocol == "-1" else f"{self.protocol} {self.first}" + (
            f"-{self.last}" if self.last != self.first else "")
        return f"{ports} {'from' if self.direction == 'in' else 'to'} {self.peer}"

    @property
    def permission(self) -> Any:
        """The rule as one element of `IpPermissions`."""
        match self.peer.partition("-")[0]:
            case "sg":
                peers, name = "UserIdGroupPairs", "GroupId"
            case "pl":
                peers, name = "PrefixListIds", "PrefixListId"
            case _:
                peers, name = ("Ipv6Ranges", "CidrIpv6") if ":" in self.peer else ("IpRanges", "CidrIp")
        ports = {} if self.protocol == "-1" else {"FromPort": self.first, "ToPort": self.last}
        note = {"Description": self.text} if self.text else {}
        return {"IpProtocol": self.protocol, **ports, peers: [{name: self.peer, **note}]}


def rules_of(group: Any) -> Iterator[Rule]:
    """The rules of a group as DescribeSecurityGroups shows it: there they are merged by protocol and port."""
    directions: tuple[tuple[Literal["in", "out"], Any], ...] = (
        ("in", group["IpPermissions"]), ("out", group["IpPermissionsEgress"]))
    for direction, permissions in directions:
        for permission in permissions:
            peers = [*(one["CidrIp"] for one in permission.get("IpRanges", [])),
                     *(one["CidrIpv6"] for one in permission.get("Ipv6Ranges", [])),
                     *(one["PrefixListId"] for one in permission.get("PrefixListIds", [])),
                     *(one["GroupId"] for one in permission.get("UserIdGroupPairs", []))]
            for peer in peers:
                yield Rule(direction, permission["IpProtocol"], permission.get("FromPort", -1),
                           permission.get("ToPort", -1), peer)


def prefix_lists(settings: Settings, region: str) -> dict[str, str]:
    """Names of the AWS-managed prefix lists that the rules use, by what they stand for."""
    names = {"checkers": CHECKERS.format(region=region)}
    if settings.network.egress == "endpoints":
        names["s3"] = S3.format(region=region)
    if settings.network.admit_cloudfront:
        names["cloudfront"] = CLOUDFRONT
    return names


def wanted(settings: Settings, ids: Mapping[str, str], lists: Mapping[str, str]) -> dict[str, frozenset[Rule]]:
    """The rules by group; `ids` are group ids by purpose, `lists` prefix list ids by what they stand for.

    The balancer needs no way out: it invokes functions through Lambda's own network, not from its interfaces.
    CloudFront's list counts for 55 and the checkers' for 25 of a group's 60 rules (VPC User Guide, "AWS-managed prefix
    list weight"), so that CloudFront has a group of its own and is admitted on one port.
    """
    listener = HTTP if settings.tls.mode == "off" else HTTPS
    checkers = Rule("in", "tcp", listener, listener, lists["checkers"], "Route 53 health checkers")
    rules = {
        "balancer": {checkers, *_visitors(settings, listener)},
        "app": {Rule("out", "tcp", POSTGRESQL, POSTGRESQL, ids["database"], "database"), *_app_ways_out(ids, lists)},
        "database": {Rule("in", "tcp", POSTGRESQL, POSTGRESQL, ids["app"], "app")},
        "endpoints": {Rule("in", "tcp", HTTPS, HTTPS, ids["app"], "app")},
    }
    if "cloudfront" in lists:
        rules["cloudfront"] = {Rule("in", "tcp", listener, listener, lists["cloudfront"], "CloudFront")}
    return {purpose: frozenset(group) for purpose, group in rules.items()}


def _visitors(settings: Settings, listener: int) -> Iterator[Rule]:
    """Those who may use the app; port 80 is open beside 443 for the redirect."""
    network = settings.network
    cidrs = {str(cidr) for cidr in network.admit_cidrs} | ({WORLD} if network.open_to_the_world else set())
    if WORLD in cidrs and not network.open_to_the_world:
        raise ConfigurationError(f"network.admit_cidrs contains {WORLD}, but network.open_to_the_world is not true",
                                 next_step="say network.open_to_the_world: true if everybody is to reach the app")
    for cidr in cidrs:
        for port in {listener, HTTP}:
            yield Rule("in", "tcp", port, port, cidr, "admitted by network.admit_cidrs")


def _app_ways_out(ids: Mapping[str, str], lists: Mapping[str, str]) -> Iterator[Rule]:
    if "s3" not in lists:
        yield Rule("out", "tcp", HTTPS, HTTPS, WORLD, "AWS and the internet through NAT")
        return
    yield Rule("out", "tcp", HTTPS, HTTPS, ids["endpoints"], "AWS through interface endpoints")
    yield Rule("out", "tcp", HTTPS, HTTPS, lists["s3"], "S3 through its gateway endpoint")


def require_lists(found: Mapping[str, str], names: Mapping[str, str], region: str) -> None:
    """Raise Refused when the region lacks one of the prefix lists."""
    if absent := [name for what, name in names.items() if what not in found]:
        raise Refused(f"{region} has no AWS-managed prefix list {', '.join(absent)}")
