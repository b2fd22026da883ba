"""What Route 53's name servers answer for the lab's hosted zones, and what the names of load balancers resolve to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from moto.elbv2.models import FakeLoadBalancer
from moto.route53.models import FakeZone, RecordSet, route53_backends
from moto.route53.responses import Route53

from drctl.aws.durations import seconds
from drctl.lab import lost_zones
from drctl.lab.clock import CLOCK
from drctl.lab.front_doors import balancer_named, balancers, targets_healthy
from drctl.lab.health import is_healthy
from drctl.lab.rules import rule

#: What an alias to a load balancer, and its own name, are cached for (Route 53 Developer Guide, alias records).
BALANCER_TTL = 60
#: Networks for documentation (RFC 5737): nobody's addresses, one for each zone of each balancer.
NETWORKS = ("203.0.113", "198.51.100", "192.0.2")
ELB = "elb.amazonaws.com"
#: How often a name may point to another.
DEPTH = 8
_VERSIONS = "_lab_versions"


@dataclass(frozen=True)
class Line:
    """One resource record of an answer."""

    name: str
    type: str
    ttl: int
    value: str


@dataclass(frozen=True)
class Answer:
    """Response code, records, and the zone's SOA where there is nothing."""

    code: str
    lines: tuple[Line, ...] = ()
    authority: tuple[Line, ...] = ()


NOTHING_OF_OURS = Answer("REFUSED")


def answer(name: str, rtype: str, zone: FakeZone | None = None) -> Answer:
    """What an authoritative server says to a question; REFUSED for a name in none of the lab's zones.

    Names and response codes are those of RFC 1034 and RFC 2308: NXDOMAIN for a name that is not there, NOERROR
    without records for one that has none of the type.
    """
    asked = name.rstrip(".").lower()
    zone = zone or zone_of(asked)
    if zone is not None:
        return _in_zone(zone, asked, rtype, DEPTH)
    if not asked.endswith(f".{ELB}"):
        return NOTHING_OF_OURS
    balancer = balancer_named(asked)
    if balancer is None:
        return Answer("NXDOMAIN")
    return Answer("NOERROR", _balancer_lines(asked, balancer) if rtype == "A" else ())


def zones() -> Iterator[FakeZone]:
    """All public hosted zones of the lab."""
    for account in list(route53_backends.values()):
        for backend in list(account.values()):
            yield from (zone for zone in list(backend.zones.values()) if not zone.private_zone)


def zone_of(name: str) -> FakeZone | None:
    """The zone with the longest name that the name lies in; of several the first made, as if that were delegated."""
    fitting = [zone for zone in zones() if _lies_in(name, _plain(zone.name))]
    return max(fitting, key=lambda zone: len(zone.name), default=None)


def addresses(balancer: FakeLoadBalancer) -> tuple[str, ...]:
    """The balancer's public addresses, one for each of its subnets, the same for as long as it lives."""
    numbers = balancer.__dict__.get("_lab_addresses")
    if numbers is None:
        taken = {one for other in balancers() for one in other.__dict__.get("_lab_addresses", ())}
        free = (f"{network}.{host}" for network in NETWORKS for host in range(1, 255)
                if f"{network}.{host}" not in taken)
        numbers = tuple(next(free) for _ in balancer.subnets or [None])
        balancer.__dict__["_lab_addresses"] = numbers
    return tuple(numbers)


@rule("records-spread", Route53, "change_resource_record_sets")
def records_spread(proceed: Any, self: Route53) -> Any:
    """Name servers answer with the records as they were until a change is INSYNC.

    Source: Route 53 API Reference, ChangeResourceRecordSets and GetChange.
    """
    zone = self.backend.get_hosted_zone(self._get_param("HostedZoneId"))
    versions = zone.__dict__.setdefault(_VERSIONS, [(0.0, list(zone.rrsets))])
    done = proceed()
    versions.append((CLOCK.now() + seconds("record-change"), list(zone.rrsets)))
    return done


def visible(zone: FakeZone) -> list[RecordSet]:
    """The records that the name servers have by now."""
    versions = zone.__dict__.get(_VERSIONS)
    if not versions:
        return list(zone.rrsets)
    in_sync = [records for due, records in versions if due <= CLOCK.now()]
    del versions[:max(len(in_sync) - 1, 0)]
    return list(in_sync[-1] if in_sync else versions[0][1])


