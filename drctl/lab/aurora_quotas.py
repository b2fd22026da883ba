"""How much of RDS one account may have in one Region, before somebody asks for more.

Source of every figure: Aurora User Guide, Quotas and constraints for Amazon Aurora.
"""

from __future__ import annotations

from typing import Any

from moto.rds.models import RDSBackend
from moto.rds.responses import RDSResponse

from drctl.lab.aurora_states import check, fault

#: Defaults in one Region; a test or a drill may lower them.
QUOTAS = {"clusters": 40, "instances": 40, "subnet groups": 50, "parameter groups": 50, "snapshots": 100}


@check("cluster-quota", RDSBackend, "create_db_cluster")
def forty_clusters(self: RDSBackend, _kwargs: Any) -> None:
    """A Region has 40 DB clusters at most: otherwise DBClusterQuotaExceededFault.

    Source: Aurora User Guide, Quotas in Amazon Aurora; RDS API Reference, CreateDBCluster
    """
    if len(self.clusters) >= QUOTAS["clusters"]:
        raise fault("DBClusterQuotaExceededFault", "You cannot have more than the allowed number of DB clusters.")


@check("instance-quota", RDSBackend, "create_db_instance")
def forty_instances(self: RDSBackend, _db_kwargs: Any) -> None:
    """A Region has 40 DB instances at most: otherwise InstanceQuotaExceeded.

    Source: Aurora User Guide, Quotas in Amazon Aurora; RDS API Reference, CreateDBInstance
    """
    if len(self.databases) >= QUOTAS["instances"]:
        raise fault("InstanceQuotaExceeded", "DB Instance quota exceeded")


@check("subnet-group-quota", RDSBackend, "create_subnet_group")
def fifty_subnet_groups(self: RDSBackend, *_args: Any) -> None:
    """A Region has 50 DB subnet groups at most: otherwise DBSubnetGroupQuotaExceeded.

    Source: Aurora User Guide, Quotas in Amazon Aurora; RDS API Reference, CreateDBSubnetGroup
    """
    if len(self.subnet_groups) >= QUOTAS["subnet groups"]:
        raise fault("DBSubnetGroupQuotaExceeded", "DB Subnet Group quota exceeded")


@check("parameter-group-quota", RDSBackend, "create_db_cluster_parameter_group")
def fifty_cluster_parameter_groups(self: RDSBackend, **_kwargs: Any) -> None:
    """A Region has 50 DB cluster parameter groups at most: otherwise DBParameterGroupQuotaExceeded.

    Source: Aurora User Guide, Quotas in Amazon Aurora; RDS API Reference, CreateDBClusterParameterGroup
    """
    if len(self.db_cluster_parameter_groups) >= QUOTAS["parameter groups"]:
        raise fault("DBParameterGroupQuotaExceeded", "DB cluster parameter group quota exceeded")


@check("snapshot-quota", RDSResponse, "create_db_cluster_snapshot", "copy_db_cluster_snapshot")
def a_hundred_manual_snapshots(self: RDSResponse) -> None:
    """A Region has 100 manual DB cluster snapshots at most: otherwise SnapshotQuotaExceeded.

    Source: Aurora User Guide, Quotas in Amazon Aurora; RDS API Reference, CreateDBClusterSnapshot
    """
    manual = [one for one in self.backend.cluster_snapshots.values() if one.snapshot_type == "manual"]
    if len(manual) >= QUOTAS["snapshots"]:
        raise fault("SnapshotQuotaExceeded", "Cannot create more than 100 manual snapshots.")
