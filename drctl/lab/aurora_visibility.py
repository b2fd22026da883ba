"""What RDS shows late: for some seconds after the answer to a create call its describe calls miss what was made.

Calls that change something know it at once; only reads lag.
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.rds.responses import RDSResponse

from drctl.aws.durations import seconds
from drctl.lab import aurora_global  # noqa: F401  # its operations are there before their rules
from drctl.lab.aurora_states import fault
from drctl.lab.aurora_store import GLOBALS
from drctl.lab.rules import Wrapped, hide, is_hidden, rule


def _late(answer: ActionResult, one: str, many: str, code: str, asked: str | None) -> ActionResult:
    """Hide what a create call answers with; leave out what is hidden of a describe call's answer."""
    if one in answer.result:
        hide(answer.result[one], seconds("database-visible"))
        return answer
    found = list(answer.result[many])
    answer.result[many] = seen = [model for model in found if not is_hidden(model)]
    if asked and found and not seen:
        raise fault(code, f"{asked} not found.")
    return answer


@rule("cluster-visible-late", RDSResponse, "create_db_cluster", "describe_db_clusters")
def a_new_cluster_is_not_found_at_once(proceed: Wrapped, self: RDSResponse) -> Any:
    """A cluster just made is DBClusterNotFoundFault for seconds, and lists do not have it.

    Source: Terraform provider: aws_rds_cluster, not found is tolerated while it waits for available
    """
    return _late(proceed(), "DBCluster", "DBClusters", "DBClusterNotFoundFault",
                 self.params.get("DBClusterIdentifier"))


@rule("instance-visible-late", RDSResponse, "create_db_instance", "describe_db_instances")
def a_new_instance_is_not_found_at_once(proceed: Wrapped, self: RDSResponse) -> Any:
    """An instance just made is DBInstanceNotFound for seconds, and lists do not have it.

    Source: Terraform provider: aws_rds_cluster_instance, not found is tolerated while it waits for available
    """
    return _late(proceed(), "DBInstance", "DBInstances", "DBInstanceNotFound",
                 self.params.get("DBInstanceIdentifier"))


@rule("snapshot-visible-late", RDSResponse, "create_db_cluster_snapshot", "copy_db_cluster_snapshot",
      "describe_db_cluster_snapshots")
def a_new_snapshot_is_not_found_at_once(proceed: Wrapped, self: RDSResponse) -> Any:
    """A cluster snapshot just made is DBClusterSnapshotNotFoundFault for seconds, and lists do not have it.

    Source: Terraform provider: aws_db_cluster_snapshot, waits for available from its first look on
    """
    return _late(proceed(), "DBClusterSnapshot", "DBClusterSnapshots", "DBClusterSnapshotNotFoundFault",
                 self.params.get("DBClusterSnapshotIdentifier"))


@rule("global-cluster-visible-late", RDSResponse, "create_global_cluster", "describe_global_clusters")
def a_new_global_cluster_is_not_found_at_once(proceed: Wrapped, self: RDSResponse) -> Any:
    """A global cluster just made is GlobalClusterNotFoundFault for seconds, and lists do not have it.

    Source: Terraform provider: aws_rds_global_cluster, not found is tolerated while it waits for available
    """
    return _late_global(self, proceed())


def _late_global(self: RDSResponse, answer: ActionResult) -> ActionResult:
    if "GlobalCluster" in answer.result:
        hide(GLOBALS[answer.result["GlobalCluster"]["GlobalClusterIdentifier"]], seconds("database-visible"))
        return answer
    found = answer.result["GlobalClusters"]
    answer.result["GlobalClusters"] = seen = [
        row for row in found if not is_hidden(GLOBALS[row["GlobalClusterIdentifier"]])]
    if found and not seen and (asked := self.params.get("GlobalClusterIdentifier")):
        raise fault("GlobalClusterNotFoundFault", f"Global cluster {asked} not found")
    return answer


@rule("subnet-group-visible-late", RDSResponse, "create_db_subnet_group", "describe_db_subnet_groups")
def a_new_subnet_group_is_not_found_at_once(proceed: Wrapped, self: RDSResponse) -> Any:
    """A DB subnet group just made is DBSubnetGroupNotFoundFault for seconds, and lists do not have it.

    Source: Terraform provider: aws_db_subnet_group
    """
    return _late(proceed(), "DBSubnetGroup", "DBSubnetGroups", "DBSubnetGroupNotFoundFault",
                 self.params.get("DBSubnetGroupName"))


@rule("cluster-parameter-group-visible-late", RDSResponse, "create_db_cluster_parameter_group",
      "describe_db_cluster_parameter_groups", "describe_db_cluster_parameters")
def a_new_cluster_parameter_group_is_not_found_at_once(proceed: Wrapped, self: RDSResponse) -> Any:
    """A cluster parameter group just made is DBParameterGroupNotFound for seconds, and so are its parameters.

    Source: Terraform provider: aws_rds_cluster_parameter_group; RDS API Reference, CreateDBClusterParameterGroup
    """
    name = self.params.get("DBClusterParameterGroupName")
    answer = proceed()
    if "Parameters" in answer.result:
        _require_seen(self.backend.db_cluster_parameter_groups.get(name), name)
        return answer
    return _late(answer, "DBClusterParameterGroup", "DBClusterParameterGroups", "DBParameterGroupNotFound", name)


@rule("parameter-group-visible-late", RDSResponse, "create_db_parameter_group", "describe_db_parameter_groups",
      "describe_db_parameters")
def a_new_parameter_group_is_not_found_at_once(proceed: Wrapped, self: RDSResponse) -> Any:
    """An instance parameter group just made is DBParameterGroupNotFound for seconds, and so are its parameters.

    Source: Terraform provider: aws_db_parameter_group
    """
    name = self.params.get("DBParameterGroupName")
    answer = proceed()
    if "Parameters" in answer.result:
        _require_seen(self.backend.db_parameter_groups.get(name), name)
        return answer
    return _late(answer, "DBParameterGroup", "DBParameterGroups", "DBParameterGroupNotFound", name)


def _require_seen(group: Any, name: str | None) -> None:
    if group is not None and is_hidden(group):
        raise fault("DBParameterGroupNotFound", f"DBParameterGroup not found: {name}")