def _in_zone(zone: FakeZone, name: str, rtype: str, depth: int) -> Answer:
    records = visible(zone)
    known = {_plain(record.name) for record in records}
    owner = name if name in known else _wildcard(name, known)
    soa = tuple(line for record in records if record.type == "SOA" for line in _plain_lines(record, _plain(zone.name)))
    if owner is None:
        below = any(each.endswith(f".{name}") for each in known)
        return Answer("NOERROR" if below else "NXDOMAIN", (), soa)
    lines = _lines(zone, records, owner, name, rtype, depth)
    return Answer("NOERROR", lines, () if lines else soa)


def _wildcard(name: str, known: set[str]) -> str | None:
    labels = name.split(".")
    candidates = (".".join(["*", *labels[index:]]) for index in range(1, len(labels)))
    return next((each for each in candidates if each in known), None)


def _lines(zone: FakeZone, records: list[RecordSet], owner: str, name: str, rtype: str, depth: int) -> tuple[Line, ...]:  # noqa: PLR0913, PLR0917, RUF100  # one question and where it stands
    mine = [record for record in records if _plain(record.name) == owner]
    chosen = _chosen(zone, [record for record in mine if record.type == rtype])
    if chosen or rtype == "CNAME":
        return tuple(line for record in chosen for line in _record_lines(zone, record, name, rtype, depth))
    renamed = [line for record in _chosen(zone, [one for one in mine if one.type == "CNAME"])
               for line in _plain_lines(record, name)]
    further = [line for line in renamed if depth for line in _elsewhere(line.value, rtype, depth - 1)]
    return (*renamed, *further)


def _elsewhere(name: str, rtype: str, depth: int) -> tuple[Line, ...]:
    """What follows a CNAME, where this server knows the name."""
    zone = zone_of(_plain(name))
    return (_in_zone(zone, _plain(name), rtype, depth) if zone else answer(name, rtype)).lines


def _record_lines(zone: FakeZone, record: RecordSet, name: str, rtype: str, depth: int) -> tuple[Line, ...]:
    target = record.alias_target
    if not target:
        return _plain_lines(record, name)
    if balancer := balancer_named(target["DNSName"]):
        return _balancer_lines(name, balancer) if rtype == "A" else ()
    found = _in_zone(zone, _plain(target["DNSName"]), rtype, depth - 1).lines if depth else ()
    return tuple(Line(name, line.type, line.ttl, line.value) for line in found)


def _plain_lines(record: RecordSet, name: str) -> tuple[Line, ...]:
    values = [value["Value"] if isinstance(value, dict) else value for value in record.records or []]
    return tuple(Line(name, str(record.type), int(record.ttl or 0), value) for value in values)


def _balancer_lines(name: str, balancer: FakeLoadBalancer) -> tuple[Line, ...]:
    return tuple(Line(name, "A", BALANCER_TTL, one) for one in lost_zones.answering(balancer, addresses(balancer)))


def _chosen(zone: FakeZone, records: list[RecordSet]) -> list[RecordSet]:
    """The record that routing chooses; the primary when nothing is healthy.

    Source: Route 53 Developer Guide, "How Amazon Route 53 chooses records when health checking is configured".
    """
    order = sorted(records, key=lambda record: (record.failover == "SECONDARY", -int(record.weight or 0)))
    if len(order) < 2:
        return order
    healthy = (record for record in order if record_is_healthy(zone, record))
    if any(record.multi_value_answer for record in order):
        return (list(healthy) or order)[:8]
    return [next(healthy, order[0])]


def record_is_healthy(zone: FakeZone, record: RecordSet) -> bool:
    """Whether its health check, if it has one, and its target, if that is to be evaluated, are both healthy."""
    if record.health_check_id and not is_healthy(record.health_check_id):
        return False
    target = record.alias_target or {}
    if str(target.get("EvaluateTargetHealth")).lower() != "true":
        return True
    if balancer := balancer_named(target["DNSName"]):
        return targets_healthy(balancer)
    behind = [one for one in visible(zone) if _plain(one.name) == _plain(target["DNSName"]) and one.type == record.type]
    return any(record_is_healthy(zone, one) for one in behind if one is not record)


def _plain(name: str) -> str:
    return name.rstrip(".").lower().replace("\\052", "*")


def _lies_in(name: str, zone_name: str) -> bool:
    return name == zone_name or name.endswith(f".{zone_name}")
