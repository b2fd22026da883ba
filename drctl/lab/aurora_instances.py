"""Aurora instances as RDS treats them: what is refused, how long an instance comes, changes and goes.

Of the rules around one method the last installed is asked first.
"""

from __future__ import annotations

import hashlib
from typing import Any

from moto.rds.models import DBCluster, DBInstance, DBInstanceClustered, RDSBackend

from drctl.aws.durations import seconds
from drctl.lab import aurora_interfaces, aurora_logs
from drctl.lab import aurora_store as store
from drctl.lab.aurora_clusters import endpoint_hash, keep_fields
from drctl.lab.aurora_states import UNSEEN_S, check, fault, passes_through, rests_at
from drctl.lab.aurora_versions import CLASSES, is_burstable
from drctl.lab.clock import CLOCK
from drctl.lab.rules import Wrapped, rule

#: What is set on the cluster and never on its instances, as arguments are called.
_OF_THE_CLUSTER = {"master_username": "MasterUsername", "master_user_password": "MasterUserPassword",
                   "manage_master_user_password": "ManageMasterUserPassword",
                   "backup_retention_period": "BackupRetentionPeriod",
                   "vpc_security_group_ids": "VpcSecurityGroupIds", "deletion_protection": "DeletionProtection"}


def _cluster(backend: RDSBackend, kwargs: Any) -> DBCluster | None:
    """The cluster that an instance is being made for, or is in."""
    instance = backend.databases.get(kwargs.get("db_instance_identifier") or "")
    name = kwargs.get("db_cluster_identifier") or getattr(instance, "db_cluster_identifier", None)
    return backend.clusters.get(name) if name else None


@rule("instance-states", RDSBackend, "create_db_instance")
def an_instance_is_creating_for_a_while(proceed: Wrapped, self: RDSBackend, db_kwargs: Any) -> DBInstance:
    """A new instance shows creating for minutes after its cluster is there; the first one connects a secondary.

    Source: Aurora User Guide, Viewing DB instance status; Adding an AWS Region to an Amazon Aurora global database
    """
    cluster = _cluster(self, db_kwargs)
    if cluster is None:
        return proceed(db_kwargs)
    _place(self, cluster, db_kwargs)
    instance: DBInstance = proceed(db_kwargs)
    instance.dbi_resource_id = "db-" + hashlib.sha256(f"{instance.arn}{CLOCK.now()}".encode()).hexdigest()[:26].upper()
    keep_fields(instance, db_kwargs)
    aurora_interfaces.attach(self, instance)
    length = rests_at(cluster.arn) - CLOCK.now() + seconds("instance-create")
    passes_through(instance.arn, [(length, "creating")])
    CLOCK.after(length, lambda: aurora_logs.export(cluster))
    known = store.of_cluster(cluster.arn)
    member = known.member(cluster.arn) if known else None
    if member and member.connected_at == store.NEVER:
        member.connected_at = CLOCK.now() + length + seconds("secondary-connect")
        member.reader_since = member.connected_at
    return instance


def _place(backend: RDSBackend, cluster: DBCluster, db_kwargs: Any) -> None:
    """An instance stands in its cluster's subnets, each in the next zone."""
    group = backend.subnet_groups.get(cluster.db_subnet_group_name)
    if group is None:
        return
    db_kwargs["db_subnet_group_name"] = group.name
    zones = sorted({subnet.availability_zone for subnet in group._subnets})
    if not db_kwargs.get("availability_zone"):
        db_kwargs["availability_zone"] = zones[len(cluster._members) % len(zones)]


@check("serverless-scaling", RDSBackend, "create_db_instance")
def serverless_needs_scaling_limits(self: RDSBackend, db_kwargs: Any) -> None:
    """db.serverless needs ServerlessV2ScalingConfiguration on the cluster: otherwise InvalidParameterValue.

    Source: Aurora User Guide, Creating a DB cluster that uses Aurora Serverless v2
    """
    cluster = _cluster(self, db_kwargs)
    serverless = db_kwargs.get("db_instance_class") == "db.serverless"
    if serverless and cluster and not cluster.serverless_v2_scaling_configuration:
        raise fault("InvalidParameterValue", "Set the Serverless v2 scaling configuration on the parent DB cluster "
                    "before creating a Serverless v2 DB instance.")


@check("no-burstable-members", RDSBackend, "create_db_instance")
def no_t_class_in_a_global_database(self: RDSBackend, db_kwargs: Any) -> None:
    """A member of a global database has no instance of a t class: InvalidParameterCombination.

    Source: Aurora User Guide, Configuration requirements of an Amazon Aurora global database
    """
    _require_class_fits(self, db_kwargs)


@check("no-burstable-members-later", RDSBackend, "modify_db_instance")
def no_change_to_a_t_class(self: RDSBackend, _: str, db_kwargs: Any) -> None:
    """Nor does one become of a t class, or of a class that is not offered: InvalidParameterCombination.

    Source: Aurora User Guide, Configuration requirements of an Amazon Aurora global database
    """
    _require_class_fits(self, db_kwargs)


