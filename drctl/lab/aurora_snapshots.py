"""Snapshots of Aurora clusters: how long they come and go, what is refused, and the one that a lost tail is saved in.

Of the rules around one method the last installed is asked first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal

from moto.core.utils import utcnow
from moto.rds.models import DBCluster, DBClusterSnapshot, RDSBackend
from moto.rds.responses import RDSResponse
from moto.rds.utils import split_arn

from drctl.aws.durations import seconds
from drctl.lab.aurora_states import check, fault, goes, passes_through, require_available, stage
from drctl.lab.rules import Wrapped, is_on, layer_rule, rule

log = logging.getLogger(__name__)

#: What becomes of data: a cluster's clone of another, a snapshot of a cluster, a copy of a snapshot, a cluster from a
#: snapshot, a snapshot that is gone.
Move = Literal["clone", "save", "copy", "load", "forget"]
#: Called at the moment of each move with its kind, the ARN that the data comes from and the one it goes to.
ON_DATA: list[Callable[[Move, str, str], None]] = []
#: Name of the automated snapshot of what a failover left behind.
RESCUE = "rds:unplanned-global-failover-{cluster}-{time:%Y-%m-%d-%H-%M-%S}"


def move(kind: Move, source: str, target: str = "") -> None:
    """Tell everyone that data goes from one ARN to another."""
    for listener in ON_DATA:
        try:
            listener(kind, source, target)
        except Exception:
            log.exception("what follows the %s of %s failed", kind, source)


def require_snapshot(backend: RDSBackend, named: str) -> DBClusterSnapshot:
    """The available snapshot of that name or ARN, of the same Region; refuses others as RDS does."""
    if named.startswith("arn:") and split_arn(named)[0] != backend.region_name:
        raise fault("DBClusterSnapshotNotFoundFault", f"DBClusterSnapshot {named} not found.")
    found: DBClusterSnapshot = backend.get_db_cluster_snapshot(named)
    _require_state(found)
    return found


def _require_state(snapshot: DBClusterSnapshot) -> None:
    if snapshot.status != "available":
        raise fault("InvalidDBClusterSnapshotStateFault", f"The DB cluster snapshot "
                    f"{snapshot.db_cluster_snapshot_identifier} is in {snapshot.status} state, not available.")


# Coming --------------------------------------------------------------------------------------------------------------


@rule("snapshot-states", RDSBackend, "create_db_cluster_snapshot")
def a_snapshot_is_creating_for_a_while(
        proceed: Wrapped, self: RDSBackend, db_cluster_identifier: str, db_cluster_snapshot_identifier: str,
        snapshot_type: str = "manual", tags: Any = None) -> DBClusterSnapshot:
    """A snapshot asked for shows creating for minutes; it holds the data of the moment at which it was asked for.

    Source: Aurora User Guide, Creating a DB cluster snapshot; RDS API Reference, DBClusterSnapshot
    """
    snapshot: DBClusterSnapshot = proceed(db_cluster_identifier, db_cluster_snapshot_identifier, snapshot_type, tags)
    if snapshot_type == "manual":
        passes_through(snapshot.arn, [(seconds("snapshot-create"), "creating")])
    move("save", self.clusters[db_cluster_identifier].arn, snapshot.arn)
    return snapshot


@check("snapshot-of-an-available-cluster", RDSResponse, "create_db_cluster_snapshot")
def only_an_available_cluster_is_saved(self: RDSResponse) -> None:
    """A snapshot is taken of a cluster that exists and is available: otherwise InvalidDBClusterStateFault.

    Refuses with DBClusterNotFoundFault where there is none.
    Source: RDS API Reference, CreateDBClusterSnapshot; Aurora User Guide, Creating a DB cluster snapshot
    """
    require_available(self.backend.describe_db_clusters(self.params["DBClusterIdentifier"])[0])


@check("snapshot-identifier", RDSResponse, "create_db_cluster_snapshot", "copy_db_cluster_snapshot")
def a_snapshot_identifier_keeps_the_rules(self: RDSResponse) -> None:
    """1 to 63 letters, digits and hyphens, a letter first, no two hyphens together, none at the end.

    Refuses with InvalidParameterValue.
    Source: RDS API Reference, CreateDBClusterSnapshot, DBClusterSnapshotIdentifier
    """
    name = self.params.get("DBClusterSnapshotIdentifier") or self.params.get("TargetDBClusterSnapshotIdentifier")
    try:
        self.backend._validate_db_identifier(name)
    except Exception:
        raise fault("InvalidParameterValue",
                    "The parameter DBClusterSnapshotIdentifier is not a valid identifier.") from None


# Copies --------------------------------------------------------------------------------------------------------------


@rule("snapshot-copying", RDSBackend, "copy_db_cluster_snapshot")
def a_copy_takes_a_while(proceed: Wrapped, self: RDSBackend, **asked: Any) -> DBClusterSnapshot:
    """A copy shows copying for minutes and is a manual snapshot, also of an automated one.

    Source: RDS API Reference, CopyDBClusterSnapshot; Aurora User Guide, Copying a DB cluster snapshot
    """
    source = self.get_db_cluster_snapshot(asked["source_db_cluster_snapshot_identifier"])
    copied: DBClusterSnapshot = proceed(**asked)
    copied.source_db_cluster_snapshot_arn = source.arn
    passes_through(copied.arn, [(seconds("snapshot-copy"), "copying")])
    move("copy", source.arn, copied.arn)
    return copied


@check("snapshot-copy-source", RDSResponse, "copy_db_cluster_snapshot")
def only_an_available_snapshot_is_copied(self: RDSResponse) -> None:
    """A source is there (else DBClusterSnapshotNotFoundFault) and available (else InvalidDBClusterSnapshotStateFault).

    Source: RDS API Reference, CopyDBClusterSnapshot, SourceDBClusterSnapshotIdentifier
    """
    _require_state(self.backend.get_db_cluster_snapshot(self.params["SourceDBClusterSnapshotIdentifier"]))


@check("snapshot-copy-key", RDSResponse, "copy_db_cluster_snapshot")
def an_encrypted_copy_has_a_key_of_its_region(self: RDSResponse) -> None:
    """An encrypted snapshot is copied to another Region under a key of that Region: else KMSKeyNotAccessibleFault.

    Source: RDS API Reference, CopyDBClusterSnapshot, KmsKeyId
    """
    source = self.backend.get_db_cluster_snapshot(self.params["SourceDBClusterSnapshotIdentifier"])
    if source.encrypted and source.region != self.region and not self.params.get("KmsKeyId"):
        raise fault("KMSKeyNotAccessibleFault",
                    f"The source snapshot KMS key [{source.kms_key_id}] does not exist in {self.region}.")


# Reading -------------------------------------------------------------------------------------------------------------


@rule("automated-snapshots-by-type", RDSBackend, "describe_db_cluster_snapshots")
def an_automated_snapshot_is_asked_for_as_one(
        proceed: Wrapped, _: RDSBackend, db_cluster_identifier: str | None, db_snapshot_identifier: str,
        snapshot_type: str | None = None, filters: Any = None) -> list[DBClusterSnapshot]:
    """By its identifier an automated snapshot is found with its type alone: otherwise DBClusterSnapshotNotFoundFault.

    Source: RDS API Reference, DescribeDBClusterSnapshots, DBClusterSnapshotIdentifier
    """
    any_type = not snapshot_type and "snapshot-type" not in (filters or {})  # moto adds to the filters
    found: list[DBClusterSnapshot] = proceed(db_cluster_identifier, db_snapshot_identifier, snapshot_type, filters)
    if db_snapshot_identifier and any_type:
        found = [one for one in found if one.snapshot_type == "manual"]
        if not found:
            raise fault("DBClusterSnapshotNotFoundFault", f"DBClusterSnapshot {db_snapshot_identifier} not found.")
    return found


# Going ---------------------------------------------------------------------------------------------------------------


@rule("snapshot-deletion", RDSBackend, "delete_db_cluster_snapshot")
def a_snapshot_goes_after_a_while(_: Wrapped, self: RDSBackend, db_snapshot_identifier: str) -> DBClusterSnapshot:
    """A deleted snapshot shows deleting for some seconds, and is gone then.

    Source: RDS API Reference, DeleteDBClusterSnapshot; field experience
    """
    snapshot: DBClusterSnapshot = self.get_db_cluster_snapshot(db_snapshot_identifier)
    goes(snapshot.arn, seconds("snapshot-delete"), lambda: _remove(self, snapshot))
    return snapshot


def _remove(backend: RDSBackend, snapshot: DBClusterSnapshot) -> None:
    move("forget", snapshot.arn)
    backend.cluster_snapshots.pop(snapshot.db_cluster_snapshot_identifier, None)


@check("snapshot-available-to-delete", RDSResponse, "delete_db_cluster_snapshot")
def only_an_available_snapshot_is_deleted(self: RDSResponse) -> None:
    """A snapshot is deleted when it is available: otherwise InvalidDBClusterSnapshotStateFault.

    Source: RDS API Reference, DeleteDBClusterSnapshot
    """
    _require_state(self.backend.get_db_cluster_snapshot(self.params["DBClusterSnapshotIdentifier"]))


@check("automated-snapshots-stay", RDSResponse, "delete_db_cluster_snapshot")
def an_automated_snapshot_is_not_deleted(self: RDSResponse) -> None:
    """An automated snapshot goes with its cluster or its retention: deleting it is InvalidDBClusterSnapshotStateFault.

    Source: Terraform provider: RDS sweepers, "Only manual snapshots may be deleted"
    """
    if self.backend.get_db_cluster_snapshot(self.params["DBClusterSnapshotIdentifier"]).snapshot_type != "manual":
        raise fault("InvalidDBClusterSnapshotStateFault", "Only manual snapshots may be deleted.")


# The lost tail -------------------------------------------------------------------------------------------------------


@layer_rule("rescue-snapshot")
def save_the_tail(cluster: DBCluster) -> None:
    """Before an old primary is rebuilt its volume is saved as an automated snapshot that holds the lost tail.

    It expires with that cluster's retention. AWS tries; it does not promise.
    Source: Aurora User Guide, Recovering an Amazon Aurora global database from an unplanned outage
    """
    if not is_on("rescue-snapshot"):
        return
    name = RESCUE.format(cluster=cluster.db_cluster_identifier, time=utcnow())
    if name not in cluster.backend.cluster_snapshots:  # the lab's own seconds are real ones, and may be the same
        snapshot = cluster.backend.create_auto_cluster_snapshot(cluster.db_cluster_identifier, name)
        passes_through(snapshot.arn, [(seconds("snapshot-create"), "creating")])


def _status(self: DBClusterSnapshot) -> str:
    return stage(self.arn) or "available"


def _set_status(self: DBClusterSnapshot, value: str) -> None:
    """moto's own status is always the last one."""


def _progress(self: DBClusterSnapshot) -> int:
    return 0 if self.status in {"creating", "copying"} else 100


def _set_progress(self: DBClusterSnapshot, value: int) -> None:
    """moto's own snapshots are always whole."""


DBClusterSnapshot.status = property(_status, _set_status)
DBClusterSnapshot.percent_progress = property(_progress, _set_progress)
