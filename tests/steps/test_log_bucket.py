"""Buckets are private, encrypted and TLS only from their first minute, and go without a trace."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.settings import Settings
from drctl.steps.log_bucket import DELIVERY, S3_DELIVERY, LogBucket
from tests.conftest import changes, ensure_with_needs

SITES = Settings().sites
BUCKETS = [LogBucket(site) for site in SITES]
BUCKET = BUCKETS[1]


def wrong(run: Run) -> list[str]:
    out = run.refresh(BUCKET)
    assert out is not None
    return [finding.text for finding in BUCKET.verify(run, out)]


@pytest.mark.parametrize("bucket", BUCKETS, ids=[site.region for site in SITES])
def test_a_bucket_stands_as_it_should_in_each_region(run: Run, aws: Aws, bucket: LogBucket) -> None:
    out = ensure_with_needs(run, bucket)
    assert list(bucket.verify(run, out)) == []
    s3 = aws[bucket.region].s3
    assert s3.head_bucket(Bucket=out.name)["BucketRegion"] == bucket.region
    statements = json.loads(s3.get_bucket_policy(Bucket=out.name)["Policy"])["Statement"]
    assert [one["Effect"] for one in statements] == ["Deny", "Allow", "Allow"]
    assert [one["Principal"] for one in statements[1:]] == [{"Service": DELIVERY}, {"Service": S3_DELIVERY}]
    assert out.versioned
    assert s3.get_bucket_ownership_controls(Bucket=out.name)["OwnershipControls"]["Rules"][0][
        "ObjectOwnership"] == "BucketOwnerEnforced"


def test_a_second_run_changes_nothing_and_looks_six_times_at_most(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, BUCKET)
    again = make_run()
    ensure_with_needs(again, BUCKET)
    assert changes(again, BUCKET) == 0
    assert again.events.calls[BUCKET.key] <= 6


def test_a_bucket_is_known_to_be_ours_from_the_request_that_made_it(run: Run, aws: Aws) -> None:
    with run.events.at(BUCKET.key, BUCKET.region):
        BUCKET._create(run)
    tags = aws[BUCKET.region].s3.get_bucket_tagging(Bucket=BUCKET.name(run))["TagSet"]
    assert {"Key": "drctl:stack", "Value": "lab"} in tags
    BUCKET.destroy(run)
    assert BUCKET.find(run) is None


DAMAGE: dict[str, Callable[[Any, str], Any]] = {
    "public access": lambda s3, name: s3.delete_public_access_block(Bucket=name),
    "policy": lambda s3, name: s3.delete_bucket_policy(Bucket=name),
    "lifecycle": lambda s3, name: s3.delete_bucket_lifecycle(Bucket=name),
    "encrypted": lambda s3, name: s3.put_bucket_encryption(
        Bucket=name, ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": {
            "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:aws:kms:us-west-2:123456789012:key/other"}}]}),
}


@pytest.mark.notices("LogBucket")
@pytest.mark.parametrize("word", DAMAGE)
def test_verify_notices_damage_and_ensure_mends_it(run: Run, aws: Aws, word: str) -> None:
    name = ensure_with_needs(run, BUCKET).name
    DAMAGE[word](aws[BUCKET.region].s3, name)
    found = wrong(run)
    assert len(found) == 1
    assert word in found[0]
    ensure_with_needs(run, BUCKET)
    assert wrong(run) == []


def test_destroy_empties_versions_markers_and_unfinished_uploads_and_twice_is_fine(run: Run, aws: Aws) -> None:
    name = ensure_with_needs(run, BUCKET).name
    s3 = aws[BUCKET.region].s3
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for index in range(3):
        s3.put_object(Bucket=name, Key="same", Body=str(index).encode())
    s3.delete_object(Bucket=name, Key="same")
    s3.create_multipart_upload(Bucket=name, Key="never-finished")
    BUCKET.destroy(run)
    BUCKET.destroy(run)
    assert BUCKET.find(run) is None


def test_a_foreign_bucket_of_our_name_is_neither_used_nor_deleted(run: Run, aws: Aws) -> None:
    s3 = aws[BUCKET.region].s3
    s3.create_bucket(Bucket=BUCKET.name(run), CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    with pytest.raises(Refused, match="does not carry this stack's tag"):
        BUCKET.ensure(run)
    with pytest.raises(Refused, match=BUCKET.name(run)):
        BUCKET.destroy(run)
    assert s3.head_bucket(Bucket=BUCKET.name(run))
