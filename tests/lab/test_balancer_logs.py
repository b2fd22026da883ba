"""Access logs are switched on when their bucket lets log delivery write, and load balancing knows it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from tests.lab.test_balancing import Site

DELIVERY = "logdelivery.elasticloadbalancing.amazonaws.com"


class Logs:
    """A balancer and a bucket for its logs."""

    def __init__(self, aws: Aws) -> None:
        self.site = Site(aws)
        self.arn: str = self.site.balancer()["LoadBalancerArn"]
        self.s3: Any = aws["us-east-1"].s3
        self.s3.create_bucket(Bucket="logs-of-doors")

    def allow(self, service: str = DELIVERY, path: str = "balancer/AWSLogs/123456789012/*") -> None:
        self.s3.put_bucket_policy(Bucket="logs-of-doors", Policy=json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": service}, "Action": "s3:PutObject",
             "Resource": f"arn:aws:s3:::logs-of-doors/{path}"}]}))

    def switch_on(self, bucket: str = "logs-of-doors") -> None:
        self.site.elb.modify_load_balancer_attributes(LoadBalancerArn=self.arn, Attributes=[
            {"Key": "access_logs.s3.enabled", "Value": "true"}, {"Key": "access_logs.s3.bucket", "Value": bucket},
            {"Key": "access_logs.s3.prefix", "Value": "balancer"}])

    def refused(self, bucket: str = "logs-of-doors") -> tuple[str, str]:
        with pytest.raises(ClientError) as refused:
            self.switch_on(bucket)
        error = refused.value.response["Error"]
        return error["Code"], error["Message"]


@pytest.fixture
def logs(aws: Aws) -> Logs:
    return Logs(aws)


@pytest.mark.rule("balancer-log-bucket")
def test_access_logs_need_a_bucket_that_lets_log_delivery_write(logs: Logs, aws: Aws) -> None:
    assert logs.refused("logs-of-nobody")[0] == "InvalidConfigurationRequest"
    assert "Access Denied" in logs.refused()[1]
    logs.allow(path="AWSLogs/123456789012/*")
    assert "Access Denied" in logs.refused()[1]
    logs.allow()
    logs.switch_on()
    there: Any = {"LocationConstraint": "us-west-2"}
    aws["us-west-2"].s3.create_bucket(Bucket="logs-elsewhere", CreateBucketConfiguration=there)
    assert "same region" in logs.refused("logs-elsewhere")[1]


@pytest.mark.rule("log-bucket-policy-late")
def test_load_balancing_knows_a_buckets_policy_some_seconds_later(logs: Logs, clock: LabClock) -> None:
    logs.allow()
    assert "Access Denied" in logs.refused()[1]
    clock.skip(seconds("log-bucket-policy"))
    logs.switch_on()
