"""Requests to S3 that moto takes and S3 does not: ACLs, public policies, long lists, foreign keys."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

import xmltodict  # type: ignore[import-untyped]  # has no type hints
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response

from drctl.lab.policies import document, several
from drctl.lab.replication import bucket_named
from drctl.lab.rules import rule
from drctl.lab.s3_answers import S3Refusal, malformed_xml

#: Keys in one DeleteObjects.
MOST_KEYS = 1000
#: ACLs that a bucket without ACLs takes, for they say what is so anyway.
IDLE_ACLS = frozenset({"", "bucket-owner-full-control"})
#: Condition keys that make a statement for everybody not public, when they name fixed values.
NARROWING = frozenset({
    "aws:principalarn", "aws:principalaccount", "aws:principalorgid", "aws:principalorgpaths", "aws:sourceaccount",
    "aws:sourcearn", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceowner", "aws:userid", "s3:dataaccesspointarn",
    "s3:dataaccesspointaccount"})
POSITIVE = ("StringEquals", "StringLike", "ArnEquals", "ArnLike", "IpAddress")


@rule("no-acls", S3Response, "_bucket_response_put", "_key_response_put")
def no_acls(proceed: Any, self: S3Response, *args: Any) -> Any:
    """A bucket whose owner owns every object has no ACLs. Refuses with AccessControlListNotSupported.

    Source: Amazon S3 User Guide, "Controlling ownership of objects and disabling ACLs for your bucket".
    """
    bucket = bucket_named(self.bucket_name)
    query: Any = next((arg for arg in args if isinstance(arg, Mapping)), {})
    asks = "acl" in query or (self.headers.get("x-amz-acl") or "") not in IDLE_ACLS or any(
        name.lower().startswith("x-amz-grant-") for name in dict(self.headers))
    if bucket is not None and bucket.ownership_rule == "BucketOwnerEnforced" and asks:
        raise S3Refusal("AccessControlListNotSupported", "The bucket does not allow ACLs")
    return proceed(*args)


@rule("public-policy", S3Backend, "put_bucket_policy")
def public_policy(proceed: Any, self: S3Backend, bucket_name: str, policy: bytes) -> Any:
    """A policy that is public is not taken while public policies are blocked. Refuses with AccessDenied.

    Source: Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage", "The meaning of public".
    """
    blocked = self.get_bucket(bucket_name).public_access_block
    if blocked is not None and blocked.block_public_policy and is_public(policy):
        raise S3Refusal("AccessDenied", "User is not authorized to perform: s3:PutBucketPolicy on resource because "
                                        "public policies are blocked by the BlockPublicPolicy block public access "
                                        "setting.")
    return proceed(bucket_name, policy)


def is_public(policy: bytes | str) -> bool:
    """Whether a statement lets everybody in without a condition that names fixed values."""
    return any(statement.get("Effect") == "Allow" and _everybody(statement) and not any(
        _narrows(operator, str(key).lower(), several(values))
        for operator, keys in (statement.get("Condition") or {}).items() for key, values in keys.items())
        for statement in several(document(policy).get("Statement")))


def _everybody(statement: Mapping[str, Any]) -> bool:
    said = statement.get("Principal")
    return said == "*" or (isinstance(said, Mapping) and "*" in several(said.get("AWS"))) or "NotPrincipal" in statement


def _narrows(operator: str, key: str, values: list[Any]) -> bool:
    if not operator.rpartition(":")[2].removesuffix("IfExists").startswith(POSITIVE):
        return False
    if key == "aws:sourceip":
        return all(_is_narrow(str(value)) for value in values)
    return key in NARROWING and not any("*" in str(value) or "?" in str(value) or "${" in str(value)
                                        for value in values)


def _is_narrow(value: str) -> bool:
    """Ranges of addresses are public from /8 (IPv4) and /32 (IPv6) on upwards."""
    network = ip_network(value, strict=False)
    return network.prefixlen >= (8 if network.version == 4 else 32)


@rule("delete-objects-limit", S3Response, "_bucket_response_delete_keys")
def delete_objects_limit(proceed: Any, self: S3Response, *args: Any, **kwargs: Any) -> Any:
    """One request deletes 1000 objects at most. Refuses with MalformedXML.

    Source: Amazon S3 API Reference, DeleteObjects.
    """
    if len(several((xmltodict.parse(self.body)["Delete"] or {}).get("Object"))) > MOST_KEYS:
        raise malformed_xml()
    return proceed(*args, **kwargs)


@rule("object-key-region", S3Response, "put_object")
def object_key_region(proceed: Any, self: S3Response, *args: Any, **kwargs: Any) -> Any:
    """An object is encrypted with a key of its bucket's region. Refuses with KMS.NotFoundException.

    The bucket's default setting is not checked when it is put, only when it is used.

    Source: Amazon S3 API Reference, PutBucketEncryption; Amazon S3 User Guide, "Using server-side encryption with AWS
    KMS keys (SSE-KMS)".
    """
    bucket = self.backend.get_bucket(self.bucket_name)
    default = ((bucket.encryption or {}).get("Rule") or {}).get("ApplyServerSideEncryptionByDefault") or {}
    asked = self.headers.get("x-amz-server-side-encryption") or default.get("SSEAlgorithm") or ""
    key = self.headers.get("x-amz-server-side-encryption-aws-kms-key-id") or default.get("KMSMasterKeyID") or ""
    region = key.split(":")[3] if key.startswith("arn:") else bucket.region_name
    if asked.startswith("aws:kms") and region != bucket.region_name:
        raise S3Refusal("KMS.NotFoundException", f"Invalid arn {region}")
    return proceed(*args, **kwargs)
