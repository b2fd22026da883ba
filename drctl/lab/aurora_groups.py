"""Subnet and parameter groups of RDS: what they must cover, and that they stay while a database uses them."""

from __future__ import annotations

from typing import Any

from moto.ec2.models import ec2_backends
from moto.rds.models import RDSBackend
from moto.rds.responses import RDSResponse

from drctl.aws.durations import seconds
from drctl.lab import database_groups  # noqa: F401  # the operation that it adds has rules here
from drctl.lab.aurora_states import AURORA, UNSEEN_S, check, fault, passes_through
from drctl.lab.aurora_versions import MINORS
from drctl.lab.clock import CLOCK
from drctl.lab.rules import Wrapped, rule

#: Parameters that a running database cannot take over (Aurora User Guide, Aurora PostgreSQL cluster parameters).
STATIC = frozenset({"max_connections", "rds.logical_replication", "rds.iam_auth", "shared_buffers",
                    "shared_preload_libraries", "track_activity_query_size", "max_worker_processes",
                    "max_wal_senders", "max_replication_slots", "max_prepared_transactions", "huge_pages"})
#: Methods that change parameters of a group.
_CHANGES = ("modify_db_cluster_parameter_group", "modify_db_parameter_group")
FAMILIES = frozenset(f"{AURORA}{major}" for major in MINORS)


@check("subnet-group-subnets", RDSResponse, "create_db_subnet_group", "modify_db_subnet_group")
def its_subnets_exist(self: RDSResponse) -> None:
    """The subnets of a group exist in its Region: otherwise InvalidSubnet.

    Source: RDS API Reference, CreateDBSubnetGroup
    """
    known = {subnet.id for subnet in ec2_backends[self.current_account][self.region].describe_subnets()}
    if missing := [subnet for subnet in self.params.get("SubnetIds", []) if subnet not in known]:
        raise fault("InvalidSubnet", f"The specified subnet \"{missing[0]}\" is not valid.")


def _require_two_zones(subnets: list[Any]) -> None:
    zones = sorted({subnet.availability_zone for subnet in subnets})
    if len(zones) < 2:
        raise fault("DBSubnetGroupDoesNotCoverEnoughAZs",
                    "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Current AZ "
                    f"coverage: {', '.join(zones)}. Add subnets to cover at least 2 AZs.")


@check("subnet-group-zones", RDSBackend, "create_subnet_group", "modify_db_subnet_group")
def a_subnet_group_covers_two_zones(_: RDSBackend, _name: str, _about: str, subnets: list[Any], *_more: Any) -> None:
    """A subnet group has subnets in two zones: otherwise DBSubnetGroupDoesNotCoverEnoughAZs.

    Source: RDS API Reference, CreateDBSubnetGroup
    """
    zones = sorted({subnet.availability_zone for subnet in subnets})
    if len(zones) < 2:
        raise fault("DBSubnetGroupDoesNotCoverEnoughAZs",
                    "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Current AZ "
                    f"coverage: {', '.join(zones)}. Add subnets to cover at least 2 AZs.")


@check("subnet-group-once", RDSBackend, "create_subnet_group")
def a_subnet_group_is_new(self: RDSBackend, subnet_name: str, *_: Any) -> None:
    """A subnet group has a free name: otherwise DBSubnetGroupAlreadyExists.

    Source: RDS API Reference, CreateDBSubnetGroup
    """
    if subnet_name in self.subnet_groups:
        raise fault("DBSubnetGroupAlreadyExists", f"The DB subnet group '{subnet_name}' already exists.")


@check("subnet-in-use", RDSBackend, "modify_db_subnet_group")
def a_used_subnet_stays_in_its_group(self: RDSBackend, subnet_name: str, _about: str, subnets: list[Any]) -> None:
    """A subnet in which an instance stands is not taken out of its group: SubnetAlreadyInUse.

    Source: RDS API Reference, ModifyDBSubnetGroup
    """
    self.describe_db_subnet_groups(subnet_name)
    kept, enis = {subnet.id for subnet in subnets}, ec2_backends[self.account_id][self.region_name].enis
    for cluster in self.clusters.values():
        for instance in cluster._members if cluster.db_subnet_group_name == subnet_name.lower() else ():
            interface = enis.get(getattr(instance, "_lab_interface", ""))
            if interface is not None and interface.subnet.id not in kept:
                raise fault("SubnetAlreadyInUse", f"The subnet {interface.subnet.id} is in use by an instance in "
                            f"{instance.availability_zone}.")


@check("subnet-group-in-use", RDSBackend, "delete_subnet_group")
def a_used_subnet_group_stays(self: RDSBackend, subnet_name: str) -> None:
    """A subnet group that a cluster uses cannot be deleted: InvalidDBSubnetGroupStateFault.

    Source: RDS API Reference, DeleteDBSubnetGroup
    """
    users = [cluster for cluster in self.clusters.values() if cluster.db_subnet_group_name == subnet_name.lower()]
    if users:
        raise fault("InvalidDBSubnetGroupStateFault", f"Cannot delete the subnet group '{subnet_name}' because at "
                    f"least one database cluster: {users[0].db_cluster_identifier} is still using it.")


@check("cluster-parameter-group-in-use", RDSBackend, "delete_db_cluster_parameter_group")
def a_used_cluster_parameter_group_stays(self: RDSBackend, db_cluster_parameter_group_name: str) -> None:
    """A parameter group that a cluster uses cannot be deleted: InvalidDBParameterGroupState.

    Source: RDS API Reference, DeleteDBClusterParameterGroup
    """
    name = db_cluster_parameter_group_name
    if any(cluster.parameter_group == name for cluster in self.clusters.values()):
        raise fault("InvalidDBParameterGroupState", "One or more database clusters are still members of this "
                    f"parameter group {name}, so the group cannot be deleted")


