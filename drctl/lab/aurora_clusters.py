"""Aurora clusters as RDS treats them: what CreateDBCluster refuses, how long a cluster comes, changes and goes.

Of the rules around one method the last installed is asked first.
"""

from __future__ import annotations

import hashlib
from typing import Any

from moto.ec2.models import ec2_backends
from moto.rds.models import DBCluster, RDSBackend

from drctl.aws.durations import seconds
from drctl.lab import (
    aurora_interfaces,
    aurora_joining,  # noqa: F401  # its rules are asked after those of this module
    aurora_pending,  # noqa: F401  # its rules are asked after those of this module
)
from drctl.lab import aurora_store as store
from drctl.lab.aurora_events import tell
from drctl.lab.aurora_states import AURORA, UNSEEN_S, check, fault, passes_through, require_available
from drctl.lab.aurora_versions import DEFAULT, VERSIONS, family
from drctl.lab.clock import CLOCK
from drctl.lab.rules import Wrapped, rule

#: Arguments that moto takes no notice of, and the fields that show them.
_FIELDS = {"monitoring_interval": "monitoring_interval", "monitoring_role_arn": "monitoring_role_arn",
           "database_insights_mode": "database_insights_mode", "engine_lifecycle_support": "engine_lifecycle_support",
           "enable_performance_insights": "performance_insights_enabled",
           "performance_insights_kms_key_id": "performance_insights_kms_key_id",
           "performance_insights_retention_period": "performance_insights_retention_period"}


def endpoint_hash(account: str, region: str) -> str:
    """The part of every endpoint name that is one account's in one Region."""
    return "c" + hashlib.sha256(f"{account}/{region}".encode()).hexdigest()[:11]


def keep_fields(model: Any, given: Any) -> None:
    """Show what was asked for where moto forgets it."""
    for argument, shown in _FIELDS.items():
        if given.get(argument) is not None:
            setattr(model, shown, given[argument])


@rule("cluster-states", RDSBackend, "create_db_cluster")
def a_cluster_is_creating_for_a_while(proceed: Wrapped, self: RDSBackend, kwargs: Any) -> DBCluster:
    """A new cluster shows creating for minutes, and its endpoints carry the account's name in that Region.

    Source: Aurora User Guide, Viewing DB cluster status; Aurora User Guide, Amazon Aurora endpoint connections
    """
    if kwargs.get("engine") != AURORA:
        return proceed(kwargs)
    kwargs["engine_version"] = _version(self, kwargs)
    group = kwargs.get("db_cluster_parameter_group_name") or f"default.{family(kwargs['engine_version'])}"
    kwargs["db_cluster_parameter_group_name"] = group
    cluster: DBCluster = proceed(kwargs)
    cluster.url_identifier = endpoint_hash(self.account_id, self.region_name)
    keep_fields(cluster, kwargs)
    length = seconds("cluster-create" if store.is_writer(cluster) else "secondary-create")
    passes_through(cluster.arn, [(length, "creating")])
    CLOCK.after(length, lambda: tell("RDS-EVENT-0170", cluster.arn))
    return cluster


def _version(backend: RDSBackend, kwargs: Any) -> str:
    """The version asked for, or the one that the cluster has or gets without asking."""
    cluster = backend.clusters.get(kwargs["db_cluster_identifier"])
    known = store.GLOBALS.get((kwargs.get("global_cluster_identifier") or "").lower())
    return str(kwargs.get("engine_version") or getattr(cluster or known, "engine_version", DEFAULT))


@check("cluster-kms-key", RDSBackend, "create_db_cluster")
def its_key_exists_here(self: RDSBackend, kwargs: Any) -> None:
    """The KMS key of a cluster is an enabled one of the same Region; otherwise KMSKeyNotAccessibleFault.

    Source: Aurora User Guide, Encrypting Amazon Aurora resources
    """
    if not (key := kwargs.get("kms_key_id")):
        return
    kwargs["kms_key_id"] = self._validate_kms_key(key)
    if self.kms.describe_key(kwargs["kms_key_id"].rpartition("/")[2]).key_state != "Enabled":
        raise fault("KMSKeyNotAccessibleFault", f"Specified KMS key [{key}] is not enabled.")


@check("cluster-parameter-group", RDSBackend, "create_db_cluster", "modify_db_cluster")
def its_parameter_group_fits(self: RDSBackend, kwargs: Any) -> None:
    """The parameter group exists (DBClusterParameterGroupNotFound) and is of the version's family.

    Refuses another family with InvalidParameterCombination.
    Source: Aurora User Guide, Parameter groups for Amazon Aurora
    """
    name = kwargs.get("db_cluster_parameter_group_name")
    if not name or name.startswith("default."):
        return
    if (group := self.db_cluster_parameter_groups.get(name)) is None:
        raise fault("DBClusterParameterGroupNotFound", f"DBClusterParameterGroup not found: {name}")
    version = _version(self, kwargs)
    if group.db_parameter_group_family != family(version):
        raise fault("InvalidParameterCombination",
                    f"The Parameter Group {name} with DBParameterGroupFamily {group.db_parameter_group_family} can't "
                    "be used for this instance. Please use a Parameter Group with DBParameterGroupFamily "
                    f"{family(version)}")


