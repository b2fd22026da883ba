"""How clusters and instances go: what guards them, in which order they can go, and how long it takes.

Of the rules around one method the last installed is asked first.
"""

from __future__ import annotations

from moto.core.responses import ActionResult
from moto.rds.models import DBCluster, DBInstanceClustered
from moto.rds.responses import RDSResponse

from drctl.aws.durations import seconds
from drctl.lab import aurora_interfaces
from drctl.lab import aurora_store as store
from drctl.lab.aurora_events import tell
from drctl.lab.aurora_snapshots import move
from drctl.lab.aurora_states import check, fault, goes, gone_at, instances_of, require_available
from drctl.lab.clock import CLOCK
from drctl.lab.rules import operation

_delete_instance_as_moto_does = RDSResponse.delete_db_instance


def _cluster(self: RDSResponse) -> DBCluster:
    cluster: DBCluster = self.backend.describe_db_clusters(self.params["DBClusterIdentifier"])[0]
    return cluster


def _instance(self: RDSResponse) -> DBInstanceClustered | None:
    """The instance of a cluster that a call is about; None when it is of no cluster."""
    instance = self.backend.describe_db_instances(self.params["DBInstanceIdentifier"])[0]
    return instance if isinstance(instance, DBInstanceClustered) else None


# Clusters ------------------------------------------------------------------------------------------------------------


@operation("cluster-deletion", RDSResponse, "delete_db_cluster")
def delete_db_cluster(self: RDSResponse) -> ActionResult:
    """A deleted cluster shows deleting for minutes, is gone then, and its automated backups with it.

    Source: RDS API Reference, DeleteDBCluster; Aurora User Guide, Viewing DB cluster status
    """
    cluster = _cluster(self)
    if snapshot := self.params.get("FinalDBSnapshotIdentifier"):
        self.backend.create_db_cluster_snapshot(cluster.db_cluster_identifier, snapshot)
    last_instance = max([CLOCK.now(), *(gone_at(instance.arn) for instance in cluster._members)])
    goes(cluster.arn, last_instance - CLOCK.now() + seconds("cluster-delete"), lambda: _remove_cluster(cluster))
    return ActionResult({"DBCluster": cluster})


def _remove_cluster(cluster: DBCluster) -> None:
    backend, identifier = cluster.backend, cluster.db_cluster_identifier
    backend.clusters.pop(identifier, None)
    tell("RDS-EVENT-0171", cluster.arn)
    if cluster.manage_master_user_password:
        cluster.master_user_secret.delete_secret()
    for name, snapshot in list(backend.cluster_snapshots.items()):
        if snapshot.db_cluster_identifier == identifier and snapshot.snapshot_type == "automated":
            move("forget", snapshot.arn)
            backend.cluster_snapshots.pop(name)


@check("cluster-with-instances", RDSResponse, "delete_db_cluster")
def its_instances_go_first(self: RDSResponse) -> None:
    """A cluster with instances that are not being deleted stays: InvalidDBClusterStateFault.

    Source: Aurora User Guide, Deleting Aurora DB clusters and DB instances
    """
    if instances_of(_cluster(self)):
        raise fault("InvalidDBClusterStateFault",
                    "Cluster cannot be deleted, it still contains DB instances in non-deleting state.")


@check("cluster-available-to-delete", RDSResponse, "delete_db_cluster")
def only_an_available_cluster_is_deleted(self: RDSResponse) -> None:
    """A cluster is deleted when it is available: otherwise InvalidDBClusterStateFault.

    Source: Terraform provider: aws_rds_cluster, "is not currently in the available state"
    """
    require_available(_cluster(self))


@check("cluster-in-a-global-cluster", RDSResponse, "delete_db_cluster")
def a_member_is_not_deleted(self: RDSResponse) -> None:
    """A member of a global cluster is taken out before it is deleted: otherwise InvalidDBClusterStateFault.

    Source: Terraform provider: aws_rds_cluster; Aurora User Guide, Removing a cluster from a global database
    """
    if store.of_cluster(_cluster(self).arn):
        raise fault("InvalidDBClusterStateFault",
                    "This cluster is a part of a global cluster, please remove it from globalcluster first")


@check("membership-cleared-late", RDSResponse, "delete_db_cluster")
def it_is_held_for_a_member_some_seconds_more(self: RDSResponse) -> None:
    """A cluster that has left the list of members is still refused as one for seconds: InvalidDBClusterStateFault.

    Source: Terraform provider: aws_rds_cluster, retries "is a part of a global cluster"
    """
    if CLOCK.now() < _cluster(self).__dict__.get("_lab_member_until", 0.0):
        raise fault("InvalidDBClusterStateFault",
                    "This cluster is a part of a global cluster, please remove it from globalcluster first")


@check("primary-after-its-secondaries", RDSResponse, "delete_db_cluster")
def a_primary_goes_last(self: RDSResponse) -> None:
    """The primary of a global cluster with other members is not deleted: InvalidGlobalClusterStateFault.

    Source: Aurora User Guide, Deleting an Amazon Aurora global database; Terraform provider: aws_rds_cluster
    """
    cluster = _cluster(self)
    known = store.of_cluster(cluster.arn)
    if known and store.is_writer(cluster) and len(known.members) > 1:
        raise fault("InvalidGlobalClusterStateFault", "Unable to delete cluster that is a primary member of global "
                    "cluster while there are other global cluster members")


