"""Buckets in the lab: names, defaults, and how long AWS needs to know one."""

from __future__ import annotations

from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from tests.lab.account import refusal

HERE, THERE = "us-east-1", "us-west-2"


@pytest.fixture
def s3(aws: Aws) -> Any:
    return aws[HERE].s3


def there(aws: Aws, name: str, place: str = THERE) -> Any:
    return aws[THERE].s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": place})  # type: ignore[typeddict-item]  # wrong places too


@pytest.mark.rule("bucket-name")
@pytest.mark.parametrize("name", ["Upper", "under_score", "-first", "last-", "two..dots", "10.0.0.1", "xn--a",
                                  "sthree-a", "amzn-s3-demo-a", "a-s3alias", "a--ol-s3", "a.mrap"])
def test_a_name_that_s3_does_not_allow_is_refused(s3: Any, name: str) -> None:
    assert refusal(lambda: s3.create_bucket(Bucket=name)) == "InvalidBucketName"


def test_a_name_has_three_to_sixty_three_characters(s3: Any) -> None:
    s3.create_bucket(Bucket="a" * 63)
    assert refusal(lambda: s3.create_bucket(Bucket="ab")) == "InvalidBucketName"
    assert refusal(lambda: s3.create_bucket(Bucket="a" * 64)) == "InvalidBucketName"


def test_us_east_1_is_not_named_as_a_place_and_every_other_region_is(aws: Aws, s3: Any) -> None:
    assert refusal(lambda: s3.create_bucket(Bucket="one", CreateBucketConfiguration={"LocationConstraint": HERE})
                   ) == "InvalidLocationConstraint"
    assert refusal(lambda: aws[THERE].s3.create_bucket(Bucket="one")) == "IllegalLocationConstraintException"
    assert refusal(lambda: there(aws, "one", "eu-west-1")) == "IllegalLocationConstraintException"
    there(aws, "one")


def test_a_second_creation_is_told_outside_us_east_1_only(aws: Aws, s3: Any) -> None:
    there(aws, "two")
    assert refusal(lambda: there(aws, "two")) == "BucketAlreadyOwnedByYou"
    for _ in range(2):
        s3.create_bucket(Bucket="one")


@pytest.mark.rule("bucket-name-taken")
def test_a_name_just_freed_cannot_be_used_in_another_region(aws: Aws, s3: Any, clock: LabClock) -> None:
    s3.create_bucket(Bucket="moved")
    clock.skip(60)
    s3.delete_bucket(Bucket="moved")
    assert refusal(lambda: there(aws, "moved")) == "OperationAborted"
    clock.skip(seconds("bucket-name-free"))
    there(aws, "moved")


@pytest.mark.rule("bucket-defaults")
def test_a_new_bucket_is_private_encrypted_and_without_acls(s3: Any) -> None:
    s3.create_bucket(Bucket="new")
    assert set(s3.get_public_access_block(Bucket="new")["PublicAccessBlockConfiguration"].values()) == {True}
    controls = s3.get_bucket_ownership_controls(Bucket="new")["OwnershipControls"]
    assert controls["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert encryption(s3, "new") == "AES256"


def encryption(s3: Any, bucket: str) -> str:
    rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    return str(rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"])


@pytest.mark.rule("bucket-encrypted-always")
def test_a_bucket_cannot_be_without_encryption(s3: Any) -> None:
    s3.create_bucket(Bucket="new")
    s3.delete_bucket_encryption(Bucket="new")
    assert encryption(s3, "new") == "AES256"


@pytest.mark.rule("bucket-visible")
def test_a_bucket_just_made_is_unknown_for_some_seconds(s3: Any, clock: LabClock) -> None:
    s3.create_bucket(Bucket="new")
    assert refusal(lambda: s3.get_bucket_tagging(Bucket="new")) == "NoSuchBucket"
    assert refusal(lambda: s3.head_bucket(Bucket="new")) == "404"
    clock.skip(seconds("bucket-visible"))
    s3.head_bucket(Bucket="new")
    assert refusal(lambda: s3.get_bucket_tagging(Bucket="new")) == "NoSuchTagSet"


@pytest.mark.rule("bucket-settable")
def test_a_bucket_that_is_seen_cannot_be_set_up_yet(s3: Any, clock: LabClock) -> None:
    s3.create_bucket(Bucket="new")
    clock.skip(seconds("bucket-visible"))
    s3.head_bucket(Bucket="new")
    versioned: Any = {"Bucket": "new", "VersioningConfiguration": {"Status": "Enabled"}}
    assert refusal(lambda: s3.put_bucket_versioning(**versioned)) == "NoSuchBucket"
    clock.skip(seconds("bucket-settable"))
    s3.put_bucket_versioning(**versioned)


def test_a_bucket_with_versions_or_delete_markers_is_not_empty(s3: Any) -> None:
    s3.create_bucket(Bucket="full")
    s3.put_bucket_versioning(Bucket="full", VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket="full", Key="k")["VersionId"]
    marker = s3.delete_object(Bucket="full", Key="k")["VersionId"]
    for one in (version, marker):
        assert refusal(lambda: s3.delete_bucket(Bucket="full")) == "BucketNotEmpty"
        s3.delete_object(Bucket="full", Key="k", VersionId=one)
    s3.delete_bucket(Bucket="full")
