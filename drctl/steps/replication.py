"""Replication of one region's data bucket into the other's; both directions stand from the start, so failback needs
nothing new. Replicas are not replicated again, so two directions make no loop.

AWS accepts a wrong key or role without complaint and then replicates nothing: only an object that arrives proves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, or_none
from drctl.aws.policies import same
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.usage import Use
from drctl.engine.waiting import minutes
from drctl.settings import Site
from drctl.steps.data_bucket import DataBucket
from drctl.steps.key import Key
from drctl.steps.role import Role

RULE_ID = "drctl"
#: Minutes within which S3 replicates 99.9 % of objects; the only value it takes (S3 User Guide, "Replication Time
#: Control").
TIME_CONTROL = {"Minutes": 15}
#: Replication knows of either bucket's versioning, and of a new destination, later than reads do; settings put at once
#: abort each other (Terraform provider: 2 min).
NOT_YET = (Refusal("InvalidRequest", "Versioning must be"), Refusal("OperationAborted"), Refusal("NoSuchBucket"),
           Refusal("InvalidRequest", "Destination bucket must"))
PROPAGATION = minutes(2)


@dataclass(frozen=True)
class ReplicationOut:
    """The replication as it stands: names of both buckets, and the configuration as S3 gives it back."""

    rule_id: str
    target: str
    source: str
    configuration: dict[str, Any]


def policy(run: Run, site: Site, source_key: Key, target_key: Key) -> list[dict[str, Any]]:
    """What the role (service s3.amazonaws.com) that replicates from `site` may do (S3 User Guide, "Setting up
    permissions for live replication" and "Replicating encrypted objects")."""
    other = run.settings.other(site)
    source, target = (f"arn:aws:s3:::{run.name('s3', DataBucket.label, place)}" for place in (site, other))
    return [
        {"Sid": "Source", "Effect": "Allow", "Action": ["s3:GetReplicationConfiguration", "s3:ListBucket"],
         "Resource": source},
        {"Sid": "SourceObjects", "Effect": "Allow", "Resource": f"{source}/*",
         "Action": ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"]},
        {"Sid": "Replicas", "Effect": "Allow", "Resource": f"{target}/*",
         "Action": ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"]},
        _through_s3("SourceKey", ["kms:Decrypt"], run.output(source_key).arn, site, source),
        _through_s3("TargetKey", ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"], run.output(target_key).arn,
                    other, target),
    ]


def _through_s3(sid: str, actions: list[str], key_arn: str, site: Site, bucket: str) -> dict[str, Any]:
    """Use of a key for one bucket alone; with a bucket key the encryption context is the bucket, else the object."""
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": key_arn, "Condition": {
        "StringEquals": {"kms:ViaService": f"s3.{site.region}.amazonaws.com"},
        "StringLike": {"kms:EncryptionContext:aws:s3:arn": [bucket, f"{bucket}/*"]}}}


@dataclass(frozen=True, eq=False)
class Replication(Step[ReplicationOut]):
    """The one replication rule of the source bucket; the configuration is always put as a whole."""

    source: DataBucket
    target: DataBucket
    source_key: Key
    target_key: Key
    role: Role

    def _wanted(self, run: Run) -> dict[str, Any]:
        enabled = {"Status": "Enabled"}
        return {"Role": run.output(self.role).arn, "Rules": [{
            "ID": RULE_ID, "Priority": 1, "Status": "Enabled", "Filter": {"Prefix": ""},
            "DeleteMarkerReplication": enabled,
            "SourceSelectionCriteria": {"SseKmsEncryptedObjects": enabled, "ReplicaModifications": enabled},
            "Destination": {
                "Bucket": run.output(self.target).arn,
                "ReplicationTime": {"Status": "Enabled", "Time": TIME_CONTROL},
                "Metrics": {"Status": "Enabled", "EventThreshold": TIME_CONTROL},
                "EncryptionConfiguration": {"ReplicaKmsKeyID": run.output(self.target_key).arn}}}]}

    def find(self, run: Run) -> ReplicationOut | None:
        s3, source = run.at(self.site).s3, self.source.name(run)
        seen: Any = or_none(lambda: s3.get_bucket_replication(Bucket=source)["ReplicationConfiguration"])
        return ReplicationOut(RULE_ID, self.target.name(run), source, seen) if seen else None

    def ensure(self, run: Run) -> ReplicationOut:
        out = run.found(self)
        if out and not list(self.verify(run, out)):
            return out
        for bucket in (self.source, self.target):
            self._wait_for_versioning(run, bucket)
        source, wanted = self.source.name(run), self._wanted(run)
        document: Any = wanted
        run.retry("replication can be put", lambda: run.at(self.site).s3.put_bucket_replication(
            Bucket=source, ReplicationConfiguration=document), NOT_YET, within=PROPAGATION)
        return run.wait_until(
            f"replication of {source} stands", lambda: self.find(run), within=PROPAGATION, every=5,
            ready=lambda seen: seen is not None and _says(seen.configuration, wanted),
            show=lambda seen: "not up to date yet" if seen else "not visible yet") or run.output(self)

    def _wait_for_versioning(self, run: Run, bucket: DataBucket) -> None:
        """Objects put before both sides keep versions would never be replicated."""
        s3, name = run.at(bucket.site).s3, bucket.name(run)
        run.wait_until(f"{name} keeps versions", lambda: s3.get_bucket_versioning(Bucket=name).get("Status", "absent"),
                       lambda status: status == "Enabled", within=PROPAGATION, every=5)

    def verify(self, run: Run, out: ReplicationOut) -> Iterable[Finding]:
        if not _says(out.configuration, self._wanted(run)):
            yield Finding(f"replication from {out.source} to {out.target} is not as it must be: objects may be "
                          "skipped without a trace")

    def destroy(self, run: Run) -> None:
        if self.find(run) is None:
            return
        self.source.refuse_foreign(run)
        with absent_is_fine():
            run.retry("replication can be removed", lambda: run.at(self.site).s3.delete_bucket_replication(
                Bucket=self.source.name(run)), NOT_YET[1:2], within=PROPAGATION)

    def foreseen(self, run: Run, out: ReplicationOut | None) -> Mapping[str, Any]:
        return {"rule_id": RULE_ID, "target": self.target.name(run), "source": self.source.name(run)}

    def uses(self, run: Run, out: ReplicationOut | None) -> Iterable[Use]:
        if self.site.role == "primary":
            yield Use("objects and events", "object-replicated-gb", run.settings.estimate.object_gb_new)

    def resources(self, out: ReplicationOut) -> Iterable[Resource]:
        yield Resource("s3:replication", f"{out.source}/{out.rule_id}", self.region)


def _says(configuration: Any, wanted: Any) -> bool:
    """Whether S3's configuration is the wanted one; an empty filter comes back in either of two spellings."""
    rules = [{**rule, "Filter": rule.get("Filter") or {"Prefix": ""}} for rule in configuration.get("Rules", [])]
    return same({**configuration, "Rules": rules}, wanted)
