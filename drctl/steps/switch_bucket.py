"""The bucket of a region's traffic switch: an object that says where users belong by lying there.

In the standby region it is the switch, which sends users there; in the primary region it is the pin, which keeps them
there although the switch, in a region that is lost, cannot be deleted.

Route 53's checkers ask for the object without credentials; they and nobody else may read it, and it. A policy limited
to ranges narrower than /8 is not public to S3, so blocking public access stays on (S3 User Guide, "Blocking public
access to your Amazon S3 storage"). Encrypted by S3 itself: nobody without credentials can use a KMS key.
Only runbook actions and the region's own latch put and remove the object.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from drctl.engine.run import Run
from drctl.engine.usage import Use, checks_millions
from drctl.steps.bucket import Bucket, BucketOut
from drctl.steps.checkers import CheckerRanges

#: The object that sends traffic to the standby region by being there, in the bucket of that region.
SWITCH_KEY = "switch/traffic-to-standby"
#: The object that keeps traffic in the primary region by being there, in the bucket of that region.
PIN_KEY = "switch/traffic-to-primary"


@dataclass(frozen=True, eq=False)
class SwitchBucket(Bucket):
    """Versioned, so that it can be told afterwards when the switch was turned."""

    label: ClassVar[str] = "switch"

    @property
    def object_key(self) -> str:
        """Key of the object that sends users to this bucket's region."""
        return PIN_KEY if self.site.role == "primary" else SWITCH_KEY

    def policy(self, run: Run) -> list[dict[str, Any]]:
        """Checkers ask over HTTPS, so the demand for TLS is met by them too."""
        ranges = run.output(CheckerRanges(self.site))
        return [{"Sid": "Checkers", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                 "Resource": f"{self.arn(run)}/{self.object_key}",
                 "Condition": {"IpAddress": {"aws:SourceIp": list(ranges)}}}]

    def uses(self, run: Run, out: BucketOut | None) -> Iterable[Use]:
        """Health checkers ask for the object all the time."""
        yield Use("objects and events", "object-get-million", checks_millions(run.settings))

    def lifecycle(self, run: Run) -> list[dict[str, Any]]:
        return [{"ID": "old-turns", "Status": "Enabled", "Filter": {"Prefix": ""},
                 "NoncurrentVersionExpiration": {"NoncurrentDays": run.settings.storage.noncurrent_days}}]

    def host(self, run: Run) -> str:
        """Host of the object's regional URL; the global one answers new buckets with a redirect, and Route 53 takes a
        redirect for healthy."""
        return f"{self.name(run)}.s3.{self.region}.amazonaws.com"

    @property
    def path(self) -> str:
        """Path of the object's URL."""
        return f"/{self.object_key}"
