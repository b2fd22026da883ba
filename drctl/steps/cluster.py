"""What the two Aurora clusters have in common: both carry the same settings, and either may be the one that writes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, already, is_gone
from drctl.aws.tags import as_list, as_map, is_ours
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.usage import Use
from drctl.engine.waiting import minutes
from drctl.errors import NotOurs, Refused
from drctl.steps import log_group
from drctl.steps.cluster_state import ClusterOut, dead_end, out_of
from drctl.steps.database_groups import DatabaseGroups
from drctl.steps.global_cluster import ENGINE, GlobalCluster, GlobalClusterOut, refuse_protected
from drctl.steps.key import Key
from drctl.steps.security_groups import SecurityGroups
from drctl.steps.steady import PAUSE, steadily

SERVERLESS = "db.serverless"
LOGS = ("postgresql",)
#: Terraform provider: aws_rds_cluster, 120 min to create, change or delete.
CLUSTER_CHANGE = minutes(120)
#: Busy, a key or group just made, or a writer instance that cannot feed a second region yet.
NOT_YET = (Refusal("InvalidDBClusterStateFault"), Refusal("InvalidGlobalClusterStateFault"),
           Refusal("KMSKeyNotAccessibleFault"), Refusal("DBSubnetGroupNotFoundFault"),
           Refusal("DBClusterParameterGroupNotFound"), Refusal("DBParameterGroupNotFound"))
BUSY = (Refusal("InvalidDBClusterStateFault"), Refusal("InvalidGlobalClusterStateFault"))


class Cluster(Step[ClusterOut]):
    """One cluster, found by its identifier, which has the region in it: members' identifiers must differ."""

    waits_to_change = ("cluster-modify",)

    global_cluster: GlobalCluster
    groups: DatabaseGroups
    security: SecurityGroups
    encryption_key: Key

    @abstractmethod
    def origin(self, run: Run, members: GlobalClusterOut) -> dict[str, Any]:
        """Arguments of CreateDBCluster that say where the data comes from."""

    def cluster_id(self, run: Run) -> str:
        """Identifier of the cluster."""
        return run.name("aurora", "cluster", self.site)

    def _seen(self, run: Run) -> Any:
        """What AWS shows under our name, whoever made it."""
        rds = run.at(self.site).rds
        try:
            return rds.describe_db_clusters(DBClusterIdentifier=self.cluster_id(run))["DBClusters"][0]
        except rds.exceptions.ClientError as error:
            if is_gone(error):
                return None
            raise

    def _refuse_a_foreign(self, run: Run, seen: Any) -> None:
        if not is_ours(as_map(seen.get("TagList")), run.settings.environment):
            raise NotOurs(f"cluster {seen['DBClusterIdentifier']} in {self.region} exists and does not belong to this "
                          "stack", next_step="delete it, or choose another environment name")

    def find(self, run: Run) -> ClusterOut | None:
        seen = self._seen(run)
        if (seen is None or seen["Status"] == "deleting"
                or not is_ours(as_map(seen.get("TagList")), run.settings.environment)):
            return None
        return out_of(seen, log_group.find(run, self.site, self._log_group(run)))

    def _log_group(self, run: Run) -> str:
        """RDS makes this group when it is missing, without retention, key or tags, and never deletes it."""
        return f"/aws/rds/cluster/{self.cluster_id(run)}/{LOGS[0]}"

    def ensure(self, run: Run) -> ClusterOut:
        out, key = run.found(self), run.output(self.encryption_key).arn
        if out is not None:
            self._refuse_what_cannot_change(run, out)
        if out is not None and not log_group.is_as_wanted(run, out.logs, key):
            self._ensure_logs(run)
        if out is None:
            self._create(run)
        if out is None or out.status != "available":
            out = self._available(run)
        if changes := self._changes(run, out):
            self._modify(run, changes)
        return out

    # Creating ----------------------------------------------------------------------------------------------------

    def _create(self, run: Run) -> None:
        if (seen := self._seen(run)) and seen["Status"] != "deleting":
            self._refuse_a_foreign(run, seen)
        self._wait_until_gone(run)
        self._ensure_logs(run)
        rds, name = run.at(self.site).rds, self.cluster_id(run)
        members = run.refresh(self.global_cluster) or run.output(self.global_cluster)
        given: dict[str, Any] = {
            **self.wanted(run), "DBClusterIdentifier": name, "Engine": ENGINE, "EngineVersion": members.engine_version,
            "GlobalClusterIdentifier": members.id, "StorageEncrypted": True,
            "KmsKeyId": run.output(self.encryption_key).arn, "DBSubnetGroupName": run.output(self.groups).subnet_group,
            "EnableCloudwatchLogsExports": list(LOGS), **self.origin(run, members)}
        with already(Refusal("DBClusterAlreadyExistsFault")):
            run.retry(f"{name} can be made", lambda: rds.create_db_cluster(
                **{"Tags": as_list(run.tags(self.site, name)), **given}), NOT_YET, within=minutes(15))
        self._available(run)
        run.refresh(self.global_cluster)

    def _ensure_logs(self, run: Run) -> None:
        log_group.ensure(run, self.site, self._log_group(run), run.output(self.encryption_key).arn,
                         untagged_is_ours=True)

    def _available(self, run: Run) -> ClusterOut:
        return run.wait_until(
            f"cluster {self.cluster_id(run)} is available", lambda: self.find(run),
            steadily(lambda seen: seen is not None and seen.status == "available"), within=CLUSTER_CHANGE, every=PAUSE,
            failed=lambda seen: dead_end(seen.status) if seen else None,
            show=lambda seen: seen.status if seen else "not visible yet") or run.output(self)

    # Settings ----------------------------------------------------------------------------------------------------

    def wanted(self, run: Run) -> dict[str, Any]:
        """Settings that can be changed in place, as both CreateDBCluster and ModifyDBCluster take them."""
        database = run.settings.database
        scaling = {"MinCapacity": database.min_acu, "MaxCapacity": database.max_acu}
        return {"BackupRetentionPeriod": database.backup_retention_days, "CopyTagsToSnapshot": True,
                "DeletionProtection": run.settings.deletion_protection,
                "DBClusterParameterGroupName": run.output(self.groups).cluster_parameters,
                "VpcSecurityGroupIds": [run.output(self.security).database],
                **({"ServerlessV2ScalingConfiguration": scaling} if database.instance_class == SERVERLESS else {})}

    def _changes(self, run: Run, out: ClusterOut) -> dict[str, Any]:
        """Arguments of ModifyDBCluster that are needed."""
        changes = {name: value for name, value in self.wanted(run).items() if out.settings.get(name) != value}
        if missing := sorted(set(LOGS) - set(out.settings["logs"])):
            changes["CloudwatchLogsExportConfiguration"] = {"EnableLogTypes": missing}
        return changes

    def _modify(self, run: Run, changes: dict[str, Any]) -> None:
        """Change it now and wait until the change is made: the status stays `available` for some seconds first, and a
        new value may be pending (CloudFormation's handlers of AWS::RDS wait for PendingModifiedValues, too).
        """
        rds, name = run.at(self.site).rds, self.cluster_id(run)
        # busy for as long as new parameters of its group, or an earlier change, take (Terraform provider: 5 min)
        run.retry(f"{name} can be changed", lambda: rds.modify_db_cluster(
            DBClusterIdentifier=name, ApplyImmediately=True, **changes), BUSY, within=minutes(10))
        run.wait_until(f"{name} has its settings", lambda: self.find(run), within=CLUSTER_CHANGE, every=PAUSE,
                       ready=steadily(lambda seen: seen is not None and seen.status == "available" and not set(
                           changes) & (set(self._changes(run, seen)) | seen.pending)),
                       failed=lambda seen: dead_end(seen.status) if seen else None,
                       show=lambda seen: seen.status if seen else "not visible")

    def _refuse_what_cannot_change(self, run: Run, out: ClusterOut) -> None:
        if problems := list(self._fixed_differences(run, out)):
            raise Refused(f"cluster {out.id}: {problems[0]}; that cannot be changed without replacing the data",
                          findings=tuple(problems), next_step="put the configuration back, or move the data to a new "
                          "stack: another environment name beside this one")

    def _fixed_differences(self, run: Run, out: ClusterOut) -> Iterable[str]:
        database = run.settings.database
        for what, found, wanted in (("KMS key", out.key, run.output(self.encryption_key).arn),
                                    ("database name", out.database, database.name),
                                    ("master user", out.username, database.username)):
            # a secondary does not have to show what it got by replication
            if found and found != wanted:
                yield f"its {what} is {found}, the configuration says {wanted}"

    def verify(self, run: Run, out: ClusterOut) -> Iterable[Finding]:
        if out.status != "available":
            yield Finding(f"cluster {out.id} is {out.status}", mend="wait until it is available")
        for problem in self._fixed_differences(run, out):
            yield Finding(f"cluster {out.id}: {problem}", mend="put the configuration back")
        for name in self._changes(run, out):
            yield Finding(f"cluster {out.id}: {name} is not as configured")
        if wrong := log_group.difference(run, out.logs, run.output(self.encryption_key).arn):
            yield Finding(f"the log group of cluster {out.id} {wrong}")
        members = run.output(self.global_cluster)
        if members.member(self.region) is None:  # it may have joined since: by a call whose answer was lost
            members = run.refresh(self.global_cluster) or members
        if members.member(self.region) is None:
            yield Finding(f"cluster {out.id} is not in global cluster {members.id}; a cluster can join only when it is "
                          "made", mend=f"delete {out.id} if its data is elsewhere too, then drctl provision")

    # Teardown ----------------------------------------------------------------------------------------------------

    def destroy(self, run: Run) -> None:
        """Works from any state: half made, roles swapped or changing, detached, already going."""
        if seen := self._seen(run):
            self._refuse_a_foreign(run, seen)
            self._take_down(run, seen)
        self._remove_logs(run, late=seen is not None)

    def _take_down(self, run: Run, seen: Any) -> None:
        if seen["Status"] != "deleting":
            refuse_protected(run, f"cluster {self.cluster_id(run)}")
            if seen.get("DBClusterMembers") and (left := self._instances(run)):
                raise Refused(f"cluster {self.cluster_id(run)} has an instance that drctl did not make: {left[0]}",
                              next_step="delete that instance, then the same command again")
            self.global_cluster.dissolve(run)
            self._delete(run)
        self._wait_until_gone(run)

    def remove_alone(self, run: Run, keep_as: str) -> None:
        """Remove a cluster that is in no global cluster, and leave the other region's alone; a last snapshot stays.

        Deletion protection keeps nobody from it: the configuration's setting is that of the writer, too, which must
        stay on. Whoever calls this has proven that nobody works with the cluster, and has had it confirmed by name.
        """
        if (seen := self._seen(run)) is not None:
            self._refuse_a_foreign(run, seen)
            self._delete(run, keep_as)
            self._wait_until_gone(run)
        run.forget(self)

    def _remove_logs(self, run: Run, *, late: bool) -> None:
        """What RDS still holds when the cluster goes arrives `late` and makes the group once more, without tags."""
        def removed() -> bool:
            return log_group.remove(run, self.site, self._log_group(run), untagged_is_ours=True)

        if removed() or late:
            run.wait_until(f"log group {self._log_group(run)} stays away", removed,
                           steadily(lambda again: not again), within=minutes(5), show=lambda again: (
                               "there again" if again else "gone"))

    def _instances(self, run: Run) -> list[str]:
        found = run.at(self.site).rds.describe_db_instances(
            Filters=[{"Name": "db-cluster-id", "Values": [self.cluster_id(run)]}])["DBInstances"]
        return [one["DBInstanceIdentifier"] for one in found
                if one["DBInstanceStatus"] != "deleting"]

    def _delete(self, run: Run, keep_as: str = "") -> None:
        """A cluster that has left is promoted first; its membership is cleared late (Terraform: aws_rds_cluster)."""
        rds, name = run.at(self.site).rds, self.cluster_id(run)
        with absent_is_fine():
            if self._seen_protected(run):
                run.retry(f"{name} can be changed", lambda: rds.modify_db_cluster(
                    DBClusterIdentifier=name, DeletionProtection=False, ApplyImmediately=True), BUSY,
                    within=CLUSTER_CHANGE)
                run.wait_until(f"deletion protection of {name} is off", lambda: self._seen_protected(run),
                               lambda on: not on, within=minutes(10))
            run.retry(f"{name} can be deleted", lambda: self._delete_unless_going(run, keep_as), BUSY,
                      within=CLUSTER_CHANGE)

    def _seen_protected(self, run: Run) -> bool:
        return bool((self._seen(run) or {}).get("DeletionProtection"))

    def _delete_unless_going(self, run: Run, keep_as: str) -> None:
        kept: dict[str, Any] = {"SkipFinalSnapshot": False, "FinalDBSnapshotIdentifier": keep_as} \
            if keep_as else {"SkipFinalSnapshot": True}
        if (seen := self._seen(run)) and seen["Status"] != "deleting":
            run.at(self.site).rds.delete_db_cluster(
                DBClusterIdentifier=self.cluster_id(run), DeleteAutomatedBackups=True, **kept)

    def _wait_until_gone(self, run: Run) -> None:
        run.wait_until(f"cluster {self.cluster_id(run)} is gone", lambda: self._seen(run), lambda seen: seen is None,
                       within=CLUSTER_CHANGE, show=lambda seen: seen["Status"] if seen else "gone")

    def foreseen(self, run: Run, out: ClusterOut | None) -> Mapping[str, Any]:
        """It is made with the version that its global database has, whatever it is to be upgraded to."""
        return {"id": self.cluster_id(run), "engine_version": run.output(self.global_cluster).engine_version}

    def uses(self, run: Run, out: ClusterOut | None) -> Iterable[Use]:
        """Writes are paid where they are made, and once more where they are replicated to."""
        estimate, kind = run.settings.estimate, "io" if self.site.role == "primary" else "replicated"
        yield Use("database storage", "aurora-storage-gb", estimate.database_gb)
        yield Use("database storage", f"aurora-{kind}-million", estimate.database_writes_millions)

    def resources(self, out: ClusterOut) -> Iterable[Resource]:
        yield Resource("rds:cluster", out.arn, self.region)
        if out.logs:
            yield Resource("logs:log-group", out.logs.name, self.region)
