"""Changes to a hosted zone's records: one atomic batch, and done when every name server of Route 53 knows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drctl.aws.errors import Refusal
from drctl.engine.run import Run
from drctl.engine.waiting import minutes

#: A zone takes one change at a time, and is unknown to some hosts for a minute (Terraform provider).
NOT_YET = (Refusal("PriorRequestNotComplete"), Refusal("NoSuchHostedZone"), Refusal("Throttling"))


def upsert(record: dict[str, Any]) -> dict[str, Any]:
    """Make the record, or make it so."""
    return {"Action": "UPSERT", "ResourceRecordSet": record}


def delete(record: dict[str, Any]) -> dict[str, Any]:
    """Remove the record; Route 53 wants it told exactly as it stands."""
    return {"Action": "DELETE", "ResourceRecordSet": record}


def change(run: Run, region: str, zone_id: str, changes: Sequence[Any]) -> None:
    """Change records and wait until the change is in sync everywhere (30 min; Terraform provider)."""
    route53 = run.at(region).route53
    batch: Any = {"Comment": "drctl", "Changes": list(changes)}
    made = run.retry(f"zone {zone_id} takes a change", lambda: route53.change_resource_record_sets(
        HostedZoneId=zone_id, ChangeBatch=batch), NOT_YET, within=minutes(5))
    await_sync(run, region, made["ChangeInfo"]["Id"])


def await_sync(run: Run, region: str, change_id: str) -> None:
    """Wait until a change is known to all name servers; usually within a minute."""
    route53, short = run.at(region).route53, change_id.removeprefix("/change/")
    run.wait_until("the change is known to all name servers",
                   lambda: route53.get_change(Id=short)["ChangeInfo"]["Status"],
                   lambda status: status == "INSYNC", within=minutes(30), every=20)


def plain(name: str) -> str:
    """A record's name as people write it: Route 53 adds a final dot and writes an asterisk in octal."""
    return name.rstrip(".").replace("\\052", "*").lower()
