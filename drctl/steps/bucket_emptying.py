"""Emptying a versioned S3 bucket: unfinished uploads, every version and every delete marker, a thousand at a time."""

from __future__ import annotations

from typing import Any

from drctl.aws.errors import Refusal, already, refuse_partial
from drctl.engine.run import Run
from drctl.engine.waiting import minutes

#: Objects in one DeleteObjects (S3 API Reference).
BATCH = 1000
#: Versions and markers between two words about the progress.
TOLD_EVERY = 5000
#: Answers for single objects inside a successful DeleteObjects that another try mends (S3 API Reference, DeleteObjects
#: and "Error Responses").
PASSING = frozenset({"InternalError", "SlowDown", "ServiceUnavailable", "OperationAborted"})


def empty(run: Run, region: str, bucket: str) -> int:
    """Remove everything in the bucket and return how many versions and markers that were.

    Raises PartialFailure when S3 refuses to delete something (object lock, MFA delete).
    """
    _abort_uploads(run, region, bucket)
    removed, truncated, before = 0, True, None
    while truncated:
        # From the beginning each time: a marker would name a version that has just been deleted.
        page = run.at(region).s3.list_object_versions(Bucket=bucket, MaxKeys=BATCH)
        there = [_named(one) for one in (*page.get("Versions", []), *page.get("DeleteMarkers", []))]
        truncated = bool(page.get("IsTruncated"))
        if there and there == before:
            refuse_partial("DeleteObjects", [{**there[0], "Code": "still listed"}])
        if there:
            _delete(run, region, bucket, there)
            removed, before = removed + len(there), there
        if removed and (not truncated or removed % TOLD_EVERY < len(there)):
            run.say(f"bucket {bucket}: {removed} versions and markers removed")
    return removed


def _named(one: Any) -> dict[str, str]:
    return {"Key": one["Key"], "VersionId": one["VersionId"]}


def _delete(run: Run, region: str, bucket: str, batch: list[Any]) -> None:
    """Delete a batch; what S3 was only too busy for is tried again, anything else is a failure."""
    s3, left = run.at(region).s3, batch

    def one_try() -> list[Any]:
        nonlocal left
        errors: list[Any] = list(s3.delete_objects(
            Bucket=bucket, Delete={"Objects": left, "Quiet": True}).get("Errors", []))
        refuse_partial("DeleteObjects", [error for error in errors if error.get("Code") not in PASSING])
        left = [_named(error) for error in errors]
        return errors

    run.wait_until(f"S3 deletes {len(batch)} versions of {bucket}", one_try, lambda errors: not errors,
                   within=minutes(5), show=lambda errors: f"{len(errors)} left: {errors[0]}" if errors else "done")


def _abort_uploads(run: Run, region: str, bucket: str) -> None:
    """Parts of unfinished uploads are no objects, but they are the bucket's content and are paid for."""
    s3 = run.at(region).s3
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", []):
            with already(Refusal("NoSuchUpload")):
                s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
