"""A trail is taken when its bucket, its key and its role let it in, and refused in CloudTrail's words otherwise."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK
from tests.lab.account import ACCOUNT, REGION, refusal, role

NAME, BUCKET = "calls", "bucket-of-calls"
ARN = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/{NAME}"
WHO = {"Service": "cloudtrail.amazonaws.com"}
OWNER = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"}
MINE = {"StringEquals": {"aws:SourceArn": ARN}}
LOOK = {"Effect": "Allow", "Principal": WHO, "Action": "s3:GetBucketAcl", "Resource": f"arn:aws:s3:::{BUCKET}",
        "Condition": MINE}
DELIVER = {"Effect": "Allow", "Principal": WHO, "Action": "s3:PutObject", "Condition": MINE,
           "Resource": f"arn:aws:s3:::{BUCKET}/AWSLogs/{ACCOUNT}/*"}


def document(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def bucket(at: Any, *statements: Any) -> None:
    at.s3.create_bucket(Bucket=BUCKET)
    CLOCK.skip(seconds("bucket-visible"))
    at.s3.put_bucket_policy(Bucket=BUCKET, Policy=document(*statements))


def key(at: Any, *statements: Any) -> str:
    made: str = at.kms.create_key(Policy=document(OWNER, *statements))["KeyMetadata"]["Arn"]
    CLOCK.skip(seconds("key-usable"))
    return made


@pytest.mark.rule("trail-bucket-policy")
@pytest.mark.parametrize("statements", [(LOOK,), (DELIVER,), (LOOK, {**DELIVER, "Condition": {
    "StringEquals": {"aws:SourceArn": f"{ARN}-of-somebody"}}})], ids=["no delivery", "no look", "another trail's"])
def test_a_bucket_that_does_not_let_the_trail_in_is_refused(aws: Aws, statements: tuple[Any, ...]) -> None:
    at = aws[REGION]
    bucket(at, *statements)
    assert refusal(lambda: at.cloudtrail.create_trail(Name=NAME, S3BucketName=BUCKET)) == (
        "InsufficientS3BucketPolicyException")


def test_a_bucket_that_lets_it_in_is_enough(aws: Aws) -> None:
    at = aws[REGION]
    bucket(at, LOOK, DELIVER)
    assert at.cloudtrail.create_trail(Name=NAME, S3BucketName=BUCKET)["TrailARN"] == ARN


@pytest.mark.rule("trail-key")
def test_a_key_is_in_the_region_of_the_bucket_and_lets_the_trail_encrypt(aws: Aws) -> None:
    at = aws[REGION]
    bucket(at, LOOK, DELIVER)
    encrypt = {"Effect": "Allow", "Principal": WHO, "Action": "kms:GenerateDataKey*", "Resource": "*",
               "Condition": MINE}
    closed, elsewhere, right = key(at), key(aws["us-west-2"], encrypt), key(at, encrypt)
    for named, code in ((closed, "InsufficientEncryptionPolicyException"), (elsewhere, "KmsKeyNotFoundException")):
        assert refusal(partial(at.cloudtrail.create_trail, Name=NAME, S3BucketName=BUCKET, KmsKeyId=named)) == code
    at.cloudtrail.create_trail(Name=NAME, S3BucketName=BUCKET, KmsKeyId=right)
    assert refusal(lambda: at.cloudtrail.update_trail(Name=NAME, S3BucketName=BUCKET, KmsKeyId=closed)) == (
        "InsufficientEncryptionPolicyException")


@pytest.mark.rule("trail-log-role")
def test_a_role_for_the_log_group_is_trusted_to_cloudtrail(aws: Aws) -> None:
    at = aws[REGION]
    bucket(at, LOOK, DELIVER)
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:calls:*"
    worker = role(aws)
    assert refusal(lambda: at.cloudtrail.create_trail(
        Name=NAME, S3BucketName=BUCKET, CloudWatchLogsLogGroupArn=group, CloudWatchLogsRoleArn=worker)) == (
        "InvalidCloudWatchLogsRoleArnException")


@pytest.mark.rule("trail-name-taken")
def test_a_name_is_taken_once(aws: Aws) -> None:
    at = aws[REGION]
    bucket(at, LOOK, DELIVER)
    at.cloudtrail.create_trail(Name=NAME, S3BucketName=BUCKET)
    assert refusal(lambda: at.cloudtrail.create_trail(Name=NAME, S3BucketName=BUCKET)) == "TrailAlreadyExistsException"


@pytest.mark.rule("trail-delete")
def test_a_trail_that_is_not_there_cannot_be_deleted(aws: Aws) -> None:
    assert refusal(lambda: aws[REGION].cloudtrail.delete_trail(Name=NAME)) == "TrailNotFoundException"


@pytest.mark.rule("trail-delivers")
def test_a_trail_that_writes_tells_when_it_has_delivered_to_its_log_group(aws: Aws) -> None:
    at = aws[REGION]
    bucket(at, LOOK, DELIVER)
    worker = role(aws, "cloudtrail.amazonaws.com")
    CLOCK.skip(seconds("role-usable"))
    at.cloudtrail.create_trail(Name=NAME, S3BucketName=BUCKET, CloudWatchLogsRoleArn=worker,
                               CloudWatchLogsLogGroupArn=f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:calls:*")
    told = "LatestCloudWatchLogsDeliveryTime"
    assert told not in at.cloudtrail.get_trail_status(Name=NAME)
    at.cloudtrail.start_logging(Name=NAME)
    assert told in at.cloudtrail.get_trail_status(Name=NAME)


@pytest.mark.rule("trail-by-arn")
def test_a_trail_of_all_regions_is_read_by_its_arn_in_another_one(aws: Aws) -> None:
    bucket(aws[REGION], LOOK, DELIVER)
    aws[REGION].cloudtrail.create_trail(Name=NAME, S3BucketName=BUCKET, IsMultiRegionTrail=True)
    away = aws["us-west-2"].cloudtrail
    assert away.get_event_selectors(TrailName=ARN)["TrailARN"] == ARN
    assert refusal(lambda: away.get_event_selectors(TrailName=NAME)) == "TrailNotFoundException"


@pytest.mark.rule("trail-selectors")
def test_basic_selectors_take_the_place_of_advanced_ones(aws: Aws) -> None:
    at = aws[REGION]
    bucket(at, LOOK, DELIVER)
    at.cloudtrail.create_trail(Name=NAME, S3BucketName=BUCKET)
    at.cloudtrail.put_event_selectors(TrailName=NAME, AdvancedEventSelectors=[
        {"Name": "management", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}])
    at.cloudtrail.put_event_selectors(TrailName=NAME, EventSelectors=[{"ReadWriteType": "WriteOnly"}])
    told = at.cloudtrail.get_event_selectors(TrailName=NAME)
    assert not told.get("AdvancedEventSelectors")
    assert told["EventSelectors"][0]["ReadWriteType"] == "WriteOnly"
