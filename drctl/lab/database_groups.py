"""Subnet and parameter groups of RDS where moto differs from AWS."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.rds.exceptions import RDSClientError
from moto.rds.models import RDSBackend
from moto.rds.responses import RDSResponse

from drctl.lab.rules import operation, rule

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
