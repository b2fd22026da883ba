"""The bucket for the balancer's access logs of a region.

Encrypted by S3 itself, because the balancer cannot write with a KMS key (ELB User Guide for Application Load Balancers,
"Access logs for your Application Load Balancer", bucket requirements).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from drctl.engine.run import Run
from drctl.steps.bucket import Bucket

#: Who delivers access logs. Regions from before August 2022 also know an account of ELB's own for each region; the
#: guide calls that the legacy policy and asks for the service principal everywhere.
DELIVERY = "logdelivery.elasticloadbalancing.amazonaws.com"
#: Prefix of the access logs in the bucket.
PREFIX = "balancer"


@dataclass(frozen=True, eq=False)
class LogBucket(Bucket):
    """Access logs, kept as long as the settings say."""

    label: ClassVar[str] = "access-logs"
    #: Logs are written once and never changed: versions would only double them.
    versioned: ClassVar[bool] = False

    def policy(self, run: Run) -> list[dict[str, Any]]:
        """Delivery may write below this account's folder; the guide's example has no condition on the source."""
        return [{"Sid": "Delivery", "Effect": "Allow", "Principal": {"Service": DELIVERY}, "Action": "s3:PutObject",
                 "Resource": f"{self.arn(run)}/{PREFIX}/AWSLogs/{run.settings.account_id}/*"}]

    def lifecycle(self, run: Run) -> list[dict[str, Any]]:
        return [{"ID": "expire", "Status": "Enabled", "Filter": {"Prefix": ""},
                 "Expiration": {"Days": run.settings.storage.access_log_days}}]
