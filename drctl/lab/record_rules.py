"""What a record by itself must say: values as its type wants them, who may be its alias, what a failover needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from moto.route53.exceptions import InvalidChangeBatch, NoSuchHealthCheck, Route53ClientError
from moto.route53.models import Route53Backend

from drctl.lab import records  # noqa: F401  # its rules come first, so that these are asked before them
from drctl.lab.balancer_zones import ZONE_IDS
from drctl.lab.rules import rule

Record = dict[str, Any]
#: Characters of all values of a batch together; an UPSERT counts twice (Route 53 Developer Guide, Quotas).
CHARACTERS = 32_000


def _given(changes: list[dict[str, Any]]) -> Iterator[Record]:
    """The records that a batch creates or changes."""
    yield from (change["ResourceRecordSet"] for change in changes if change["Action"] != "DELETE")


def _refuse(reasons: list[str]) -> None:
    if reasons:
        raise Route53ClientError("InvalidChangeBatch", f"[{', '.join(reasons)}]")


def _title(record: Record) -> str:
    name = record["Name"].rstrip(".").lower()
    identifier = f", set identifier='{record['SetIdentifier']}'" if record.get("SetIdentifier") else ""
    return f"resource record set [name='{name}.', type='{record['Type']}'{identifier}]"


@rule("record-health-check", Route53Backend, "change_resource_record_sets")
def record_health_check(proceed: Any, self: Route53Backend, zoneid: str, change_list: list[dict[str, Any]]) -> Any:
    """The health check that a record names must exist.

    Refuses with NoSuchHealthCheck. Source: Route 53 API Reference, ChangeResourceRecordSets.
    """
    for record in _given(change_list):
        if record.get("HealthCheckId") and record["HealthCheckId"] not in self.health_checks:
            raise NoSuchHealthCheck(record["HealthCheckId"])
    return proceed(zoneid, change_list)


@rule("record-one-target", Route53Backend, "change_resource_record_sets")
def record_one_target(proceed: Any, _self: Route53Backend, zoneid: str, change_list: list[dict[str, Any]]) -> Any:
    """A record has either an alias target, or values and a TTL.

    Refuses with InvalidInput. Source: Route 53 API Reference, ResourceRecordSet.
    """
    for record in _given(change_list):
        plain = bool(record.get("ResourceRecords")), record.get("TTL") is not None
        if plain not in {(True, True), (False, False)} or plain[0] == bool(record.get("AliasTarget")):
            raise Route53ClientError(
                "InvalidInput", "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and "
                f"ResourceRecords], or TrafficPolicyInstanceId], but found {'more' if any(plain) else 'none'} in "
                f"Change with [Name={record['Name']}, Type={record['Type']}]")
    return proceed(zoneid, change_list)


@rule("record-routing", Route53Backend, "change_resource_record_sets")
def record_routing(proceed: Any, _self: Route53Backend, zoneid: str, change_list: list[dict[str, Any]]) -> Any:
    """A routing policy needs a set identifier, and a set identifier needs a routing policy.

    Refuses with InvalidInput. Source: Route 53 API Reference, ResourceRecordSet: SetIdentifier.
    """
    policies = ("Failover", "Weight", "Region", "GeoLocation", "MultiValueAnswer")
    for record in _given(change_list):
        routed = any(record.get(policy) is not None for policy in policies)
        if routed != bool(record.get("SetIdentifier")):
            missing = "SetIdentifier" if routed else "Weight, Region, GeoLocation, MultiValueAnswer or Failover"
            raise Route53ClientError("InvalidInput", f"Invalid request: Missing field '{missing}' in Change with "
                                     f"[Name={record['Name']}, Type={record['Type']}]")
    return proceed(zoneid, change_list)


@rule("record-primary-checked", Route53Backend, "change_resource_record_sets")
def record_primary_checked(proceed: Any, _self: Route53Backend, zoneid: str, change_list: list[dict[str, Any]]) -> Any:
    """A primary record that is not an alias needs a health check.

    Refuses with InvalidChangeBatch. Source: Route 53 Developer Guide, Values specific for failover records.
    """
    _refuse(["A non-alias primary ResourceRecordSet must have an associated health check."
             for record in _given(change_list) if record.get("Failover") == "PRIMARY"
             and not record.get("AliasTarget") and not record.get("HealthCheckId")])
    return proceed(zoneid, change_list)


@rule("record-apex", Route53Backend, "change_resource_record_sets")
def record_apex(proceed: Any, self: Route53Backend, zoneid: str, change_list: list[dict[str, Any]]) -> Any:
    """The zone's own name cannot be a CNAME.

    Refuses with InvalidChangeBatch. Source: Route 53 Developer Guide, Supported DNS record types.
    """
    apex = self.get_hosted_zone(zoneid).name.strip(".").lower()
    _refuse([f"RRSet of type CNAME with DNS name {apex}. is not permitted at apex in zone {apex}."
             for record in _given(change_list)
             if record["Type"] == "CNAME" and record["Name"].strip(".").lower() == apex])
    return proceed(zoneid, change_list)


@rule("record-alias-zone", Route53Backend, "change_resource_record_sets")
def record_alias_zone(proceed: Any, _self: Route53Backend, zoneid: str, change_list: list[dict[str, Any]]) -> Any:
    """An alias to a balancer names the hosted zone of the balancer's region.

    Refuses with InvalidChangeBatch. Source: Route 53 API Reference, AliasTarget: HostedZoneId.
    """
    _refuse([f"Tried to create an alias that targets {target['DNSName'].rstrip('.')}., type {record['Type']} in zone "
             f"{target.get('HostedZoneId')}, but the alias target name does not lie within the target zone"
             for record in _given(change_list) for target in [record.get("AliasTarget") or {"DNSName": ""}]
             if _region(target) and ZONE_IDS.get(_region(target)) != target.get("HostedZoneId")])
    return proceed(zoneid, change_list)


def _region(target: dict[str, Any]) -> str:
    """The region of a balancer's name; empty for other names."""
    name = str(target["DNSName"]).rstrip(".").lower()
    return name.split(".")[-4] if name.endswith(".elb.amazonaws.com") else ""


