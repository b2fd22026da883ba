"""New clusters with the data of others: clones, restores to a point in time, restores of snapshots.

Of the rules around one method the last installed is asked first; those around `create_db_cluster` hold for what is
restored, too.
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.rds.models import DBCluster, RDSBackend
from moto.rds.responses import RDSResponse
from moto.rds.utils import split_arn

from drctl.aws.durations import seconds
from drctl.lab import aurora_store as store
from drctl.lab.aurora_snapshots import move, require_snapshot
from drctl.lab.aurora_states import available_instances, check, fault, passes_through, require_available
from drctl.lab.aurora_versions import DEFAULT
from drctl.lab.rules import Wrapped, hide, operation, rule

#: Settings that both calls take as CreateDBCluster does: name of the parameter, argument of moto.
_SETTINGS = {"DBSubnetGroupName": "db_subnet_group_name", "VpcSecurityGroupIds": "vpc_security_group_ids",
             "DBClusterParameterGroupName": "db_cluster_parameter_group_name", "Tags": "tags", "Port": "port",
             "DeletionProtection": "deletion_protection", "CopyTagsToSnapshot": "copy_tags_to_snapshot",
             "BackupRetentionPeriod": "backup_retention_period", "EngineVersion": "engine_version",
             "EnableCloudwatchLogsExports": "enable_cloudwatch_logs_exports", "KmsKeyId": "kms_key_id",
             "ServerlessV2ScalingConfiguration": "serverless_v2_scaling_configuration"}


def _source(self: RDSResponse) -> DBCluster:
    named = str(self.params["SourceDBClusterIdentifier"])
    if named.startswith("arn:") and split_arn(named)[0] == self.region:
        named = split_arn(named)[3]
    found: DBCluster = self.backend.describe_db_clusters(named)[0]
    return found


def _is_clone(self: RDSResponse) -> bool:
    return bool(self.params.get("RestoreType") == "copy-on-write")


def _make(self: RDSResponse, model: DBCluster, **own: Any) -> DBCluster:
    """A cluster in no global cluster, with the data, user, password and database of `model`."""
    asked = {argument: self.params[name] for name, argument in _SETTINGS.items() if self.params.get(name) is not None}
    kwargs = {"db_cluster_identifier": self.params["DBClusterIdentifier"], "engine": model.engine,
              "engine_version": model.engine_version, "master_username": model.master_username,
              "master_user_password": getattr(model, "_master_user_password", "") or "",
              "database_name": model.database_name, "storage_encrypted": model.storage_encrypted,
              "kms_key_id": model.kms_key_id if model.storage_encrypted else None,
              "backup_retention_period": model.backup_retention_period, **own, **asked}
    cluster: DBCluster = self.backend.create_db_cluster(kwargs)
    cluster.__dict__["_lab_restored"] = True
    return cluster


# Clones and points in time -------------------------------------------------------------------------------------------


@operation("cluster-to-a-point-in-time", RDSResponse, "restore_db_cluster_to_point_in_time")
def restore_to_a_point_in_time(self: RDSResponse) -> ActionResult:
    """A cluster of its own with another's data of now: a clone after minutes, a full copy after more.

    It has the source's settings but for what is given, the default security group, and is in no global cluster.
    Source: RDS API Reference, RestoreDBClusterToPointInTime; Aurora User Guide, Cloning a volume for an Aurora cluster
    """
    source = _source(self)
    own = {"serverless_v2_scaling_configuration": source.serverless_v2_scaling_configuration}
    if source.db_subnet_group_name in self.backend.subnet_groups:
        own["db_subnet_group_name"] = source.db_subnet_group_name
    cluster = _make(self, source, **own)
    passes_through(cluster.arn, [(seconds("cluster-clone" if _is_clone(self) else "snapshot-restore"), "creating")])
    move("clone", source.arn, cluster.arn)
    return ActionResult({"DBCluster": cluster})


@check("clone-of-a-secondary", RDSResponse, "restore_db_cluster_to_point_in_time")
def a_secondary_is_not_cloned(self: RDSResponse) -> None:
    """A secondary of a global database is not cloned: InvalidDBClusterStateFault.

    No document says whether AWS clones one, nor with which code it would refuse: the lab refuses, so that whoever wants
    a copy has another way. `--without clone-of-a-secondary` lets it be cloned.
    Source: Aurora User Guide, Cloning a volume for an Aurora cluster: limitations are silent about global databases
    """
    source = _source(self)
    if _is_clone(self) and not store.is_writer(source):
        raise fault("InvalidDBClusterStateFault", f"DbCluster {source.db_cluster_identifier} is a secondary cluster of "
                    "a global database and cannot be cloned.")


@check("clone-needs-an-instance", RDSResponse, "restore_db_cluster_to_point_in_time")
def a_cluster_without_instances_is_not_cloned(self: RDSResponse) -> None:
    """A cluster is cloned when an instance of it is available: otherwise InvalidDBClusterStateFault.

    The guide names no code.
    Source: Aurora User Guide, Cloning a volume for an Aurora cluster, limitations: at least one DB instance
    """
    source = _source(self)
    if _is_clone(self) and not available_instances(source):
        raise fault("InvalidDBClusterStateFault",
                    f"DbCluster {source.db_cluster_identifier} has no DB instance and cannot be cloned.")


@check("restore-source-available", RDSResponse, "restore_db_cluster_to_point_in_time")
def its_source_is_available(self: RDSResponse) -> None:
    """A source is a cluster of the Region (DBClusterNotFoundFault) that is available (InvalidDBClusterStateFault).

    Source: RDS API Reference, RestoreDBClusterToPointInTime, SourceDBClusterIdentifier
    """
    require_available(_source(self))


@check("one-point-in-time", RDSResponse, "restore_db_cluster_to_point_in_time")
def one_point_in_time(self: RDSResponse) -> None:
    """RestoreToTime or UseLatestRestorableTime, and never a time for a clone: InvalidParameterCombination.

    Source: RDS API Reference, RestoreDBClusterToPointInTime, RestoreToTime
    """
    moment, latest = self.params.get("RestoreToTime"), self.params.get("UseLatestRestorableTime")
    if bool(moment) == bool(latest) or (moment and _is_clone(self)):
        raise fault("InvalidParameterCombination", "Either RestoreToTime or UseLatestRestorableTime must be specified, "
                    "and RestoreToTime not with RestoreType copy-on-write.")


# Snapshots -----------------------------------------------------------------------------------------------------------


@operation("cluster-from-a-snapshot", RDSResponse, "restore_db_cluster_from_snapshot")
def restore_from_snapshot(self: RDSResponse) -> ActionResult:
    """A cluster of its own with a snapshot's data, of the default version and settings but for what is given.

    It shows creating for many minutes.
    Source: RDS API Reference, RestoreDBClusterFromSnapshot
    """
    snapshot = require_snapshot(self.backend, self.params["SnapshotIdentifier"])
    cluster = _make(self, snapshot.cluster, engine_version=DEFAULT, kms_key_id=snapshot.kms_key_id
                    if snapshot.encrypted else None)
    passes_through(cluster.arn, [(seconds("snapshot-restore"), "creating")])
    move("load", snapshot.arn, cluster.arn)
    return ActionResult({"DBCluster": cluster})


@check("restore-version", RDSResponse, "restore_db_cluster_from_snapshot")
def a_restored_cluster_is_not_of_an_older_version(self: RDSResponse) -> None:
    """A snapshot is restored into a cluster of its own engine: otherwise InvalidParameterCombination.

    Source: RDS API Reference, RestoreDBClusterFromSnapshot, Engine: compatible with the engine of the source
    """
    snapshot = require_snapshot(self.backend, self.params["SnapshotIdentifier"])
    if self.params.get("Engine") != snapshot.engine:
        raise fault("InvalidParameterCombination",
                    f"Engine {self.params.get('Engine')} does not match that of the snapshot, {snapshot.engine}.")


# Both ----------------------------------------------------------------------------------------------------------------


@rule("restored-cluster-visible-late", RDSResponse, "restore_db_cluster_to_point_in_time",
      "restore_db_cluster_from_snapshot")
def a_restored_cluster_is_not_found_at_once(proceed: Wrapped, _: RDSResponse) -> Any:
    """A cluster just restored is DBClusterNotFoundFault for seconds, and lists do not have it.

    Source: Terraform provider: aws_rds_cluster, not found is tolerated while it waits for available
    """
    answer = proceed()
    hide(answer.result["DBCluster"], seconds("database-visible"))
    return answer


@check("restored-before-its-instances", RDSBackend, "create_db_instance")
def instances_come_after_the_restore(self: RDSBackend, db_kwargs: Any) -> None:
    """A restored cluster gets instances when it is available: otherwise InvalidDBClusterStateFault.

    Source: RDS API Reference, RestoreDBClusterFromSnapshot: instances only after the cluster is available
    """
    cluster = self.clusters.get(db_kwargs.get("db_cluster_identifier") or "")
    if cluster is not None and cluster.__dict__.get("_lab_restored"):
        require_available(cluster)
