"""Subnet and parameter groups of RDS: what they must cover, and that they stay while a database uses them."""

from __future__ import annotations

from typing import Any

from moto.ec2.models import ec2_backends
from moto.rds.models import RDSBackend
from moto.rds.responses import RDSResponse

from drctl.lab.aurora_states import AURORA, check, fault
from drctl.lab.aurora_versions import MINORS
from drctl.lab.rules import Wrapped, rule

#: Parameters that a running database cannot take over (Aurora User Guide, Aurora PostgreSQL cluster parameters).
STATIC = frozenset({"max_connections", "rds.logical_replication", "rds.iam_auth", "shared_buffers",
                    "shared_preload_libraries", "track_activity_query_size", "max_worker_processes",
                    "max_wal_senders", "max_replication_slots", "max_prepared_transactions", "huge_pages"})
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


@check("subnet-group-once", RDSBackend, "create_subnet_group")
def a_subnet_group_is_new_and_covers_two_zones(
        self: RDSBackend, subnet_name: str, _description: str, subnets: list[Any], _tags: Any) -> None:
    """A subnet group has a free name (DBSubnetGroupAlreadyExists) and subnets in two zones.

    Refuses fewer zones with DBSubnetGroupDoesNotCoverEnoughAZs.
    Source: RDS API Reference, CreateDBSubnetGroup
    """
    if subnet_name in self.subnet_groups:
        raise fault("DBSubnetGroupAlreadyExists", f"The DB subnet group '{subnet_name}' already exists.")
    _require_two_zones(subnets)


@check("subnet-group-changed", RDSBackend, "modify_db_subnet_group")
def a_changed_subnet_group_keeps_used_zones(
        self: RDSBackend, subnet_name: str, _description: str, subnets: list[Any]) -> None:
    """A changed subnet group still covers two zones, and keeps the zones in which instances stand.

    Refuses otherwise with DBSubnetGroupDoesNotCoverEnoughAZs or SubnetAlreadyInUse.
    Source: RDS API Reference, ModifyDBSubnetGroup
    """
    self.describe_db_subnet_groups(subnet_name)
    _require_two_zones(subnets)
    zones = {subnet.availability_zone for subnet in subnets}
    for cluster in self.clusters.values():
        for instance in cluster._members if cluster.db_subnet_group_name == subnet_name.lower() else ():
            if instance.availability_zone not in zones:
                raise fault("SubnetAlreadyInUse",
                            f"The DB subnet in {instance.availability_zone} is in use by {instance.resource_id}.")


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


@check("parameters-at-once", RDSBackend, "modify_db_cluster_parameter_group", "modify_db_parameter_group")
def twenty_parameters_and_static_ones_later(_: RDSBackend, _name: str, parameters: Any) -> None:
    """At most 20 parameters a call (InvalidParameterValue); static ones wait for a reboot.

    Refuses a static parameter with ApplyMethod immediate: InvalidParameterCombination.
    Source: RDS API Reference, ModifyDBClusterParameterGroup
    """
    if len(parameters) > 20:
        raise fault("InvalidParameterValue", "A maximum of 20 parameters can be modified in a single request.")
    for parameter in parameters:
        if parameter["ParameterName"] in STATIC and parameter.get("ApplyMethod") != "pending-reboot":
            raise fault("InvalidParameterCombination",
                        f"cannot use immediate apply method for static parameter: {parameter['ParameterName']}")


@rule("parameter-group-by-name", RDSBackend, "describe_db_parameter_groups")
def an_unknown_parameter_group_is_refused(proceed: Wrapped, _: RDSBackend, db_parameter_group_kwargs: Any) -> Any:
    """Asking for a parameter group that does not exist is DBParameterGroupNotFound, not an empty list.

    Source: RDS API Reference, DescribeDBParameterGroups
    """
    found = proceed(db_parameter_group_kwargs)
    if (name := db_parameter_group_kwargs.get("db_parameter_group_name")) and not found:
        raise fault("DBParameterGroupNotFound", f"DBParameterGroup not found: {name}")
    return found
