"""Access logs of load balancers: the bucket must let them in, and its policy is known to them some time later."""

from __future__ import annotations

from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.elbv2.exceptions import ELBClientError
from moto.elbv2.models import ELBv2Backend
from moto.s3.models import FakeBucket, S3Backend, s3_backends

from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK
from drctl.lab.policies import Request, resource_verdict
from drctl.lab.rules import rule

#: Who delivers logs.
DELIVERY = "logdelivery.elasticloadbalancing.amazonaws.com"
#: Accounts of load balancing itself, which policies made before August 2022 name in some regions.
ACCOUNTS = {"us-east-1": "127311923021", "us-east-2": "033677994240", "us-west-1": "027434742980",
            "us-west-2": "797873946194", "eu-west-1": "156460612806", "eu-central-1": "054676820928"}
_EARLIER = "_lab_policy_earlier"


@rule("log-bucket-policy-late", S3Backend, "put_bucket_policy")
def log_bucket_policy_late(proceed: Any, self: S3Backend, bucket_name: str, policy: bytes) -> Any:
    """Load balancing goes by a bucket's earlier policy for some seconds.

    Source: Terraform provider: load balancer, access logs are retried on InvalidConfigurationRequest.
    """
    earlier = self.get_bucket(bucket_name).policy
    answer = proceed(bucket_name, policy)
    self.get_bucket(bucket_name).__dict__[_EARLIER] = CLOCK.now() + seconds("log-bucket-policy"), earlier
    return answer


@rule("balancer-log-bucket", ELBv2Backend, "modify_load_balancer_attributes")
def balancer_log_bucket(proceed: Any, self: ELBv2Backend, arn: str, attrs: dict[str, Any]) -> Any:
    """Access logs need a bucket of the region, without KMS encryption, whose policy lets log delivery write.

    Refuses with InvalidConfigurationRequest. Source: Application Load Balancers, Access logs for your load balancer.
    """
    balancer = self.load_balancers.get(arn)
    wanted = {**(balancer.attrs if balancer else {}), **attrs}
    if balancer and str(wanted.get("access_logs.s3.enabled")).lower() == "true" and any(
            key.startswith("access_logs.") for key in attrs):
        _check(self, wanted["access_logs.s3.bucket"], wanted.get("access_logs.s3.prefix") or "")
    return proceed(arn, attrs)


def _check(backend: ELBv2Backend, name: str, prefix: str) -> None:
    bucket = _bucket(name)
    if bucket is None:
        raise ELBClientError("InvalidConfigurationRequest", f"S3 bucket {name} does not exist")
    if bucket.region_name != backend.region_name:
        raise ELBClientError("InvalidConfigurationRequest", f"The S3 bucket {name} must be in the same region as the "
                             "load balancer")
    folder = f"{prefix}/AWSLogs" if prefix else "AWSLogs"
    resource = f"{bucket.arn}/{folder}/{backend.account_id}/ELBAccessLogTestFile"
    account = ACCOUNTS.get(backend.region_name)
    writers = [DELIVERY, *([f"arn:aws:iam::{account}:root"] if account else [])]
    allowed = any(resource_verdict(_policy(bucket), Request(writer, "s3:PutObject", resource)) == "Allow"
                  for writer in writers)
    if not allowed or "aws:kms" in str(bucket.encryption):
        raise ELBClientError("InvalidConfigurationRequest", f"Access Denied for bucket: {name}. Please check S3bucket "
                             "permission")


def _bucket(name: str) -> FakeBucket | None:
    return s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets.get(name)


def _policy(bucket: FakeBucket) -> Any:
    """The policy that load balancing has by now."""
    until, earlier = bucket.__dict__.get(_EARLIER, (0.0, None))
    return earlier if CLOCK.now() < until else bucket.policy
