"""CloudTrail where moto takes everything: a trail wants to be let in by its bucket, its key and its role."""

from __future__ import annotations

import json
from typing import Any

from moto.cloudtrail.models import CloudTrailBackend, Trail
from moto.cloudtrail.responses import CloudTrailResponse
from moto.core.exceptions import JsonRESTError
from moto.core.utils import unix_time

from drctl.lab.key_times import is_known_to_services
from drctl.lab.policies import Request, key_arn, key_by_arn, may_use_key, resource_verdict, trusts
from drctl.lab.replication import bucket_named
from drctl.lab.rules import operation, rule

CLOUDTRAIL = "cloudtrail.amazonaws.com"


def _refused(code: str, message: str) -> JsonRESTError:
    return JsonRESTError(code, message)


def _arn(self: CloudTrailBackend, name: str) -> str:
    return f"arn:aws:cloudtrail:{self.region_name}:{self.account_id}:trail/{name}"


@rule("trail-name-taken", CloudTrailBackend, "create_trail")
def trail_name_taken(proceed: Any, self: CloudTrailBackend, name: str, *args: Any, **kwargs: Any) -> Trail:
    """There is one trail of a name in a region. Refuses with TrailAlreadyExistsException.

    Source: CloudTrail API Reference, CreateTrail.
    """
    if name in self.trails:
        raise _refused("TrailAlreadyExistsException",
                       f"Trail {name} already exists for customer: {self.account_id}")
    made: Trail = proceed(name, *args, **kwargs)
    return made


@rule("trail-by-arn", CloudTrailBackend, "get_trail")
def trail_by_arn(proceed: Any, self: CloudTrailBackend, name_or_arn: str) -> Trail:
    """A trail of all regions answers in each of them by its ARN, and at home alone by its name.

    Source: CloudTrail API Reference, GetTrail and GetTrailStatus, on shadow trails.
    """
    shadows = (one for one in self.describe_trails(include_shadow_trails=True) if one.arn == name_or_arn)
    return next(shadows, None) or proceed(name_or_arn)


@rule("trail-bucket-policy", CloudTrailResponse, "create_trail", "update_trail")
def trail_bucket_policy(proceed: Any, self: CloudTrailResponse) -> str:
    """The bucket's policy lets CloudTrail look at it and deliver for this trail.

    Refuses with InsufficientS3BucketPolicyException. Source: CloudTrail User Guide, "Amazon S3 bucket policy for
    CloudTrail".
    """
    asked, backend = json.loads(self.body), self.cloudtrail_backend
    bucket = bucket_named(str(asked.get("S3BucketName")))
    if bucket is not None:
        context = {"aws:SourceArn": _arn(backend, asked["Name"]), "aws:SecureTransport": "true",
                   "aws:SourceAccount": backend.account_id, "s3:x-amz-acl": "bucket-owner-full-control"}
        arn = f"arn:aws:s3:::{bucket.name}"
        prefix = f"{asked['S3KeyPrefix']}/" if asked.get("S3KeyPrefix") else ""
        wanted = (Request(CLOUDTRAIL, "s3:GetBucketAcl", arn, context),
                  Request(CLOUDTRAIL, "s3:PutObject", f"{arn}/{prefix}AWSLogs/{backend.account_id}/x", context))
        if any(resource_verdict(bucket.policy, one) != "Allow" for one in wanted):
            raise _refused("InsufficientS3BucketPolicyException",
                           f"Incorrect S3 bucket policy is detected for bucket: {bucket.name}")
    answer: str = proceed()
    return answer


@rule("trail-key", CloudTrailResponse, "create_trail", "update_trail")
def trail_key(proceed: Any, self: CloudTrailResponse) -> str:
    """A trail's key is there, enabled, in the region of its bucket, and lets CloudTrail encrypt for this trail.

    Refuses with KmsKeyNotFoundException and InsufficientEncryptionPolicyException. Source: CloudTrail User Guide,
    "Configure AWS KMS key policies for CloudTrail"; CloudTrail API Reference, CreateTrail.
    """
    asked, backend = json.loads(self.body), self.cloudtrail_backend
    if named := asked.get("KmsKeyId"):
        arn = key_arn(named, backend.region_name, backend.account_id)
        key, bucket = key_by_arn(arn), bucket_named(str(asked.get("S3BucketName")))
        if key is None or not is_known_to_services(key) or (bucket is not None and key.region != bucket.region_name):
            raise _refused("KmsKeyNotFoundException", f"KMS key {named} is not found in the region of the S3 bucket")
        trail = _arn(backend, asked["Name"])
        context = {"aws:SourceArn": trail, "aws:SourceAccount": backend.account_id,
                   "kms:EncryptionContext:aws:cloudtrail:arn": trail}
        if not may_use_key(arn, Request(CLOUDTRAIL, "kms:GenerateDataKey", arn, context)):
            raise _refused("InsufficientEncryptionPolicyException",
                           f"Insufficient permissions to access S3 bucket or KMS key {named}")
    answer: str = proceed()
    return answer


@rule("trail-log-role", CloudTrailResponse, "create_trail", "update_trail")
def trail_log_role(proceed: Any, self: CloudTrailResponse) -> str:
    """The role for CloudWatch Logs can be assumed by CloudTrail for this trail.

    Refuses with InvalidCloudWatchLogsRoleArnException. Source: CloudTrail API Reference, CreateTrail; Terraform
    provider: aws_cloudtrail, retries "Access denied" for 1 min.
    """
    asked, backend = json.loads(self.body), self.cloudtrail_backend
    role = asked.get("CloudWatchLogsRoleArn")
    if role and not trusts(role, CLOUDTRAIL, {"aws:SourceAccount": backend.account_id,
                                              "aws:SourceArn": _arn(backend, asked["Name"])}):
        raise _refused("InvalidCloudWatchLogsRoleArnException", "Access denied. Check the trust relationships for your "
                                                               "role.")
    answer: str = proceed()
    return answer


@rule("trail-delivers", CloudTrailResponse, "get_trail_status")
def trail_delivers(proceed: Any, self: CloudTrailResponse) -> str:
    """A trail that writes tells when it has delivered to its log group last.

    Source: CloudTrail API Reference, GetTrailStatus, LatestCloudWatchLogsDeliveryTime.
    """
    status = json.loads(proceed())
    trail = next(one for one in self.cloudtrail_backend.describe_trails(include_shadow_trails=True)
                 if json.loads(self.body)["Name"] in {one.trail_name, one.arn})
    if status["IsLogging"] and trail.cw_log_group_arn:
        status["LatestCloudWatchLogsDeliveryTime"] = unix_time()
    return json.dumps(status)


@rule("trail-selectors", CloudTrailBackend, "put_event_selectors")
def trail_selectors(proceed: Any, self: CloudTrailBackend, **given: Any) -> Any:
    """A trail has basic event selectors or advanced ones: those that are put replace the others.

    Source: CloudTrail API Reference, PutEventSelectors.
    """
    answer = proceed(**given)
    if given["event_selectors"]:
        self.get_trail(given["trail_name"]).advanced_event_selectors = []
    return answer


@operation("trail-delete", CloudTrailResponse, "delete_trail")
def delete_trail(self: CloudTrailResponse) -> str:
    """A trail that is not there cannot be deleted. Refuses with TrailNotFoundException.

    Source: CloudTrail API Reference, DeleteTrail.
    """
    trail = self.cloudtrail_backend.get_trail(json.loads(self.body)["Name"])
    self.cloudtrail_backend.delete_trail(trail.trail_name)
    return json.dumps({})
