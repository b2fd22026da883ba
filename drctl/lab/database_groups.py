"""Subnet and parameter groups of RDS where moto differs from AWS."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.rds.exceptions import RDSClientError
from moto.rds.models import DBCluster, RDSBackend
from moto.rds.responses import RDSResponse

from drctl.lab.rules import operation, rule

#: The first major version of Aurora PostgreSQL that requires TLS unless told otherwise.
TLS_SINCE = 17
_CALLED = {"subgrp": "subnet group", "pg": "parameter group", "cluster-pg": "cluster parameter group"}


@rule("subnet-group-stays", RDSBackend, "modify_db_subnet_group")
def subnet_group_stays(proceed: Any, self: RDSBackend, subnet_name: str, *given: Any) -> Any:
    """A modified subnet group is still there.

    Source: RDS API Reference, ModifyDBSubnetGroup.
    """
    group = proceed(subnet_name, *given)
    self.subnet_groups[subnet_name] = group
    return group


@rule("missing-group-has-no-tags", RDSBackend, "list_tags_for_resource")
def missing_group(proceed: Any, self: RDSBackend, arn: str) -> Any:
    """The tags of a group that does not exist cannot be listed: InvalidParameterValue, as for a malformed name.

    Source: Terraform issue 17822, "Unable to find a subnet group matching the resource name".
    """
    kind, name = arn.split(":")[5:7]
    groups = {"subgrp": self.subnet_groups, "pg": self.db_parameter_groups,
              "cluster-pg": self.db_cluster_parameter_groups}
    if kind in groups and name not in groups[kind]:
        raise RDSClientError("InvalidParameterValue",
                             f"Unable to find a {_CALLED[kind]} matching the resource name: {arn}")
    return proceed(arn)


def requires_tls(cluster: DBCluster) -> bool:
    """Whether a database refuses clients without TLS: as `rds.force_ssl` of its parameter group says now.

    Where the group says nothing: from version 17 on. RDS for PostgreSQL does so from version 15 on, Aurora does not.
    Source: Aurora User Guide, Securing Aurora PostgreSQL data with SSL/TLS (the parameter is dynamic)
    """
    group = cluster.backend.db_cluster_parameter_groups.get(cluster.parameter_group)
    said = group.parameters.get("rds.force_ssl", {}).get("ParameterValue") if group else None
    return said == "1" if said is not None else int(str(cluster.engine_version).partition(".")[0]) >= TLS_SINCE


@operation("reset-cluster-parameters", RDSResponse, "reset_db_cluster_parameter_group")
def reset_cluster_parameters(self: RDSResponse) -> ActionResult:
    """Parameters that are reset have their default value again.

    Source: RDS API Reference, ResetDBClusterParameterGroup.
    """
    name = self.params["DBClusterParameterGroupName"]
    group = self.backend.describe_db_cluster_parameter_groups(group_name=name)[0]
    for parameter in self.params.get("Parameters", []):
        group.parameters.pop(parameter["ParameterName"], None)
    return ActionResult({"DBClusterParameterGroupName": name})
