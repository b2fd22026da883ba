"""Settings of a bucket are put in turn and seen late."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from drctl.lab.replication import bucket_named
from drctl.lab.s3_settings import changing
from tests.lab.account import refusal

POLICY = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::bbb/*",
     "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]})
KMS: Any = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "k"}}]}
VERSIONED: Any = {"Status": "Enabled"}


@pytest.fixture
def s3(aws: Aws) -> Any:
    client = aws["us-east-1"].s3
    client.create_bucket(Bucket="bbb")
    return client


@pytest.mark.rule("bucket-settings-in-turn")
def test_two_changes_at_once_abort_each_other(s3: Any) -> None:
    with changing(bucket_named("bbb")):
        assert refusal(lambda: s3.put_bucket_policy(Bucket="bbb", Policy=POLICY)) == "OperationAborted"
        assert refusal(lambda: s3.delete_bucket_policy(Bucket="bbb")) == "OperationAborted"
    s3.put_bucket_policy(Bucket="bbb", Policy=POLICY)


SETTINGS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "versioning": (lambda s3: s3.put_bucket_versioning(Bucket="bbb", VersioningConfiguration=VERSIONED),
                   lambda s3: s3.get_bucket_versioning(Bucket="bbb").get("Status")),
    "encryption": (lambda s3: s3.put_bucket_encryption(Bucket="bbb", ServerSideEncryptionConfiguration=KMS),
                   lambda s3: s3.get_bucket_encryption(Bucket="bbb")["ServerSideEncryptionConfiguration"]),
}


@pytest.mark.rule("bucket-settings-lag")
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_is_read_as_it_was_for_some_seconds(s3: Any, clock: LabClock, setting: str) -> None:
    put, read = SETTINGS[setting]
    clock.skip(60)
    before = read(s3)
    put(s3)
    assert read(s3) == before
    clock.skip(seconds("bucket-setting-visible"))
    assert read(s3) != before


@pytest.mark.rule("bucket-settings-lag")
def test_a_policy_is_read_late_when_it_is_put_and_when_it_is_deleted(s3: Any, clock: LabClock) -> None:
    clock.skip(60)
    s3.put_bucket_policy(Bucket="bbb", Policy=POLICY)
    assert refusal(lambda: s3.get_bucket_policy(Bucket="bbb")) == "NoSuchBucketPolicy"
    clock.skip(seconds("bucket-setting-visible"))
    assert s3.get_bucket_policy(Bucket="bbb")["Policy"] == POLICY
    s3.delete_bucket_policy(Bucket="bbb")
    assert s3.get_bucket_policy(Bucket="bbb")["Policy"] == POLICY
    clock.skip(seconds("bucket-setting-visible"))
    assert refusal(lambda: s3.get_bucket_policy(Bucket="bbb")) == "NoSuchBucketPolicy"