@rule("record-batch-size", Route53Backend, "change_resource_record_sets")
def record_batch_size(proceed: Any, _self: Route53Backend, zoneid: str, change_list: list[dict[str, Any]]) -> Any:
    """The values of a batch have 32,000 characters at most; an UPSERT's count twice.

    Refuses with InvalidChangeBatch. Source: Route 53 Developer Guide, Quotas.
    """
    length = sum(len(value["Value"]) * (2 if change["Action"] == "UPSERT" else 1) for change in change_list
                 for value in change["ResourceRecordSet"].get("ResourceRecords") or ())
    if length > CHARACTERS:
        raise Route53ClientError(InvalidChangeBatch().code, f"Number of characters limit of {CHARACTERS} exceeded.")
    return proceed(zoneid, change_list)


@rule("record-values", Route53Backend, "change_resource_record_sets")
def record_values(proceed: Any, _self: Route53Backend, zoneid: str, change_list: list[dict[str, Any]]) -> Any:
    """A value has the form of its type: addresses, one name in a CNAME, quoted texts of 255 characters at most.

    Refuses with InvalidChangeBatch. Source: Route 53 Developer Guide, Supported DNS record types.
    """
    _refuse([f"Invalid Resource Record: '{wrong}'" for record in _given(change_list) for wrong in _wrong(record)])
    return proceed(zoneid, change_list)


def _wrong(record: Record) -> Iterator[str]:
    values = [str(value["Value"]) for value in record.get("ResourceRecords") or ()]
    if record["Type"] == "CNAME" and len(values) > 1:
        yield f"FATAL problem: InvalidCNAME (only one value is allowed) in {_title(record)}"
    for value in values:
        form = FORMS.get(record["Type"])
        if form and (reason := form(value)):
            yield f"FATAL problem: {reason} encountered with '{value}'"


def _address(kind: type[IPv4Address] | type[IPv6Address], reason: str) -> Callable[[str], str | None]:
    def wrong(value: str) -> str | None:
        try:
            kind(value)
        except ValueError:
            return reason
        return None

    return wrong


def _text(value: str) -> str | None:
    if not re.fullmatch(r'("(?:[^"\\]|\\.)*")(\s+"(?:[^"\\]|\\.)*")*', value):
        return "InvalidCharacterString (Value should be enclosed in quotation marks)"
    if any(len(part) - 2 > 255 for part in re.findall(r'"(?:[^"\\]|\\.)*"', value)):
        return "CharacterStringTooLong (Value is too long)"
    return None


FORMS: dict[str, Callable[[str], str | None]] = {
    "A": _address(IPv4Address, "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"),
    "AAAA": _address(IPv6Address, "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"),
    "TXT": _text}
