"""Copies of secrets: unknown in their region until they are in sync, and removed from replication after a moment."""

from __future__ import annotations

from functools import partial
from typing import Any

from moto.secretsmanager.exceptions import SecretNotFoundException
from moto.secretsmanager.models import FakeSecret, ReplicaSecret, SecretsManagerBackend

from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK
from drctl.lab.rules import is_due, rule


@rule("secret-replica-unknown", SecretsManagerBackend, "get_secret_value", "describe_secret")
def replica_unknown(proceed: Any, self: SecretsManagerBackend, secret_id: str, *args: Any, **kwargs: Any) -> Any:
    """Until a copy is in sync its region does not know it: ResourceNotFoundException.

    Source: Secrets Manager User Guide, Replicate AWS Secrets Manager secrets across Regions.
    """
    secret = self.secrets.get(secret_id)
    if isinstance(secret, ReplicaSecret) and not is_due(secret):
        raise SecretNotFoundException
    return proceed(secret_id, *args, **kwargs)


@rule("secret-replica-leaving", SecretsManagerBackend, "remove_regions_from_replication")
def replica_leaving(proceed: Any, self: SecretsManagerBackend, secret_id: str, replica_regions: list[str]) -> Any:
    """A copy is gone in its region at once and in the list of copies a moment later; until then the secret stays.

    Source: Secrets Manager API Reference, RemoveRegionsFromReplication.
    """
    secret = self.secrets.get(secret_id)
    if not isinstance(secret, FakeSecret):
        return proceed(secret_id, replica_regions)
    before = list(secret.replicas)
    answer = proceed(secret_id, replica_regions)
    leaving = [replica for replica in before if replica not in secret.replicas]
    secret.replicas.extend(leaving)
    for replica in leaving:
        replica.config = {**replica.config, "Status": "InProgress", "StatusMessage": ""}
        replica.status = "InProgress"
        CLOCK.after(seconds("secret-replicate"), partial(_forget, secret, replica))
    return answer[0], [replica.config for replica in secret.replicas]


def _forget(secret: FakeSecret, replica: ReplicaSecret) -> None:
    if replica in secret.replicas:
        secret.replicas.remove(replica)
