"""Secrets Manager as AWS has it where moto differs: a copy has a key of its own and takes a moment."""

from __future__ import annotations

from typing import Any

from moto.secretsmanager.models import FakeSecret, ReplicaSecret

from drctl.aws.durations import seconds
from drctl.lab.rules import SWITCHED_OFF, is_due, rule, take


@rule("secret-replica-key", FakeSecret, "create_replicas")
def replica_key(proceed: Any, self: FakeSecret, replica_regions: list[dict[str, str]], force_overwrite: bool) -> Any:
    """A copy is encrypted with the key named for its region, takes a moment to be in sync, and may be asked for again.

    Source: Secrets Manager API Reference, ReplicaRegionType and ReplicationStatusType.
    """
    replicas = proceed(replica_regions, force_overwrite)
    again = {asked["Region"] for asked in replica_regions or []}
    if before := getattr(self, "replicas", []):
        before[:] = [replica for replica in before if replica.region not in again]
    for asked, replica in zip(replica_regions or [], replicas, strict=True):
        replica.config["KmsKeyId"] = asked.get("KmsKeyId", replica.config["KmsKeyId"])
        take(replica, seconds("secret-replicate"))
    return replicas


class _Config:
    """The status of a copy: InProgress until it is due."""

    def __get__(self, replica: ReplicaSecret, _: Any) -> dict[str, str]:
        config: dict[str, str] = replica.__dict__["config"]
        if replica.status != "InSync" or "secret-replica-key" in SWITCHED_OFF or is_due(replica):
            return config
        return {**config, "Status": "InProgress", "StatusMessage": ""}

    def __set__(self, replica: ReplicaSecret, config: dict[str, str]) -> None:
        replica.__dict__["config"] = config


setattr(ReplicaSecret, "config", _Config())  # noqa: B010  # moto's class has a plain attribute of that name