@check("cluster-protection", RDSResponse, "delete_db_cluster")
def a_protected_cluster_stays(self: RDSResponse) -> None:
    """A cluster with deletion protection is not deleted: InvalidParameterCombination. Its instances are not guarded.

    Source: RDS API Reference, DeleteDBCluster; Aurora User Guide, Deleting Aurora DB clusters and DB instances
    """
    if _cluster(self).deletion_protection:
        raise fault("InvalidParameterCombination",
                    "Cannot delete protected Cluster, please disable deletion protection and try again.")


@check("cluster-snapshot-choice", RDSResponse, "delete_db_cluster")
def a_last_snapshot_or_none(self: RDSResponse) -> None:
    """SkipFinalSnapshot or FinalDBSnapshotIdentifier, never both or neither: InvalidParameterCombination.

    Source: RDS API Reference, DeleteDBCluster
    """
    skip, snapshot = bool(self.params.get("SkipFinalSnapshot")), self.params.get("FinalDBSnapshotIdentifier")
    if skip and snapshot:
        raise fault("InvalidParameterCombination",
                    "FinalDBSnapshotIdentifier can not be specified when SkipFinalSnapshot is specified.")
    if not skip and not snapshot:
        raise fault("InvalidParameterCombination",
                    "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.")


# Instances -----------------------------------------------------------------------------------------------------------


@operation("instance-deletion", RDSResponse, "delete_db_instance")
def delete_db_instance(self: RDSResponse) -> ActionResult:
    """A deleted Aurora instance shows deleting for minutes, and is gone then; another one of its cluster writes.

    Source: RDS API Reference, DeleteDBInstance; Aurora User Guide, Viewing DB instance status
    """
    if (instance := _instance(self)) is None:
        answer: ActionResult = _delete_instance_as_moto_does(self)
        return answer
    goes(instance.arn, seconds("instance-delete"), lambda: _remove_instance(instance))
    _hand_over(instance)
    return ActionResult({"DBInstance": instance})


def _hand_over(instance: DBInstanceClustered) -> None:
    others = instances_of(instance.cluster)
    if instance.is_cluster_writer and others:
        instance.is_cluster_writer = False
        min(others, key=lambda other: int(other.promotion_tier)).is_cluster_writer = True


def _remove_instance(instance: DBInstanceClustered) -> None:
    backend, name = instance.backend, instance.db_instance_identifier
    backend.databases.pop(name, None)
    aurora_interfaces.detach(instance)
    for key, snapshot in list(backend.database_snapshots.items()):
        if snapshot.db_instance_identifier == name and snapshot.snapshot_type == "automated":
            backend.database_snapshots.pop(key)


@check("last-instance-of-a-source", RDSResponse, "delete_db_instance")
def a_primary_keeps_an_instance_while_it_is_copied(self: RDSResponse) -> None:
    """The last instance of a primary with secondaries stays: InvalidDBClusterStateFault.

    Source: Terraform provider: aws_rds_cluster_instance, "Delete the replica cluster before deleting the last"
    """
    if (instance := _instance(self)) is None:
        return
    known = store.of_cluster(instance.cluster.arn)
    if (known and store.is_writer(instance.cluster) and len(known.members) > 1
            and instances_of(instance.cluster) == [instance]):
        raise fault("InvalidDBClusterStateFault", "Cannot delete the last instance of the master cluster. Delete the "
                    "replica cluster before deleting the last master cluster instance.")


@check("instance-still-coming", RDSResponse, "delete_db_instance")
def one_that_is_being_created_stays(self: RDSResponse) -> None:
    """An instance that is being created is not deleted: InvalidDBInstanceState.

    Source: RDS API Reference, DeleteDBInstance
    """
    if (instance := _instance(self)) and instance.status == "creating":
        raise fault("InvalidDBInstanceState",
                    f"Instance {instance.db_instance_identifier} is currently creating: try again later.")


@check("instance-going-already", RDSResponse, "delete_db_instance")
def one_that_goes_is_not_deleted_again(self: RDSResponse) -> None:
    """An instance that is being deleted is refused: InvalidDBInstanceState, "is already being deleted".

    Source: Terraform provider: aws_rds_cluster_instance
    """
    if (instance := _instance(self)) and instance.status == "deleting":
        raise fault("InvalidDBInstanceState", f"Instance {instance.db_instance_identifier} is already being deleted.")


@check("instance-without-snapshot", RDSResponse, "delete_db_instance")
def no_last_snapshot_of_an_aurora_instance(self: RDSResponse) -> None:
    """An instance of a cluster has no final snapshot of its own: InvalidParameterCombination.

    Source: RDS API Reference, DeleteDBInstance, FinalDBSnapshotIdentifier
    """
    if _instance(self) and self.params.get("FinalDBSnapshotIdentifier"):
        raise fault("InvalidParameterCombination",
                    "FinalDBSnapshotIdentifier can not be specified when deleting a cluster instance")
