"""S3 replication: an object put into one bucket appears in the other, when everything it needs is as it should be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.s3.models import FakeBucket, FakeDeleteMarker, FakeKey, S3Backend, s3_backends
from moto.s3.responses import S3Response

from drctl.aws.durations import seconds
from drctl.lab import outages
from drctl.lab.clock import CLOCK
from drctl.lab.policies import Request, key_arn, may, may_use_key, trusts
from drctl.lab.rules import rule

#: What the role may do on the source bucket, on its objects, and on the objects of the target.
ON_SOURCE = ("s3:GetReplicationConfiguration", "s3:ListBucket")
ON_SOURCE_OBJECT = ("s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging")
ON_TARGET_OBJECT = ("s3:ReplicateObject", "s3:ReplicateTags")
_STATUS, _SINCE = "_lab_replication_status", "_lab_replication_since"


@dataclass(frozen=True)
class Copying:
    """One object version or delete marker on its way by one rule."""

    source: FakeBucket
    version: Any
    role: str
    rule: Mapping[str, Any]

    @property
    def target(self) -> FakeBucket | None:
        """The destination bucket; None when there is none of that name."""
        return bucket_named(self.rule["Destination"]["Bucket"].removeprefix("arn:aws:s3:::"))

    @property
    def target_key(self) -> str | None:
        """Ordered key of the replica: only objects under a KMS key get it."""
        named = (self.rule["Destination"].get("EncryptionConfiguration") or {}).get("ReplicaKmsKeyID")
        return str(named) if named else None

    @property
    def is_marker(self) -> bool:
        """Whether a delete marker travels, not an object."""
        return isinstance(self.version, FakeDeleteMarker)


@rule("object-replication", S3Response, "put_object", "copy_object", "_key_response_post")
def object_replication(proceed: Any, self: S3Response, *args: Any, **kwargs: Any) -> Any:
    """A new version is copied to the destination of the rule that covers it, seconds later; PENDING until then.

    Source: Amazon S3 User Guide, "Replicating objects within and across Regions" and "Getting replication status".
    """
    answer = proceed(*args, **kwargs)
    if isinstance(answer, tuple) and answer[0] == 200:
        version = _version(self.bucket_name, self.parse_key_name(), answer[1].get("x-amz-version-id"))
        if version is not None:
            send(self.bucket_name, version)
    return answer


@rule("delete-marker-replication", S3Backend, "delete_object")
def delete_marker_replication(proceed: Any, self: S3Backend, bucket_name: str, key_name: str,  # noqa: ARG001  # moto's own signature
                              version_id: str | None = None, bypass: bool = False) -> Any:
    """A delete marker is copied only by rules that say so, never by rules with tags; the end of a version never is.

    Source: Amazon S3 User Guide, "Replicating delete markers between buckets".
    """
    answer = proceed(bucket_name, key_name, version_id, bypass)
    if version_id is None and answer[1].get("delete-marker") == "true":
        marker = _version(bucket_name, key_name, answer[1]["version-id"])
        if marker is not None:
            send(bucket_name, marker)
    return answer


@rule("replication-status", S3Response, "head_object", "get_object")
def replication_status(proceed: Any, self: S3Response, *args: Any, **kwargs: Any) -> Any:
    """HeadObject and GetObject say PENDING, COMPLETED or FAILED at the source, REPLICA at the target.

    Source: Amazon S3 User Guide, "Getting replication status information".
    """
    answer = proceed(*args, **kwargs)
    if isinstance(answer, tuple):
        version = _version(self.bucket_name, self.parse_key_name(), answer[1].get("x-amz-version-id"))
        if version is not None and _STATUS in version.__dict__:
            answer[1]["x-amz-replication-status"] = version.__dict__[_STATUS]
    return answer


def status_of(version: Any) -> tuple[str, float]:
    """How far a version is on its way, empty for one that has none, and when it was put, in AWS seconds."""
    return version.__dict__.get(_STATUS, ""), version.__dict__.get(_SINCE, CLOCK.now())


def send(bucket_name: str, version: Any) -> None:
    """Let a new version, or delete marker, take its way by every rule that covers it."""
    source = bucket_named(bucket_name)
    configuration = getattr(source, "replication", None)
    if source is None or not configuration or not source.is_versioned:
        return
    on_the_way = [Copying(source, version, configuration["Role"], one) for one in _covering(source, version)]
    if on_the_way:
        version.__dict__[_STATUS], version.__dict__[_SINCE] = "PENDING", CLOCK.now()
        regions = {bucket.region_name for one in on_the_way for bucket in (source, one.target) if bucket}
        CLOCK.after(seconds("object-replicate"), lambda: outages.when_up([(region, "s3") for region in regions],
                                                                         lambda: _arrive(on_the_way)))


def _covering(source: FakeBucket, version: Any) -> Iterator[Mapping[str, Any]]:
    """The rules a version goes by: to each destination the one of highest priority."""
    taken: set[str] = set()
    rules = source.replication["Rule"]
    for one in sorted(rules, key=lambda each: -int(each.get("Priority", 0))):
        target = one["Destination"]["Bucket"]
        if one["Status"] == "Enabled" and target not in taken and _covers(one, source, version):
            taken.add(target)
            yield one


def _covers(one: Mapping[str, Any], source: FakeBucket, version: Any) -> bool:
    wanted = one.get("Filter") or {}
    both = wanted.get("And") or {}
    prefix = wanted.get("Prefix") or both.get("Prefix") or one.get("Prefix") or ""
    tags = several(wanted.get("Tag")) + several(both.get("Tag"))
    if not version.name.startswith(prefix):
        return False
    if isinstance(version, FakeDeleteMarker):
        return not tags and (one.get("DeleteMarkerReplication") or {}).get("Status") == "Enabled"
    own = _backend(source).tagger.get_tag_dict_for_resource(version.arn)
    # Objects under a KMS key are left out without a word unless the rule asks for them.
    return all(own.get(tag["Key"]) == tag["Value"] for tag in tags) and (
        not _under_kms(version) or takes_kms(one))


def takes_kms(one: Mapping[str, Any]) -> bool:
    """Whether a rule asks for objects under KMS keys."""
    criteria = one.get("SourceSelectionCriteria") or {}
    return (criteria.get("SseKmsEncryptedObjects") or {}).get("Status") == "Enabled"


def _under_kms(version: Any) -> bool:
    return str(version.encryption or "").startswith("aws:kms")


def _arrive(on_the_way: list[Copying]) -> None:
    """The moment of copying: everything is judged as it is now."""
    version = on_the_way[0].version
    if _version(on_the_way[0].source.name, version.name, version.version_id) is not version:
        return  # deleted before its turn
    arrived = [_copy(one) if may_copy(one) else None for one in on_the_way]
    version.__dict__[_STATUS] = "COMPLETED" if all(arrived) else "FAILED"


def may_copy(one: Copying) -> bool:
    """Whether versioning, role, bucket policies and keys let this copy happen."""
    target = one.target
    if target is None or not target.is_versioned or not one.source.is_versioned:
        return False
    context = {"aws:SourceArn": one.source.arn, "aws:SourceAccount": one.source.account_id}
    return trusts(one.role, "s3.amazonaws.com", context) and all(
        may(Request(one.role, action, resource, {"aws:SecureTransport": "true"}), policy)
        for action, resource, policy in _wanted_on_buckets(one, target)) and (
        one.is_marker or not _under_kms(one.version) or _may_use_keys(one, target))


def _wanted_on_buckets(one: Copying, target: FakeBucket) -> Iterator[tuple[str, str, bytes | None]]:
    for action in ON_SOURCE:
        yield action, one.source.arn, one.source.policy
    for action in () if one.is_marker else ON_SOURCE_OBJECT:
        yield action, f"{one.source.arn}/{one.version.name}", one.source.policy
    for action in ("s3:ReplicateDelete",) if one.is_marker else ON_TARGET_OBJECT:
        yield action, f"{target.arn}/{one.version.name}", target.policy


def _may_use_keys(one: Copying, target: FakeBucket) -> bool:
    """Decrypt at the source, Encrypt at the target; with a bucket key the data key is made for the bucket.

    Source: Amazon S3 User Guide, "Replicating encrypted objects": actions, `kms:ViaService` and encryption context.
    """
    read = _key_request(one, one.source, "kms:Decrypt")
    if one.version.kms_key_id:
        named = key_arn(one.version.kms_key_id, one.source.region_name, one.source.account_id)
        if not may_use_key(named, read):
            return False
    writes = ["kms:Encrypt", *(["kms:GenerateDataKey"] if _has_bucket_key(target) else [])]
    written = one.target_key or ""
    return f":kms:{target.region_name}:" in written and all(
        may_use_key(written, _key_request(one, target, action)) for action in writes)


def _key_request(one: Copying, bucket: FakeBucket, action: str) -> Request:
    about = bucket.arn if _has_bucket_key(bucket) else f"{bucket.arn}/{one.version.name}"
    return Request(one.role, action, "", {
        "kms:ViaService": f"s3.{bucket.region_name}.amazonaws.com", "kms:CallerAccount": bucket.account_id,
        "kms:EncryptionContext:aws:s3:arn": about})


def _has_bucket_key(bucket: FakeBucket) -> bool:
    return str(((bucket.encryption or {}).get("Rule") or {}).get("BucketKeyEnabled", "false")).lower() == "true"


def _copy(one: Copying) -> Any:
    """The replica: same version id, its own encryption, never sent on."""
    target = one.target
    if target is None:
        return None
    if one.is_marker:
        return _copy_marker(one.version, target)
    version: FakeKey = one.version
    backend = _backend(target)
    replica = backend.put_object(target.name, version.name, version.value, storage=version.storage_class,
                                 etag=version.etag.strip('"'), multipart=version.multipart)
    replica._version_id = version.version_id
    under_kms = _under_kms(version)
    replica.encryption = version.encryption
    replica.kms_key_id = one.target_key if under_kms else None
    replica.bucket_key_enabled = _has_bucket_key(target) if under_kms else None
    replica.set_metadata(dict(version.metadata), replace=False)
    replica.checksum_algorithm, replica.checksum_value = version.checksum_algorithm, version.checksum_value
    backend.tagger.copy_tags(version.arn, replica.arn)
    replica.__dict__[_STATUS] = "REPLICA"
    return replica


def _copy_marker(marker: FakeDeleteMarker, target: FakeBucket) -> Any:
    if target.keys.get(marker.name) is None:
        return marker
    replica = FakeDeleteMarker(key=target.keys[marker.name])
    replica._version_id = marker.version_id
    target.keys[marker.name] = replica
    replica.__dict__[_STATUS] = "REPLICA"
    return replica


def _backend(bucket: FakeBucket) -> S3Backend:
    return s3_backends[bucket.account_id][bucket.partition]


def bucket_named(name: str) -> FakeBucket | None:
    """moto's bucket, or None."""
    if name not in s3_backends.bucket_accounts:
        return None
    partition, account = s3_backends.bucket_accounts[name]
    return s3_backends[account][partition].buckets.get(name)


def _version(bucket_name: str, key_name: str, version_id: str | None) -> Any | None:
    bucket = bucket_named(bucket_name)
    if bucket is None or not version_id:
        return None
    return next((one for one in bucket.keys.getlist(key_name, []) if str(one.version_id) == version_id), None)


def several(value: Any) -> list[Any]:
    """What XML gives as one or as a list, as a list."""
    return [] if value is None else value if isinstance(value, list) else [value]
