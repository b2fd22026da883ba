"""A copy of the database for a while: a cluster of its own, cloned or restored, in no global cluster."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from drctl.aws.errors import Refusal, absent_is_fine, already, code_of, message_of, or_none
from drctl.aws.tags import as_list, as_map, is_ours, refuse_foreign
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.waiting import minutes
from drctl.errors import DrctlError
from drctl.steps import log_group
from drctl.steps.cluster import CLUSTER_CHANGE, LOGS, SERVERLESS, Cluster
from drctl.steps.cluster_snapshot import SnapshotOut
from drctl.steps.cluster_state import ClusterOut, dead_end, out_of
from drctl.steps.database_groups import DatabaseGroups
from drctl.steps.database_instances import DatabaseInstances
from drctl.steps.global_cluster import ENGINE
from drctl.steps.key import Key
from drctl.steps.steady import PAUSE, steadily
from drctl.steps.temporary_groups import TemporaryGroups

#: Groups and keys just made.
NOT_YET = (Refusal("KMSKeyNotAccessibleFault"), Refusal("DBSubnetGroupNotFoundFault"),
           Refusal("DBClusterParameterGroupNotFound"))
#: How AWS may say that it does not clone this cluster: no document tells, so every answer counts that is about what was
#: asked for and not about how much there is of it.
NOT_CLONED = frozenset({"InvalidDBClusterStateFault", "InvalidGlobalClusterStateFault", "InvalidRestoreFault",
                        "InvalidParameterCombination", "InvalidParameterValue", "UnsupportedOperation",
                        "OperationNotSupported"})
BUSY = (Refusal("InvalidDBClusterStateFault"),)


class CloneRefused(DrctlError):
    """AWS does not clone this cluster; its words are in the message."""


@dataclass(frozen=True, eq=False)
class TemporaryCluster(Step[ClusterOut]):
    """One cluster, found by its identifier, with subnet and parameter groups of its region.

    `origin` says where the data comes from: the cluster of given instances is cloned (without one it cannot be), a
    snapshot (`ClusterSnapshot`, `GivenSnapshot`) is restored. `ensure` raises CloneRefused when AWS does not clone.
    """

    waits = ("snapshot-restore",)

    label: str
    origin: Step[Any]
    groups: DatabaseGroups
    security: TemporaryGroups
    encryption_key: Key

    @property
    def purpose(self) -> str:
        return self.label

    def cluster_id(self, run: Run) -> str:
        """Identifier of the cluster."""
        return run.name("aurora", self.label, self.site)

    def _seen(self, run: Run) -> Any:
        answer: Any = or_none(lambda: run.at(self.site).rds.describe_db_clusters(
            DBClusterIdentifier=self.cluster_id(run)))
        return answer["DBClusters"][0] if answer else None

    def find(self, run: Run) -> ClusterOut | None:
        seen = self._seen(run)
        if (seen is None or seen["Status"] == "deleting"
                or not is_ours(as_map(seen.get("TagList")), run.settings.environment)):
            return None
        return out_of(seen, None)

    def ensure(self, run: Run) -> ClusterOut:
        out = run.found(self)
        if out is None:
            self._create(run)
        if out is None or out.status != "available":
            out = run.wait_until(
                f"the {self.label} copy is available", lambda: self.find(run), steadily(
                    lambda seen: seen is not None and seen.status == "available"), within=CLUSTER_CHANGE, every=PAUSE,
                failed=lambda seen: dead_end(seen.status) if seen else None,
                show=lambda seen: seen.status if seen else "not visible yet") or run.output(self)
        return out

    # Creating ----------------------------------------------------------------------------------------------------

    def _create(self, run: Run) -> None:
        if (seen := self._seen(run)) and seen["Status"] != "deleting":
            self._refuse_a_foreign(run, seen)
        self._wait_until_gone(run)
        with already(Refusal("DBClusterAlreadyExistsFault")):
            if isinstance(self.origin, DatabaseInstances):
                self._clone(run, self.origin.cluster)
            else:
                self._restore(run, run.output(self.origin))

    def _wanted(self, run: Run) -> dict[str, Any]:
        """What both calls take; it is kept a day at least, which is the shortest that AWS has."""
        name, database = self.cluster_id(run), run.settings.database
        scaling = {"MinCapacity": database.min_acu, "MaxCapacity": database.max_acu}
        return {"DBClusterIdentifier": name, "DBSubnetGroupName": run.output(self.groups).subnet_group,
                "DBClusterParameterGroupName": run.output(self.groups).cluster_parameters,
                "VpcSecurityGroupIds": [run.output(self.security).database], "BackupRetentionPeriod": 1,
                "KmsKeyId": run.output(self.encryption_key).arn, "DeletionProtection": False,
                "CopyTagsToSnapshot": False, "Tags": as_list(run.tags(self.site, name)),
                **({"ServerlessV2ScalingConfiguration": scaling} if database.instance_class == SERVERLESS else {})}

    def _clone(self, run: Run, source: Cluster) -> None:
        """A source that is busy is waited for, so that a refusal means what it says."""
        rds, name, of = run.at(self.site).rds, self.cluster_id(run), source.cluster_id(run)
        run.wait_until(f"{of} can be cloned", lambda: source.find(run),
                       lambda seen: seen is not None and seen.status == "available", within=minutes(15),
                       show=lambda seen: seen.status if seen else "not visible")
        try:
            run.retry(f"{name} can be made", lambda: rds.restore_db_cluster_to_point_in_time(
                SourceDBClusterIdentifier=of, RestoreType="copy-on-write", UseLatestRestorableTime=True,
                **self._wanted(run)), NOT_YET, within=minutes(15))
        except ClientError as error:
            if code_of(error) not in NOT_CLONED:
                raise
            raise CloneRefused(f"{of} is not cloned: {code_of(error)}: {message_of(error)}",
                               next_step="restore a snapshot of it") from error

    def _restore(self, run: Run, snapshot: SnapshotOut) -> None:
        rds, name = run.at(self.site).rds, self.cluster_id(run)
        run.retry(f"{name} can be made", lambda: rds.restore_db_cluster_from_snapshot(
            SnapshotIdentifier=snapshot.id, Engine=ENGINE, EngineVersion=snapshot.engine_version, **self._wanted(run)),
            NOT_YET, within=minutes(15))

    def _refuse_a_foreign(self, run: Run, seen: Any) -> None:
        refuse_foreign("cluster", f"{seen['DBClusterIdentifier']} in {self.region}", as_map(seen.get("TagList")),
                       run.settings.environment)

    def verify(self, run: Run, out: ClusterOut) -> Iterable[Finding]:
        if out.status != "available":
            yield Finding(f"cluster {out.id} is {out.status}", mend="wait until it is available")
        if out.settings["VpcSecurityGroupIds"] != [run.output(self.security).database]:
            yield Finding(f"cluster {out.id} carries other groups than the {self.label} copy's own", mend="remove it")

    # Going -------------------------------------------------------------------------------------------------------

    def destroy(self, run: Run) -> None:
        """From any state; a log that RDS may have made for it goes with it."""
        if seen := self._seen(run):
            self._refuse_a_foreign(run, seen)
            if seen["Status"] != "deleting":
                with absent_is_fine():
                    run.retry(f"{self.cluster_id(run)} can be deleted", lambda: self._delete_unless_going(run), BUSY,
                              within=CLUSTER_CHANGE)
            self._wait_until_gone(run)
        log_group.remove(run, self.site, f"/aws/rds/cluster/{self.cluster_id(run)}/{LOGS[0]}", untagged_is_ours=True)

    def _delete_unless_going(self, run: Run) -> None:
        if (seen := self._seen(run)) and seen["Status"] != "deleting":
            run.at(self.site).rds.delete_db_cluster(
                DBClusterIdentifier=self.cluster_id(run), SkipFinalSnapshot=True, DeleteAutomatedBackups=True)

    def _wait_until_gone(self, run: Run) -> None:
        run.wait_until(f"the {self.label} copy is gone", lambda: self._seen(run), lambda seen: seen is None,
                       within=CLUSTER_CHANGE, show=lambda seen: seen["Status"] if seen else "gone")

    def resources(self, out: ClusterOut) -> Iterable[Resource]:
        yield Resource("rds:cluster", out.arn, self.region)
