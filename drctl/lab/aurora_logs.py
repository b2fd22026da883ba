"""What a database writes into CloudWatch Logs: the group comes with the first instance, unless it is there."""

from __future__ import annotations

from moto.logs.models import logs_backends
from moto.rds.models import DBCluster


def export(cluster: DBCluster) -> None:
    """RDS makes the log group of every exported log itself, without tags, retention or key; nobody deletes it.

    Source: Aurora User Guide, Publishing Aurora PostgreSQL logs to Amazon CloudWatch Logs
    """
    logs = logs_backends[cluster.account_id][cluster.region]
    for kind in cluster.enabled_cloudwatch_logs_exports:
        logs.ensure_log_group(f"/aws/rds/cluster/{cluster.db_cluster_identifier}/{kind}")