@check("parameter-group-in-use", RDSBackend, "delete_db_parameter_group")
def a_used_parameter_group_stays(self: RDSBackend, db_parameter_group_name: str) -> None:
    """A parameter group that an instance uses cannot be deleted: InvalidDBParameterGroupState.

    Source: RDS API Reference, DeleteDBParameterGroup
    """
    name = db_parameter_group_name
    if any(instance.db_parameter_group_name == name for instance in self.databases.values()):
        raise fault("InvalidDBParameterGroupState", "One or more database instances are still members of this "
                    f"parameter group {name}, so the group cannot be deleted")


@check("cluster-parameter-family", RDSBackend, "create_db_cluster_parameter_group")
def its_family_exists(_: RDSBackend, db_parameter_group_family: str, **_others: Any) -> None:
    """The family of a cluster parameter group exists: otherwise InvalidParameterValue.

    Source: RDS API Reference, CreateDBClusterParameterGroup
    """
    _require_family(db_parameter_group_family)


@check("parameter-family", RDSBackend, "create_db_parameter_group")
def the_family_exists(_: RDSBackend, db_parameter_group_kwargs: Any) -> None:
    """The family of an instance parameter group exists: otherwise InvalidParameterValue.

    Source: RDS API Reference, CreateDBParameterGroup
    """
    _require_family(db_parameter_group_kwargs.get("db_parameter_group_family") or "")


def _require_family(family: str) -> None:
    if family.startswith(AURORA) and family not in FAMILIES:
        raise fault("InvalidParameterValue", f"ParameterGroupFamily {family} is not a valid parameter group family")


@check("twenty-parameters-a-call", RDSBackend, *_CHANGES)
def at_most_twenty_parameters(_: RDSBackend, _name: str, parameters: Any) -> None:
    """At most 20 parameters are changed in a call: otherwise InvalidParameterValue.

    Source: RDS API Reference, ModifyDBClusterParameterGroup
    """
    if len(parameters) > 20:
        raise fault("InvalidParameterValue", "A maximum of 20 parameters can be modified in a single request.")


@check("static-parameters-later", RDSBackend, *_CHANGES)
def static_parameters_wait_for_a_reboot(_: RDSBackend, _name: str, parameters: Any) -> None:
    """A static parameter with ApplyMethod immediate is refused: InvalidParameterCombination.

    Source: RDS API Reference, ModifyDBClusterParameterGroup
    """
    for parameter in parameters:
        if parameter["ParameterName"] in STATIC and parameter.get("ApplyMethod") != "pending-reboot":
            raise fault("InvalidParameterCombination",
                        f"cannot use immediate apply method for static parameter: {parameter['ParameterName']}")


def _name(self: RDSResponse) -> str:
    return str(self.params.get("DBClusterParameterGroupName") or self.params.get("DBParameterGroupName"))


@rule("parameter-group-settles", RDSResponse, *_CHANGES, "reset_db_cluster_parameter_group",
      "delete_db_cluster_parameter_group", "delete_db_parameter_group")
def a_changed_parameter_group_settles(proceed: Wrapped, self: RDSResponse) -> Any:
    """For seconds after a change a parameter group takes no other: InvalidDBParameterGroupState, "pending changes".

    Source: Terraform provider: aws_rds_cluster_parameter_group and aws_db_parameter_group, retried for minutes
    """
    backend, name = self.backend, _name(self)
    group = backend.db_cluster_parameter_groups.get(name) or backend.db_parameter_groups.get(name)
    if group is not None and CLOCK.now() < group.__dict__.get("_lab_settles_at", 0.0):
        raise fault("InvalidDBParameterGroupState", f"The parameter group {name} has pending changes.")
    answer = proceed()
    if group is not None:
        group.__dict__["_lab_settles_at"] = CLOCK.now() + seconds("parameter-group-settle")
    return answer


@rule("parameters-reach-their-clusters", RDSBackend, "modify_db_cluster_parameter_group")
def clusters_take_over_new_parameters(proceed: Wrapped, self: RDSBackend, name: str, parameters: Any) -> Any:
    """The available clusters of a changed cluster parameter group are modifying for a while.

    Source: CloudFormation's handlers of AWS::RDS::DBClusterParameterGroup, pull request 238: "DB cluster isn't
    available for modification with status modifying"
    """
    answer = proceed(name, parameters)
    for cluster in self.clusters.values():
        if cluster.parameter_group == name and cluster.status == "available":
            passes_through(cluster.arn, [(UNSEEN_S, "available"), (seconds("cluster-modify"), "modifying")])
    return answer


@rule("parameter-group-by-name", RDSBackend, "describe_db_parameter_groups")
def an_unknown_parameter_group_is_refused(proceed: Wrapped, _: RDSBackend, db_parameter_group_kwargs: Any) -> Any:
    """Asking for a parameter group that does not exist is DBParameterGroupNotFound, not an empty list.

    Source: RDS API Reference, DescribeDBParameterGroups
    """
    found = proceed(db_parameter_group_kwargs)
    if (name := db_parameter_group_kwargs.get("db_parameter_group_name")) and not found:
        raise fault("DBParameterGroupNotFound", f"DBParameterGroup not found: {name}")
    return found
