"""Emptying a versioned S3 bucket: unfinished uploads, every version and every delete marker, a thousand at a time."""

from __future__ import annotations

from typing import Any

from drctl.aws.errors import PartialFailure, refuse_partial
from drctl.engine.run import Run

#: Objects in one DeleteObjects (S3 API Reference).
BATCH = 1000
#: Answers for single objects inside a successful DeleteObjects that a second try mends.
PASSING = frozenset({"InternalError", "SlowDown", "ServiceUnavailable"})


def empty(run: Run, region: str, bucket: str) -> int:
    """Remove everything in the bucket and return how many versions and markers that were.

    Raises PartialFailure when S3 refuses to delete something (object lock, MFA delete).
    """
    _abort_uploads(run, region, bucket)
    s3, removed = run.at(region).s3, 0
    for page in s3.get_paginator("list_object_versions").paginate(
            Bucket=bucket, PaginationConfig={"PageSize": BATCH}):
        there: list[Any] = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        batch = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in there]
        if batch:
            _delete(run, region, bucket, batch)
            removed += len(batch)
            run.say(f"bucket {bucket}: {removed} versions and markers removed")
    return removed


def _delete(run: Run, region: str, bucket: str, batch: list[Any]) -> None:
    """Delete a batch; what S3 was only too busy for is tried once more, anything else is a failure."""
    s3 = run.at(region).s3
    errors = s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True}).get("Errors", [])
    lasting = [error for error in errors if error.get("Code") not in PASSING]
    refuse_partial("DeleteObjects", lasting)
    if errors:
        again: list[Any] = [{"Key": error["Key"], "VersionId": error["VersionId"]} for error in errors]
        rest = s3.delete_objects(Bucket=bucket, Delete={"Objects": again, "Quiet": True}).get("Errors", [])
        if rest:
            raise PartialFailure(f"DeleteObjects: {len(rest)} versions of {bucket} stay: {rest[0].get('Code')}",
                                 next_step="the same command again goes on from here")


def _abort_uploads(run: Run, region: str, bucket: str) -> None:
    """Parts of unfinished uploads are no objects, but keep a bucket from being deleted."""
    s3 = run.at(region).s3
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