def _require_class_fits(backend: RDSBackend, db_kwargs: Any) -> None:
    cluster, wanted = _cluster(backend, db_kwargs), db_kwargs.get("db_instance_class")
    if cluster is None or not wanted:
        return
    if wanted not in CLASSES:
        raise fault("InvalidParameterCombination",
                    "RDS does not support creating a DB instance with the following combination: "
                    f"DBInstanceClass={wanted}, Engine={cluster.engine}, EngineVersion={cluster.engine_version}.")
    if is_burstable(wanted) and store.of_cluster(cluster.arn):
        raise fault("InvalidParameterCombination",
                    f"The DB instance class {wanted} is not supported in a global database.")


@check("instance-settings-of-the-cluster", RDSBackend, "create_db_instance")
def what_the_cluster_sets_is_not_set_again(self: RDSBackend, db_kwargs: Any) -> None:
    """Password, backups, security groups and protection are the cluster's: InvalidParameterCombination.

    Source: RDS API Reference, CreateDBInstance (settings that do not apply to Aurora instances)
    """
    _require_no_cluster_settings(self, db_kwargs)


@check("instance-settings-of-the-cluster-later", RDSBackend, "modify_db_instance")
def what_the_cluster_sets_is_not_changed_here(self: RDSBackend, _: str, db_kwargs: Any) -> None:
    """Nor are they changed on an instance: InvalidParameterCombination.

    Source: RDS API Reference, ModifyDBInstance (settings that do not apply to Aurora instances)
    """
    _require_no_cluster_settings(self, db_kwargs)


def _require_no_cluster_settings(backend: RDSBackend, db_kwargs: Any) -> None:
    if _cluster(backend, db_kwargs) is None:
        return
    for argument, name in _OF_THE_CLUSTER.items():
        if db_kwargs.get(argument):
            raise fault("InvalidParameterCombination",
                        f"The requested DB Instance will be a member of a DB Cluster. Set {name} for the DB Cluster.")


@check("instance-in-a-living-cluster", RDSBackend, "create_db_instance")
def its_cluster_is_not_being_deleted(self: RDSBackend, db_kwargs: Any) -> None:
    """An instance joins a cluster that exists and stays, of its own version.

    Refuses otherwise with DBClusterNotFoundFault, InvalidDBClusterStateFault or InvalidParameterCombination.
    Source: RDS API Reference, CreateDBInstance
    """
    if not (name := db_kwargs.get("db_cluster_identifier")):
        return
    cluster = self.describe_db_clusters(name)[0]
    if cluster.status == "deleting":
        raise fault("InvalidDBClusterStateFault", f"DbCluster {name} is in deleting state.")
    if db_kwargs.get("engine_version") not in {None, cluster.engine_version}:
        raise fault("InvalidParameterCombination", "The engine version that you requested for your DB instance does "
                    "not match the engine version of your DB cluster.")


@rule("instance-modifying", RDSBackend, "modify_db_instance")
def a_change_of_an_instance_takes_a_while(proceed: Wrapped, _: RDSBackend, name: str, db_kwargs: Any) -> DBInstance:
    """An accepted change shows after some seconds as modifying, and later as available again.

    Source: Aurora User Guide, Modifying a DB instance in a DB cluster; Viewing DB instance status
    """
    instance: DBInstance = proceed(name, db_kwargs)
    if isinstance(instance, DBInstanceClustered):
        keep_fields(instance, db_kwargs)
        passes_through(instance.arn, [(UNSEEN_S, "available"), (seconds("cluster-modify"), "modifying")])
    return instance


@check("instance-available-to-modify", RDSBackend, "modify_db_instance", "reboot_db_instance")
def only_an_available_instance_is_changed(self: RDSBackend, db_instance_identifier: str, *_: Any) -> None:
    """An instance is changed or rebooted when it is available; otherwise InvalidDBInstanceState.

    Source: RDS API Reference, ModifyDBInstance; Terraform provider: aws_rds_cluster_instance
    """
    status = self.describe_db_instances(db_instance_identifier)[0].status
    if status != "available":
        raise fault("InvalidDBInstanceState",
                    f"Database instance {db_instance_identifier} is not in available state: {status}.")


def _address(self: DBInstanceClustered) -> str:
    place = f"{endpoint_hash(self.account_id, self.region)}.{self.region}"
    return f"{self.db_instance_identifier}.{place}.rds.amazonaws.com"


def _endpoint(self: DBInstanceClustered) -> dict[str, Any] | None:
    """There is no endpoint yet while an instance is being created."""
    if self.status == "creating":
        return None
    return {"Address": self.address, "Port": self.cluster.port, "HostedZoneId": self.cluster.hosted_zone_id}


DBInstanceClustered.address = property(_address)
DBInstanceClustered.endpoint = property(_endpoint)
