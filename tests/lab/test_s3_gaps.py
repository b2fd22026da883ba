"""Tags in CreateBucket, and conditions of bucket policies."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.lab.server import Lab


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
