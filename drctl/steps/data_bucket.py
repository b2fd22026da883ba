"""The application's bucket of a region: old versions kept for a while, open to replication from the other region."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from drctl.engine.run import Run
from drctl.engine.usage import Use
from drctl.steps.bucket import BucketOut
from drctl.steps.logged_bucket import LoggedBucket

#: Label of the role that replicates a region's bucket; the bucket at the other end admits it by name.
REPLICATION = "replication"


@dataclass(frozen=True, eq=False)
class DataBucket(LoggedBucket):
    """Encrypted with the region's key; replicas are encrypted anew with the key of their own region."""

    label: ClassVar[str] = "data"

    def policy(self, run: Run) -> list[dict[str, Any]]:
        """The other region's replication role may write replicas (S3 User Guide, "Granting permissions to a destination
        bucket"). It is named in a condition: as a principal it would have to exist before the bucket."""
        other = run.settings.other(self.site)
        role = f"arn:aws:iam::{run.settings.account_id}:role/{run.name('iam', REPLICATION, other)}"
        return [{"Sid": "Replicas", "Effect": "Allow",
                 "Principal": {"AWS": f"arn:aws:iam::{run.settings.account_id}:root"},
                 "Action": ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"],
                 "Resource": f"{self.arn(run)}/*", "Condition": {"ArnEquals": {"aws:PrincipalArn": role}}}]

    def lifecycle(self, run: Run) -> list[dict[str, Any]]:
        """Lifecycle deletes are never replicated, so both buckets carry the same rules."""
        return [{"ID": "old-versions", "Status": "Enabled", "Filter": {"Prefix": ""},
                 "Expiration": {"ExpiredObjectDeleteMarker": True},
                 "NoncurrentVersionExpiration": {"NoncurrentDays": run.settings.storage.noncurrent_days}}]

    def uses(self, run: Run, out: BucketOut | None) -> Iterable[Use]:
        yield Use("objects and events", "object-gb", run.settings.estimate.object_gb)
