"""Buckets of S3: which names there are, how long a name stays taken, what a new bucket is like, who sees it when."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from moto.s3.exceptions import InvalidBucketName, MissingBucket
from moto.s3.models import FakeBucket, S3Backend
from moto.s3.responses import S3Response

from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK
from drctl.lab.replication import bucket_named
from drctl.lab.rules import rule
from drctl.lab.s3_answers import operation_aborted

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
ALL_BLOCKED = {"BlockPublicAcls": "true", "IgnorePublicAcls": "true", "BlockPublicPolicy": "true",
               "RestrictPublicBuckets": "true"}


_create, _delete = S3Backend.create_bucket, S3Backend.delete_bucket


def _create_and_remember(self: S3Backend, *args: Any, **kwargs: Any) -> FakeBucket:
    bucket = _create(self, *args, **kwargs)
    bucket.__dict__["_lab_made_at"] = CLOCK.now()
    return bucket


def _delete_and_remember(self: S3Backend, bucket_name: str) -> FakeBucket | None:
    removed = _delete(self, bucket_name)
    if removed:
        _gone(self)[bucket_name] = (CLOCK.now(), removed.region_name)
    return removed


def _gone(self: S3Backend) -> dict[str, tuple[float, str]]:
    """By name: when a bucket was deleted, and in which region."""
    gone: dict[str, tuple[float, str]] = self.__dict__.setdefault("_lab_gone", {})
    return gone


setattr(S3Backend, "create_bucket", _create_and_remember)  # noqa: B010  # the moment is kept whatever rules are off
setattr(S3Backend, "delete_bucket", _delete_and_remember)  # noqa: B010  # the moment is kept whatever rules are off


@rule("bucket-name", S3Backend, "create_bucket")
def bucket_name_rules(proceed: Any, _self: S3Backend, bucket_name: str, *args: Any, **kwargs: Any) -> Any:
    """3 to 63 lower-case letters, digits, dots and hyphens, no address, no reserved ends. Refuses with
    InvalidBucketName.

    Source: Amazon S3 User Guide, "General purpose bucket naming rules".
    """
    if (not _NAME.fullmatch(bucket_name) or ".." in bucket_name or _is_address(bucket_name)
            or bucket_name.startswith(RESERVED_PREFIXES) or bucket_name.endswith(RESERVED_SUFFIXES)):
        raise InvalidBucketName
    return proceed(bucket_name, *args, **kwargs)


def _is_address(name: str) -> bool:
    try:
        IPv4Address(name)
    except AddressValueError:
        return False
    return True


@rule("bucket-name-taken", S3Backend, "create_bucket")
def bucket_name_taken(proceed: Any, self: S3Backend, bucket_name: str, region_name: str, *args: Any,
                      **kwargs: Any) -> Any:
    """A name just freed in one region cannot be used in another. Refuses with OperationAborted.

    Source: Terraform provider: aws_s3_bucket, OperationAborted is retried for 20 min.
    """
    gone_at, region = _gone(self).get(bucket_name, (0.0, region_name))
    if region != region_name and CLOCK.now() - gone_at < seconds("bucket-name-free"):
        raise operation_aborted()
    return proceed(bucket_name, region_name, *args, **kwargs)


@rule("bucket-defaults", S3Backend, "create_bucket")
def bucket_defaults(proceed: Any, self: S3Backend, bucket_name: str, *args: Any, **kwargs: Any) -> Any:
    """A new bucket has no ACLs, blocks all public access and encrypts with SSE-S3.

    Source: Amazon S3 User Guide, "Default settings for new S3 buckets FAQ".
    """
    bucket: FakeBucket = proceed(bucket_name, *args, **kwargs)
    bucket.ownership_rule = "BucketOwnerEnforced"
    bucket.encryption = _sse_s3()
    self.put_public_access_block(bucket_name, dict(ALL_BLOCKED))
    return bucket


@rule("bucket-encrypted-always", S3Backend, "delete_bucket_encryption")
def bucket_encrypted_always(_proceed: Any, self: S3Backend, bucket_name: str) -> None:
    """Without a setting of its own a bucket encrypts with SSE-S3.

    Source: Amazon S3 API Reference, DeleteBucketEncryption.
    """
    self.get_bucket(bucket_name).encryption = _sse_s3()


def _sse_s3() -> dict[str, Any]:
    return {"Rule": {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": "false"}}


def _refuse_younger(bucket_name: str, than: float) -> None:
    bucket = bucket_named(bucket_name)
    if bucket is not None and CLOCK.now() - bucket.__dict__.get("_lab_made_at", -than) < than:
        raise MissingBucket(bucket_name)


@rule("bucket-visible", S3Response, "_bucket_response_get", "head_bucket")
def bucket_visible(proceed: Any, self: S3Response, *args: Any) -> Any:
    """A bucket just made is unknown to reads for some seconds. Refuses with NoSuchBucket, HeadBucket with 404.

    Source: Terraform provider: aws_s3_bucket, retries NoSuchBucket for 2 min.
    """
    try:
        _refuse_younger(self.bucket_name, seconds("bucket-visible"))
    except MissingBucket:
        if not args:
            return 404, {}, ""
        raise
    return proceed(*args)


@rule("bucket-settable", S3Response, "_bucket_response_put")
def bucket_settable(proceed: Any, _self: S3Response, request: Any, bucket_name: str, querystring: Any) -> Any:
    """A bucket just made, though some hosts show it, has no settings yet for others. Refuses with NoSuchBucket.

    Source: Terraform provider: S3 bucket resources, each retries NoSuchBucket for 2 min.
    """
    if querystring:
        _refuse_younger(bucket_name, seconds("bucket-settable"))
    return proceed(request, bucket_name, querystring)
