"""Route 53 records: batches that hold or fail as a whole, and changes that take their time to reach every server."""

from __future__ import annotations

from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.moto_api._internal import mock_random
from moto.route53.exceptions import Route53ClientError
from moto.route53.models import FakeZone, RecordSet, Route53Backend, route53_backends
from moto.route53.responses import Route53
from moto.route53.utils import validate_domain_name

from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK
from drctl.lab.rules import rule, take


def is_in_sync(change_id: str) -> bool:
    """Whether a change (with or without `/change/`) has reached every DNS server; KeyError for an unknown one."""
    due: float = _changes(route53_backends[DEFAULT_ACCOUNT_ID]["aws"])[change_id.replace("/change/", "")]
    return bool(CLOCK.now() >= due)


def _changes(backend: Route53Backend) -> dict[str, float]:
    changes: dict[str, float] = backend.__dict__.setdefault("_lab_changes", {})
    return changes


def _status(backend: Route53Backend, change_id: str) -> dict[str, Any]:
    in_sync = CLOCK.now() >= _changes(backend)[change_id]
    return {"Id": f"/change/{change_id}", "Status": "INSYNC" if in_sync else "PENDING", "SubmittedAt": utcnow()}


@rule("change-pending", Route53, "change_resource_record_sets", "create_hosted_zone", "delete_hosted_zone")
def change_pending(proceed: Any, self: Route53) -> Any:
    """Every change has an id of its own and is PENDING until all servers have it.

    Source: Route 53 API Reference, GetChange.
    """
    answer = proceed()
    change_id = "C" + mock_random.get_random_hex(13).upper()
    _changes(self.backend)[change_id] = CLOCK.now() + seconds("record-change")
    answer.result["ChangeInfo"] = _status(self.backend, change_id)
    return answer


@rule("change-status", Route53, "get_change")
def change_status(_proceed: Any, self: Route53) -> Any:
    """A change is asked for by its id; an unknown one is NoSuchChange.

    Source: Route 53 API Reference, GetChange.
    """
    change_id = str(self._get_param("Id")).replace("/change/", "")
    if change_id not in _changes(self.backend):
        raise Route53ClientError("NoSuchChange", f"Could not find resource with ID: {change_id}")
    return ActionResult({"ChangeInfo": _status(self.backend, change_id)})


@rule("zone-reference", Route53Backend, "create_hosted_zone")
def zone_reference(proceed: Any, self: Route53Backend, *args: Any, **kwargs: Any) -> Any:
    """A caller reference makes one zone, ever: HostedZoneAlreadyExists. A new one makes a second zone of that name.

    Source: Route 53 API Reference, CreateHostedZone.
    """
    used: set[str] = self.__dict__.setdefault("_lab_zone_references", set())
    reference = kwargs.get("caller_reference")
    if reference in used:
        raise Route53ClientError("HostedZoneAlreadyExists",
                                 "A hosted zone has already been created with the specified caller reference.")
    zone = proceed(*args, **kwargs)
    if reference:
        used.add(reference)
    return zone


@rule("change-batch", Route53Backend, "change_resource_record_sets")
def change_batch(_proceed: Any, self: Route53Backend, zoneid: str, change_list: list[dict[str, Any]]) -> None:
    """A batch holds as a whole or is refused with InvalidChangeBatch, which tells every reason.

    CREATE needs that nothing is there, DELETE the exact values.
    Source: Route 53 API Reference, ChangeResourceRecordSets.
    """
    zone = self.get_hosted_zone(zoneid)
    records, reasons = list(zone.rrsets), []
    for change in change_list:
        record = _record(change["ResourceRecordSet"])
        reason = _not_allowed(zone, record) or _apply(change["Action"], record, records)
        reasons += [reason] if reason else []
    reasons = reasons or [reason for reason in map(_conflict, _sets_of(records)) if reason]
    if reasons:
        raise Route53ClientError("InvalidChangeBatch", f"[{', '.join(reasons)}]")
    zone.rrsets = records


def _record(given: dict[str, Any]) -> RecordSet:
    validate_domain_name(given["Name"], code="InvalidChangeBatch")
    values = [value["Value"] for value in given.get("ResourceRecords") or []]
    record = RecordSet({**given, "Name": _name(given["Name"]), "ResourceRecords": values})
    take(record, seconds("record-change"))
    return record


def _name(name: str) -> str:
    """As Route 53 gives names back: lower case, a dot at the end, the asterisk escaped."""
    return name.lower().strip(".").replace("*", "\\052") + "."


def _title(record: RecordSet) -> str:
    identifier = f", set identifier='{record.set_identifier}'" if record.set_identifier else ""
    return f"resource record set [name='{record.name}', type='{record.type}'{identifier}]"


def _key(record: RecordSet) -> tuple[str, str, str | None]:
    return _name(record.name), str(record.type), record.set_identifier


def _values(record: RecordSet) -> list[str]:
    """What a DELETE must repeat exactly."""
    alias = {key: str(value).lower().rstrip(".") for key, value in (record.alias_target or {}).items()}
    plain = (record.ttl, record.weight, record.region, record.failover, record.health_check_id, record.geo_location,
             record.multi_value_answer)
    return [*map(str, plain), str(sorted(record.records)), str(sorted(alias.items()))]


def _apply(action: str, record: RecordSet, records: list[RecordSet]) -> str | None:
    """Carry one change out on the list of records; the reason when it cannot be."""
    known = next((index for index, old in enumerate(records) if _key(old) == _key(record)), None)
    if action == "CREATE" and known is not None:
        return f"Tried to create {_title(record)} but it already exists"
    if action != "DELETE":
        records[known if known is not None else len(records):] = [
            record, *(records[known + 1:] if known is not None else [])]
        return None
    if known is None:
        return f"Tried to delete {_title(record)} but it was not found"
    if _values(records[known]) != _values(record):
        return f"Tried to delete {_title(record)} but the values provided do not match the current values"
    del records[known]
    return None


def _not_allowed(zone: FakeZone, record: RecordSet) -> str | None:
    """What a record by itself may not be."""
    apex = _name(zone.name)
    if record.name != apex and not record.name.endswith(f".{apex}"):
        return f"RRSet with DNS name {record.name} is not permitted in zone {apex}"
    return None


def _sets_of(records: list[RecordSet]) -> list[list[RecordSet]]:
    """All records of a name, for each name."""
    names: dict[str, list[RecordSet]] = {}
    for record in records:
        names.setdefault(_name(record.name), []).append(record)
    return list(names.values())


def _conflict(records: list[RecordSet]) -> str | None:
    """What records of one name may not be together."""
    types = {record.type for record in records}
    if "CNAME" in types and len(types) > 1:
        return (f"RRSet of type CNAME with DNS name {records[0].name} is not permitted as it conflicts with other "
                "records with the same DNS name in the zone")
    for kind in types:
        alike = [record for record in records if record.type == kind]
        if len(alike) > 1 and any(record.set_identifier is None for record in alike):
            return f"{_title(alike[-1])} cannot be created as a non-simple record with that name and type exists"
        roles = [record.failover for record in alike if record.failover]
        if len(roles) != len(set(roles)):
            return f"{_title(alike[-1])} cannot be created: there is one PRIMARY and one SECONDARY for a name and type"
    return None
