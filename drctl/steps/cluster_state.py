"""An Aurora cluster as DescribeDBClusters shows it, and which of its states lead nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from drctl.aws.tags import as_map
from drctl.steps.log_group import LogGroup

#: States from which nothing comes back by itself (Aurora User Guide, "Viewing DB cluster status").
DEAD_ENDS = ("inaccessible-encryption-credentials", "incompatible-", "failed", "cloning-failed", "migration-failed",
             "restore-failed", "restore-error", "storage-full", "insufficient-capacity")
#: Tag of a cluster that says which generation of the secret its password is.
CREDENTIALS_TAG = "drctl:credentials"


@dataclass(frozen=True)
class ClusterOut:
    """A cluster as it stands; `endpoint` accepts writes only while this cluster is the writer."""

    id: str
    arn: str
    endpoint: str
    reader_endpoint: str
    port: int
    resource_id: str
    status: str
    engine_version: str
    key: str
    database: str
    username: str
    writer_instance: str | None
    #: Secret that the password was last taken from, see `SecretOut.generation`.
    credentials: str
    settings: Mapping[str, Any]
    #: Settings that AWS has accepted and not made yet, under the names of ModifyDBCluster.
    pending: frozenset[str]
    #: Where RDS writes the database's log.
    logs: LogGroup | None
    #: Up to when it can be restored; None before its first backup. It goes on by itself: no difference of the cluster.
    restorable_to: datetime | None = field(default=None, compare=False)


def dead_end(status: str) -> str | None:
    """Why a status cannot lead to `available` any more, None when it can."""
    if not status.startswith(DEAD_ENDS):
        return None
    return f"it is {status}, which needs a person (Aurora User Guide, viewing DB cluster status; see its events)"


def out_of(seen: Any, logs: LogGroup | None) -> ClusterOut:
    """A cluster as DescribeDBClusters shows it; settings under the names that ModifyDBCluster gives them."""
    writer = next((one["DBInstanceIdentifier"] for one in seen.get("DBClusterMembers", [])
                   if one.get("IsClusterWriter")), None)
    scaling = seen.get("ServerlessV2ScalingConfiguration") or {}
    pending = seen.get("PendingModifiedValues") or {}
    settings = {
        "BackupRetentionPeriod": pending.get("BackupRetentionPeriod", seen.get("BackupRetentionPeriod")),
        "CopyTagsToSnapshot": bool(seen.get("CopyTagsToSnapshot")),
        "DeletionProtection": bool(seen.get("DeletionProtection")),
        "DBClusterParameterGroupName": seen.get("DBClusterParameterGroup", ""),
        "VpcSecurityGroupIds": [group["VpcSecurityGroupId"] for group in seen.get("VpcSecurityGroups", [])],
        "ServerlessV2ScalingConfiguration": {name: scaling.get(name) for name in ("MinCapacity", "MaxCapacity")},
        "logs": tuple(seen.get("EnabledCloudwatchLogsExports", [])),
    }
    return ClusterOut(
        seen["DBClusterIdentifier"], seen["DBClusterArn"], _endpoint(seen), seen.get("ReaderEndpoint", ""),
        int(seen.get("Port", 5432)), seen.get("DbClusterResourceId", ""), seen["Status"],
        seen.get("EngineVersion", ""), seen.get("KmsKeyId", ""), seen.get("DatabaseName", ""),
        seen.get("MasterUsername", ""), writer, as_map(seen.get("TagList")).get(CREDENTIALS_TAG, ""), settings,
        frozenset(pending), logs, seen.get("LatestRestorableTime"))


def _endpoint(seen: Any) -> str:
    """The cluster endpoint, which a secondary may not show although it has the name (Terraform provider: the endpoint
    of a secondary is empty; Aurora User Guide, "Connecting to Amazon Aurora Global Database": it is inactive there).

    Both endpoints differ in `ro-` alone, so that the name is the same whichever role the cluster has.
    """
    return seen.get("Endpoint") or str(seen.get("ReaderEndpoint", "")).replace(".cluster-ro-", ".cluster-", 1)
