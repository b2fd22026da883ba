"""The failover records of the application's name: the primary balancer while its health says so, else the standby's.

The secondary follows the standby's own check: when both are unhealthy Route 53 answers with the primary, so that users
leave a standby whose app is dead, turned switch or not. Neither evaluates its target's health: users follow when the
checks say so, not when the balancer does by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.errors import NotOurs
from drctl.steps.balancer import Balancer
from drctl.steps.health_checks import HealthChecks
from drctl.steps.record_changes import change, delete, plain, upsert
from drctl.steps.zone import Zone


@dataclass(frozen=True)
class RecordsOut:
    """The records as they stand; `values` are the names they answer with, primary first."""

    name: str
    values: tuple[str, ...]
    records: dict[str, Any]


@dataclass(frozen=True, eq=False)
class FailoverRecords(Step[RecordsOut]):
    """Two alias records of one name, found by their set identifiers, which say whose they are."""

    waits = ("record-change",)
    waits_to_change = ("record-change",)

    zone: Zone
    checks: HealthChecks
    primary_balancer: Balancer
    standby_balancer: Balancer

    def _identifier(self, run: Run, role: str) -> str:
        return f"drctl-{run.settings.environment}-{role}"

    def find(self, run: Run) -> RecordsOut | None:
        there = self._there(run)
        own = {role: there.get(self._identifier(run, role)) for role in ("primary", "standby")}
        if not all(own.values()):
            return None
        return RecordsOut(run.settings.dns.name, tuple(_target(record) for record in own.values()), own)

    def _there(self, run: Run, kind: Literal["A", "CNAME"] = "A") -> dict[str, Any]:
        """All records of the name and of that type by set identifier (empty for a simple record)."""
        zone, name = run.found(self.zone), run.settings.dns.name
        if zone is None:
            return {}
        answer = run.at(self.region).route53.list_resource_record_sets(
            HostedZoneId=zone.id, StartRecordName=name, StartRecordType=kind, MaxItems="10")
        return {record.get("SetIdentifier", ""): record for record in answer["ResourceRecordSets"]
                if plain(record["Name"]) == plain(name) and record["Type"] == kind}

    def _wanted(self, run: Run, role: str) -> dict[str, Any]:
        balancer = run.output(self.primary_balancer if role == "primary" else self.standby_balancer)
        checks = run.output(self.checks)
        return {
            "Name": run.settings.dns.name, "Type": "A", "SetIdentifier": self._identifier(run, role),
            "Failover": "PRIMARY" if role == "primary" else "SECONDARY",
            "HealthCheckId": checks.combined if role == "primary" else checks.standby_app,
            "AliasTarget": {"HostedZoneId": balancer.zone_id, "DNSName": f"dualstack.{balancer.dns_name}",
                            "EvaluateTargetHealth": False}}

    def ensure(self, run: Run) -> RecordsOut:
        stands = run.found(self)
        if stands is not None and not any(True for _ in self.verify(run, stands)):
            return stands
        there = self._there(run)
        self._refuse_foreign(run, there)
        changes = [upsert(self._wanted(run, role)) for role in ("primary", "standby")
                   if _plain(there.get(self._identifier(run, role))) != _plain(self._wanted(run, role))]
        if changes:
            self._refuse_canonical(run)
            change(run, self.region, run.output(self.zone).id, changes)
        run.forget(self)
        return run.output(self)

    def _refuse_foreign(self, run: Run, there: dict[str, Any]) -> None:
        own = {self._identifier(run, role) for role in ("primary", "standby")}
        if foreign := sorted(set(there) - own):
            raise NotOurs(f"{run.settings.dns.name} has an address record that is not this stack's"
                          f"{f' ({foreign[0]})' if foreign[0] else ''}: it is not replaced",
                          next_step="remove the record, or choose another dns.record")

    def _refuse_canonical(self, run: Run) -> None:
        """A CNAME lets no other record of its name be (Route 53 Developer Guide, "Supported DNS record types")."""
        for record in self._there(run, "CNAME").values():
            raise NotOurs(f"{run.settings.dns.name} is a CNAME, kept for {record.get('TTL')} s by resolvers, that is "
                          "not this stack's: it is not replaced",
                          next_step="remove the record, or choose another dns.record")

    def verify(self, run: Run, out: RecordsOut) -> Iterable[Finding]:
        for role, record in out.records.items():
            wanted, seen = _plain(self._wanted(run, role)), _plain(record)
            for key in sorted(wanted.keys() | seen.keys()):
                if wanted.get(key) != seen.get(key):
                    yield Finding(f"the {role} record of {out.name}: {key} is {seen.get(key)}, not {wanted.get(key)}")

    def destroy(self, run: Run) -> None:
        zone = run.found(self.zone)
        own = {self._identifier(run, role) for role in ("primary", "standby")}
        records = [record for identifier, record in self._there(run).items() if identifier in own]
        if zone is not None and records:
            change(run, self.region, zone.id, [delete(record) for record in records])

    def resources(self, out: RecordsOut) -> Iterable[Resource]:
        for role, record in out.records.items():
            yield Resource("route53:record", f"{out.name} {record['Type']} {role}", "global")


def _target(record: Any) -> str:
    return plain(record.get("AliasTarget", {}).get("DNSName", "")).removeprefix("dualstack.")


def _plain(record: Any) -> dict[str, Any]:
    """A record in one flat spelling: what Route 53 gives back has final dots and lower case."""
    if record is None:
        return {}
    alias = record.get("AliasTarget", {})
    flat = {key: record[key] for key in ("Type", "SetIdentifier", "Failover", "HealthCheckId", "TTL") if key in record}
    return flat | {"target": _target(record), "zone": alias.get("HostedZoneId"),
                   "evaluates": alias.get("EvaluateTargetHealth")}
