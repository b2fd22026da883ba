"""Tags in CreateBucket, conditions of bucket policies, and where requests of a bucket are logged."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.lab.server import Lab
from tests.lab.account import ACCOUNT, refusal


@pytest.mark.rule("create-bucket-tags")
def test_a_bucket_is_tagged_by_the_request_that_makes_it(aws: Aws) -> None:
    tags: Any = [{"Key": "a", "Value": "b"}]
    aws["us-east-1"].s3.create_bucket(Bucket="tagged", CreateBucketConfiguration={"Tags": tags})
    assert aws["us-east-1"].s3.get_bucket_tagging(Bucket="tagged")["TagSet"] == tags


@pytest.mark.rule("bucket-policy-conditions")
def test_a_statement_counts_only_where_its_conditions_hold(lab: Lab, aws: Aws) -> None:
    s3 = aws["us-east-1"].s3
    s3.create_bucket(Bucket="read")
    s3.put_object(Bucket="read", Key="k")
    s3.put_bucket_policy(Bucket="read", Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::read/k",
         "Condition": {"IpAddress": {"aws:SourceIp": ["192.0.2.0/24"]}}}]}))
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{lab.endpoint}/read/k")  # noqa: S310  # the lab's own address


@pytest.mark.rule("bucket-logging")
def test_requests_are_logged_into_a_bucket_of_the_same_region_that_lets_s3_deliver(aws: Aws) -> None:
    here, there = aws["us-east-1"].s3, aws["us-west-2"].s3
    here.create_bucket(Bucket="read")
    here.create_bucket(Bucket="logs")
    there.create_bucket(Bucket="far", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    secure = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::logs/*",
              "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    deliver = {"Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject",
               "Resource": "arn:aws:s3:::logs/s3/*", "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}}}

    def log(target: str, prefix: str) -> Any:
        return here.put_bucket_logging(Bucket="read", BucketLoggingStatus={
            "LoggingEnabled": {"TargetBucket": target, "TargetPrefix": prefix}})

    assert refusal(lambda: log("far", "s3/")) == "CrossLocationLoggingProhibited"
    assert refusal(lambda: log("logs", "s3/")) == "InvalidTargetBucketForLogging"
    here.put_bucket_policy(Bucket="logs", Policy=json.dumps({"Version": "2012-10-17", "Statement": [secure, deliver]}))
    assert refusal(lambda: log("logs", "elsewhere/")) == "InvalidTargetBucketForLogging"
    log("logs", "s3/read/")
    assert here.get_bucket_logging(Bucket="read")["LoggingEnabled"]["TargetPrefix"] == "s3/read/"
