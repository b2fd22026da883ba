"""S3 replication's configuration: what a bucket's rules must say, and what they forbid the bucket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.core.responses import ActionResult
from moto.s3.exceptions import InvalidBucketState, S3ClientError
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response

from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK
from drctl.lab.replication import bucket_named, several, takes_kms
from drctl.lab.rules import rule
from drctl.lab.s3_answers import S3Refusal


@rule("replication-configuration", S3Backend, "put_bucket_replication")
def replication_configuration(proceed: Any, self: S3Backend, bucket_name: str, replication: dict[str, Any]) -> Any:  # noqa: ARG001  # moto's own signature
    """Both buckets are versioned, and a rule is complete in itself: InvalidRequest otherwise.

    The role and the replica's key are not looked at: what is wrong with them shows at the first object.

    Source: Amazon S3 API Reference, PutBucketReplication, ReplicationRule and Destination.
    """
    rules = replication["Rule"] if isinstance(replication["Rule"], list) else [replication["Rule"]]
    for one in rules:
        if problem := _problem(one):
            raise S3ClientError("InvalidRequest", problem)
    priorities = [one["Priority"] for one in rules if "Priority" in one]
    if len(set(priorities)) < len(priorities):
        raise S3ClientError("InvalidRequest", "Found duplicate priority in the replication configuration")
    return proceed(bucket_name, replication)


def _problem(one: Mapping[str, Any]) -> str | None:
    destination = one["Destination"]
    target = bucket_named(destination["Bucket"].removeprefix("arn:aws:s3:::"))
    timed = (destination.get("ReplicationTime") or {}).get("Status") == "Enabled"
    metered = (destination.get("Metrics") or {}).get("Status") == "Enabled"
    second_version = "Filter" in one
    checks = (
        (target is None, "Destination bucket must exist."),
        (target is not None and not target.is_versioned, "Destination bucket must have versioning enabled."),
        (timed and not metered, "Replication Time Control requires Metrics to be enabled."),
        (second_version and "Priority" not in one, "Priority must be specified for this version of Cross Region "
         "Replication configuration schema."),
        (second_version and "DeleteMarkerReplication" not in one, "DeleteMarkerReplication must be specified for this "
         "version of Cross Region Replication configuration schema."),
        (takes_kms(one) and not (destination.get("EncryptionConfiguration") or {}).get("ReplicaKmsKeyID"),
         "ReplicaKmsKeyID must be specified if SseKmsEncryptedObjects tag is present."),
    )
    return next((text for wrong, text in checks if wrong), None)


@rule("replication-keeps-versioning", S3Backend, "put_bucket_versioning")
def replication_keeps_versioning(proceed: Any, self: S3Backend, bucket_name: str, status: str) -> Any:
    """Versioning cannot be suspended while a replication configuration is there: InvalidBucketState.

    Source: Amazon S3 User Guide, "Requirements and considerations for replication".
    """
    if status != "Enabled" and self.get_bucket_replication(bucket_name):
        raise InvalidBucketState("A replication configuration is present on this bucket, so you cannot change the "
                                 "versioning state. To change the versioning state, first delete the replication "
                                 "configuration.")
    return proceed(bucket_name, status)


_version = S3Backend.put_bucket_versioning


def _version_and_remember(self: S3Backend, bucket_name: str, status: str) -> None:
    bucket = self.get_bucket(bucket_name)
    if status == "Enabled" and not bucket.is_versioned:
        bucket.__dict__["_lab_versioned_at"] = CLOCK.now()
    _version(self, bucket_name, status)


@rule("replication-after-versioning", S3Backend, "put_bucket_replication")
def replication_after_versioning(proceed: Any, _self: S3Backend, bucket_name: str, replication: dict[str, Any]) -> Any:
    """Replication knows of versioning some seconds later than reads do, on either side. Refuses with InvalidRequest.

    Source: Terraform provider: aws_s3_bucket_replication_configuration, retries "Versioning must be 'Enabled'".
    """
    targets = [one["Destination"]["Bucket"].removeprefix("arn:aws:s3:::") for one in several(replication["Rule"])]
    for name in (bucket_name, *targets):
        since = getattr(bucket_named(name), "_lab_versioned_at", -seconds("versioning-known"))
        if CLOCK.now() - since < seconds("versioning-known"):
            raise S3Refusal("InvalidRequest", "Versioning must be 'Enabled' on the bucket to apply a replication "
                            "configuration" if name == bucket_name
                            else "Destination bucket must have versioning enabled.")
    return proceed(bucket_name, replication)


setattr(S3Backend, "put_bucket_versioning", _version_and_remember)  # noqa: B010  # kept whatever rules are off


@rule("replication-read-back", S3Response, "get_bucket_replication")
def replication_read_back(proceed: Any, self: S3Response) -> Any:
    """GetBucketReplication answers with the rules as they were put.

    Source: Amazon S3 API Reference, GetBucketReplication.
    """
    replication = self.backend.get_bucket_replication(self.bucket_name)
    if not replication:
        return proceed()
    self.data["Action"] = "GetBucketReplication"
    return self.serialized(ActionResult({"ReplicationConfiguration": {
        "Role": replication["Role"], "Rules": [_as_answered(one) for one in replication["Rule"]]}}))


def _as_answered(one: Mapping[str, Any]) -> dict[str, Any]:
    answered = dict(one)
    if "Priority" in answered:
        answered["Priority"] = int(answered["Priority"])
    if "Filter" in answered:
        wanted = dict(answered["Filter"] or {"Prefix": ""})
        if "Prefix" in wanted:
            wanted["Prefix"] = wanted["Prefix"] or ""
        if "And" in wanted:
            both = wanted["And"]
            wanted["And"] = {"Prefix": both.get("Prefix") or "", "Tags": several(both.get("Tag"))}
        answered["Filter"] = wanted
    return answered