@check("cluster-subnet-group", RDSBackend, "create_db_cluster")
def its_subnet_group_exists(self: RDSBackend, kwargs: Any) -> None:
    """The DB subnet group of a cluster exists; otherwise DBSubnetGroupNotFoundFault.

    Source: RDS API Reference, CreateDBCluster
    """
    name = kwargs.get("db_subnet_group_name")
    if name and name not in self.subnet_groups:
        raise fault("DBSubnetGroupNotFoundFault", f"DB subnet group '{name}' does not exist.")


@check("cluster-security-groups", RDSBackend, "create_db_cluster", "modify_db_cluster")
def its_security_groups_exist(self: RDSBackend, kwargs: Any) -> None:
    """The security groups of a cluster exist in its Region; otherwise InvalidParameterValue.

    Source: RDS API Reference, CreateDBCluster
    """
    ec2 = ec2_backends[self.account_id][self.region_name]
    for group in kwargs.get("vpc_security_group_ids") or ():
        if ec2.get_security_group_from_id(group) is None:
            raise fault("InvalidParameterValue", f"Invalid security group , groupId= {group}, groupName=.")


@check("known-engine-version", RDSBackend, "create_db_cluster", "modify_db_cluster")
def its_version_exists(_: RDSBackend, kwargs: Any) -> None:
    """A cluster is of a version that exists; otherwise InvalidParameterCombination.

    Source: RDS API Reference, CreateDBCluster; Terraform provider: aws_rds_cluster
    """
    version = kwargs.get("engine_version")
    if kwargs.get("engine", AURORA) == AURORA and version and version not in VERSIONS:
        raise fault("InvalidParameterCombination", f"Cannot find version {version} for {AURORA}")


@check("cluster-once", RDSBackend, "create_db_cluster")
def no_second_cluster_of_the_name(self: RDSBackend, kwargs: Any) -> None:
    """The identifier is free in the Region; otherwise DBClusterAlreadyExistsFault.

    Source: RDS API Reference, CreateDBCluster
    """
    if kwargs["db_cluster_identifier"] in self.clusters:
        raise fault("DBClusterAlreadyExistsFault", "DB Cluster already exists")


@rule("cluster-modifying", RDSBackend, "modify_db_cluster")
def a_change_takes_a_while(proceed: Wrapped, self: RDSBackend, kwargs: Any) -> DBCluster:
    """An accepted change shows after some seconds as modifying, and later as available again.

    Source: Aurora User Guide, Modifying an Amazon Aurora DB cluster; Viewing DB cluster status
    """
    logs = kwargs.get("cloudwatch_logs_export_configuration") or {}
    cluster: DBCluster = proceed(kwargs)
    changed = self.clusters[cluster.db_cluster_identifier]
    kept = [kind for kind in changed.enabled_cloudwatch_logs_exports if kind not in logs.get("DisableLogTypes", [])]
    new = [kind for kind in logs.get("EnableLogTypes", []) if kind not in kept]
    changed.enabled_cloudwatch_logs_exports = [*kept, *new]
    if kwargs.get("enable_iam_database_authentication") is not None:
        changed.iam_auth = kwargs["enable_iam_database_authentication"]
    keep_fields(changed, kwargs)
    aurora_interfaces.follow_groups(changed)
    passes_through(changed.arn, [(UNSEEN_S, "available"), (seconds("cluster-modify"), "modifying")])
    return changed


@check("cluster-available-to-modify", RDSBackend, "modify_db_cluster")
def only_an_available_cluster_is_changed(self: RDSBackend, kwargs: Any) -> None:
    """A cluster is changed when it is available; otherwise InvalidDBClusterStateFault, or DBClusterNotFoundFault.

    Source: RDS API Reference, ModifyDBCluster; Terraform provider: aws_rds_cluster
    """
    require_available(self.describe_db_clusters(kwargs["db_cluster_identifier"])[0])


@check("member-not-stopped", RDSBackend, "stop_db_cluster")
def a_member_is_not_stopped(self: RDSBackend, cluster_identifier: str) -> None:
    """A member of a global database cannot be stopped by itself: InvalidDBClusterStateFault.

    Source: Aurora User Guide, Limitations of Amazon Aurora global databases
    """
    cluster = self.describe_db_clusters(cluster_identifier)[0]
    if store.of_cluster(cluster.arn):
        raise fault("InvalidDBClusterStateFault", f"Cluster {cluster_identifier} is in a global cluster: no stop.")


def _members_as_rds_shows_them(self: DBCluster) -> list[dict[str, Any]]:
    """No instance of a secondary cluster is a writer."""
    writes = store.is_writer(self)
    return [{"DBInstanceIdentifier": instance.db_instance_identifier,
             "IsClusterWriter": bool(writes and instance.is_cluster_writer),
             "DBClusterParameterGroupStatus": "in-sync", "PromotionTier": instance.promotion_tier}
            for instance in self.members]


DBCluster.db_cluster_members = property(_members_as_rds_shows_them)


_endpoint_as_moto_shows_it = DBCluster.endpoint


def _endpoint_of_a_writer(self: DBCluster) -> str | None:
    """A secondary cluster shows no Endpoint, only its ReaderEndpoint; the name answers all the same.

    Source: Terraform provider: aws_rds_cluster, the endpoint of a secondary of a global cluster is empty
    """
    return str(_endpoint_as_moto_shows_it.fget(self)) if store.is_writer(self) else None


DBCluster.endpoint = property(_endpoint_of_a_writer)
