"""The bucket for the trail's files, in the standby region: what was done while the primary region is lost, a failover
before all, is written where it can be read.

A region that is lost with the bucket loses nothing either: CloudTrail goes on trying to deliver for 30 days (CloudTrail
User Guide, "Getting and viewing your CloudTrail log files").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from drctl.engine.run import Run
from drctl.steps.log_bucket import DELETED_DAYS
from drctl.steps.logged_bucket import LoggedBucket
from drctl.steps.trail_name import LABEL, trail_arn

CLOUDTRAIL = "cloudtrail.amazonaws.com"


@dataclass(frozen=True, eq=False)
class TrailBucket(LoggedBucket):
    """Versioned, so that a file that somebody overwrites is still there; kept as long as the settings say."""

    label: ClassVar[str] = LABEL

    def policy(self, run: Run) -> list[dict[str, Any]]:
        """CloudTrail may deliver for this trail alone (CloudTrail User Guide, "Amazon S3 bucket policy for
        CloudTrail")."""
        who = {"Effect": "Allow", "Principal": {"Service": CLOUDTRAIL}}
        mine = {"aws:SourceArn": trail_arn(run)}
        return [{"Sid": "Look", **who, "Action": "s3:GetBucketAcl", "Resource": self.arn(run),
                 "Condition": {"StringEquals": mine}},
                {"Sid": "Deliver", **who, "Action": "s3:PutObject",
                 "Resource": f"{self.arn(run)}/AWSLogs/{run.settings.account_id}/*",
                 "Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control", **mine}}}]

    def lifecycle(self, run: Run) -> list[dict[str, Any]]:
        return [{"ID": "expire", "Status": "Enabled", "Filter": {"Prefix": ""},
                 "Expiration": {"Days": run.settings.trail.retention_days},
                 "NoncurrentVersionExpiration": {"NoncurrentDays": DELETED_DAYS}}]
