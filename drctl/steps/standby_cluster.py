"""The Aurora cluster in the standby region: a copy of the database by storage replication, ready to take over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.steps.cluster import Cluster
from drctl.steps.database_groups import DatabaseGroups
from drctl.steps.database_instances import DatabaseInstances
from drctl.steps.global_cluster import GlobalCluster, GlobalClusterOut
from drctl.steps.key import Key
from drctl.steps.primary_cluster import PrimaryCluster
from drctl.steps.security_groups import SecurityGroups


@dataclass(frozen=True, eq=False)
class StandbyCluster(Cluster):
    """The second member of the global cluster; it needs a running writer instance in the other region to copy from."""

    waits = ("secondary-create",)

    global_cluster: GlobalCluster
    primary: PrimaryCluster
    writer: DatabaseInstances
    groups: DatabaseGroups
    security: SecurityGroups
    encryption_key: Key

    def origin(self, run: Run, members: GlobalClusterOut) -> dict[str, Any]:
        """The writer's region: the SDK signs a request to it, which encrypted copies need; user, password and
        database come by replication (RDS API Reference, CreateDBCluster).
        """
        if members.writer is None:
            raise Refused(f"global cluster {members.id} has no writer to copy from", next_step="drctl provision")
        return {"SourceRegion": members.writer}
