"""Amazon S3 where moto falls short of it: tags in CreateBucket, conditions in bucket policies, logs of a bucket."""

from __future__ import annotations

import json
from typing import Any

import xmltodict  # type: ignore[import-untyped]  # has no type hints
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.exceptions import CrossLocationLoggingProhibited, InvalidTargetBucketForLogging
from moto.s3.models import FakeBucket, S3Backend
from moto.s3.responses import S3Response

from drctl.lab.policies import Request, resource_verdict
from drctl.lab.rules import rule


@rule("create-bucket-tags", S3Response, "_bucket_response_put")
def create_bucket_tags(proceed: Any, self: S3Response, request: Any, bucket_name: str, querystring: Any) -> Any:
    """Tags in CreateBucketConfiguration are the new bucket's tags.

    Source: Amazon S3 API Reference, CreateBucketConfiguration.
    """
    answer = proceed(request, bucket_name, querystring)
    if not querystring and self.body:
        configuration = xmltodict.parse(self.body).get("CreateBucketConfiguration") or {}
        tags = (configuration.get("Tags") or {}).get("Tag") or []
        backend: S3Backend = self.backend
        backend.put_bucket_tagging(bucket_name, {
            tag["Key"]: tag["Value"] or "" for tag in (tags if isinstance(tags, list) else [tags])})
    return answer


@rule("bucket-logging", FakeBucket, "set_logging")
def bucket_logging(proceed: Any, self: FakeBucket, logging_config: Any, bucket_backend: S3Backend) -> None:
    """Requests are logged into a bucket of the same region whose policy lets S3 deliver them.

    Refuses with InvalidTargetBucketForLogging and CrossLocationLoggingProhibited.
    Source: Amazon S3 User Guide, "Enabling Amazon S3 server access logging" and "Permissions for log delivery".
    """
    target = bucket_backend.buckets.get((logging_config or {}).get("TargetBucket"))
    if target is None:
        proceed(logging_config, bucket_backend)
        return
    if target.region_name != self.region_name:
        raise CrossLocationLoggingProhibited
    context = {"aws:SourceAccount": self.account_id, "aws:SourceArn": f"arn:aws:s3:::{self.name}",
               "aws:SecureTransport": "true"}
    delivery = Request("logging.s3.amazonaws.com", "s3:PutObject", context=context,
                       resource=f"arn:aws:s3:::{target.name}/{logging_config.get('TargetPrefix') or ''}log")
    if resource_verdict(target.policy, delivery) != "Allow":
        raise InvalidTargetBucketForLogging("The target bucket's policy does not let S3 deliver logs into it")
    self.logging = logging_config


@rule("bucket-policy-conditions", FakeBucket, "get_permission")
def bucket_policy_conditions(proceed: Any, self: FakeBucket, action: str, resource: str) -> Any:  # noqa: ARG001  # what moto does ignores conditions
    """A statement counts only when its conditions hold; requests to the lab count as TLS from outside any named range.

    Source: IAM User Guide, "IAM JSON policy elements: Condition".
    """
    if self.policy is None:
        return PermissionResult.NEUTRAL
    document = json.loads(self.policy)
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    bare = [{key: value for key, value in one.items() if key != "Condition"} for one in statements if _applies(one)]
    return IAMPolicy(json.dumps({**document, "Statement": bare})).is_action_permitted(action, resource)


def _applies(statement: Any) -> bool:
    """Whether a statement speaks of a plain request to the lab: to anybody, and with no condition it fails."""
    principal = statement.get("Principal")
    if isinstance(principal, dict) and "AWS" not in principal:
        return False
    secure = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
    return "Condition" not in statement or (len(statement["Condition"]) == 1 and str(secure).lower() == "true")
