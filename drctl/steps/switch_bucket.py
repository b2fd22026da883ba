"""The bucket of the traffic switch: while the switch object lies in it, users are sent to the standby region.

Route 53's checkers ask for the object without credentials; they and nobody else may read it, and it. A policy limited
to ranges narrower than /8 is not public to S3, so blocking public access stays on (S3 User Guide, "Blocking public
access to your Amazon S3 storage"). Encrypted by S3 itself: nobody without credentials can use a KMS key.
Only runbook actions put and remove the object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from drctl.engine.run import Run
from drctl.steps.bucket import Bucket
from drctl.steps.checkers import CheckerRanges

#: The object that sends traffic to the standby region by being there.
SWITCH_KEY = "switch/traffic-to-standby"


@dataclass(frozen=True, eq=False)
class SwitchBucket(Bucket):
    """Versioned, so that it can be told afterwards when the switch was turned."""

    label: ClassVar[str] = "switch"

    def policy(self, run: Run) -> list[dict[str, Any]]:
        """Checkers ask over HTTPS, so the demand for TLS is met by them too."""
        ranges = run.output(CheckerRanges(self.site))
        return [{"Sid": "Checkers", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                 "Resource": f"{self.arn(run)}/{SWITCH_KEY}",
                 "Condition": {"IpAddress": {"aws:SourceIp": list(ranges)}}}]

    def lifecycle(self, run: Run) -> list[dict[str, Any]]:
        return [{"ID": "old-turns", "Status": "Enabled", "Filter": {"Prefix": ""},
                 "NoncurrentVersionExpiration": {"NoncurrentDays": run.settings.storage.noncurrent_days}}]

    def host(self, run: Run) -> str:
        """Host of the switch object's regional URL; the global one answers new buckets with a redirect, and Route 53
        takes a redirect for healthy."""
        return f"{self.name(run)}.s3.{self.region}.amazonaws.com"


def switch_path() -> str:
    """Path of the switch object's URL."""
    return f"/{SWITCH_KEY}"
