"""The bucket for the access logs of a region: the balancer's, and S3's of buckets with something to hide.

Encrypted by S3 itself, because neither can write with a KMS key (ELB User Guide for Application Load Balancers, "Access
logs for your Application Load Balancer", bucket requirements; S3 User Guide, "Enabling Amazon S3 server access
logging"). It does not log itself: each log would make another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from drctl.engine.run import Run
from drctl.steps.bucket import Bucket

#: Who delivers access logs. Regions from before August 2022 also know an account of ELB's own for each region; the
#: guide calls that the legacy policy and asks for the service principal everywhere.
DELIVERY = "logdelivery.elasticloadbalancing.amazonaws.com"
#: Who delivers the logs of other buckets.
S3_DELIVERY = "logging.s3.amazonaws.com"
#: Prefixes of the access logs in the bucket.
PREFIX, S3_PREFIX = "balancer", "s3"
#: Days for which a log that somebody has deleted or overwritten can still be had.
DELETED_DAYS = 90


@dataclass(frozen=True, eq=False)
class LogBucket(Bucket):
    """Access logs, kept as long as the settings say."""

    label: ClassVar[str] = "access-logs"

    def policy(self, run: Run) -> list[dict[str, Any]]:
        """Delivery may write below this account's folder; the balancers' guide has no condition on the source, S3's
        has one (S3 User Guide, "Permissions for log delivery")."""
        account = run.settings.account_id
        return [{"Sid": "Delivery", "Effect": "Allow", "Principal": {"Service": DELIVERY}, "Action": "s3:PutObject",
                 "Resource": f"{self.arn(run)}/{PREFIX}/AWSLogs/{account}/*"},
                {"Sid": "Buckets", "Effect": "Allow", "Principal": {"Service": S3_DELIVERY}, "Action": "s3:PutObject",
                 "Resource": f"{self.arn(run)}/{S3_PREFIX}/*", "Condition": {"StringEquals": {
                     "aws:SourceAccount": account}}}]

    def of(self, run: Run, bucket: Bucket) -> dict[str, str]:
        """Where the requests of `bucket` are logged, as PutBucketLogging takes it."""
        return {"TargetBucket": self.name(run), "TargetPrefix": f"{S3_PREFIX}/{bucket.name(run)}/"}

    def lifecycle(self, run: Run) -> list[dict[str, Any]]:
        return [{"ID": "expire", "Status": "Enabled", "Filter": {"Prefix": ""},
                 "Expiration": {"Days": run.settings.storage.access_log_days},
                 "NoncurrentVersionExpiration": {"NoncurrentDays": DELETED_DAYS}}]
