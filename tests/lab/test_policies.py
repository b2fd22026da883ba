"""Policy documents mean in the lab what they mean in IAM."""

from __future__ import annotations

import json
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.lab.policies import ANONYMOUS, Request, conditions_hold, may, may_use_key, resource_verdict, trusts, verdict
from tests.lab import account

ROLE = "arn:aws:iam::123456789012:role/copier"


def statement(effect: str = "Allow", **parts: Any) -> dict[str, Any]:
    told = {"Effect": effect, "Action": "s3:GetObject", "Resource": "*", **parts}
    return {"Version": "2012-10-17", "Statement": [told]}


def test_wildcards_stand_for_any_text_in_actions_and_resources() -> None:
    policy = statement(Action="s3:Get*", Resource="arn:aws:s3:::data-?/in/*")
    assert verdict([policy], Request(ROLE, "s3:GetObject", "arn:aws:s3:::data-1/in/a/b")) == "Allow"
    assert verdict([policy], Request(ROLE, "s3:GetObject", "arn:aws:s3:::data-12/in/a")) is None
    assert verdict([policy], Request(ROLE, "s3:PutObject", "arn:aws:s3:::data-1/in/a")) is None


def test_a_deny_wins_over_every_allow() -> None:
    request = Request(ROLE, "s3:GetObject", "arn:aws:s3:::data/a")
    assert verdict([statement(), statement("Deny", Resource="arn:aws:s3:::data/*")], request) == "Deny"


def test_everything_but_the_named_actions_and_resources() -> None:
    policy = {"Statement": {"Effect": "Allow", "NotAction": "s3:Delete*", "NotResource": "arn:aws:s3:::secret/*"}}
    assert verdict([policy], Request(ROLE, "s3:GetObject", "arn:aws:s3:::data/a")) == "Allow"
    assert verdict([policy], Request(ROLE, "s3:DeleteObject", "arn:aws:s3:::data/a")) is None
    assert verdict([policy], Request(ROLE, "s3:GetObject", "arn:aws:s3:::secret/a")) is None


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": [ROLE]}, {"AWS": "123456789012"},
                                       {"AWS": "arn:aws:iam::123456789012:root"}])
def test_a_role_is_named_by_itself_by_its_account_or_by_everybody(principal: Any) -> None:
    assert resource_verdict(statement(Principal=principal), Request(ROLE, "s3:GetObject", "x")) == "Allow"


@pytest.mark.parametrize("principal", [{"Service": "s3.amazonaws.com"}, {"AWS": "999999999999"}, {"AWS": ROLE + "-2"}])
def test_a_role_is_not_meant_by_a_service_another_account_or_a_longer_name(principal: Any) -> None:
    assert resource_verdict(statement(Principal=principal), Request(ROLE, "s3:GetObject", "x")) is None


def test_nobody_in_particular_is_meant_by_a_star_alone() -> None:
    request = Request(ANONYMOUS, "s3:GetObject", "x")
    assert resource_verdict(statement(Principal="*"), request) == "Allow"
    assert resource_verdict(statement(Principal={"AWS": "arn:aws:iam::123456789012:root"}), request) is None


@pytest.mark.parametrize(("condition", "holds"), [
    ({"StringEquals": {"aws:SourceAccount": ["1", "2"]}}, True),
    ({"StringEquals": {"AWS:sourceaccount": "2"}}, True),
    ({"StringNotEquals": {"aws:SourceAccount": "2"}}, False),
    ({"StringNotEquals": {"aws:Absent": "2"}}, True),
    ({"StringEquals": {"aws:Absent": "2"}}, False),
    ({"StringEqualsIfExists": {"aws:Absent": "2"}}, True),
    ({"ArnLike": {"aws:SourceArn": "arn:aws:events:*:rule/b/*"}}, True),
    ({"ArnEquals": {"aws:SourceArn": "arn:aws:events:us-east-1:2:rule/b/c"}}, False),
    ({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "15.177.0.0/18"]}}, True),
    ({"NotIpAddress": {"aws:SourceIp": "15.177.0.0/18"}}, False),
    ({"Bool": {"aws:SecureTransport": "true"}}, True),
    ({"Null": {"aws:Absent": "true"}}, True),
    ({"NumericLessThan": {"s3:max-keys": "10"}}, True),
    ({"Unheard": {"aws:SourceAccount": "2"}}, False),
    ({"StringEquals": {"aws:SourceAccount": "2"}, "Bool": {"aws:SecureTransport": "false"}}, False),
])
def test_conditions_hold_as_their_operators_say(condition: dict[str, Any], holds: bool) -> None:
    context = {"aws:SourceAccount": "2", "aws:SourceArn": "arn:aws:events:us-east-1:2:rule/b/r",
               "aws:SourceIp": "15.177.0.9/32", "aws:SecureTransport": "true", "s3:max-keys": "5"}
    assert conditions_hold(condition, context) is holds


def test_a_service_may_assume_a_role_that_trusts_it_on_its_conditions(aws: Aws) -> None:
    text = account.policy(Principal={"Service": "events.amazonaws.com"}, Action="sts:AssumeRole",
                          Condition={"StringEquals": {"aws:SourceAccount": "123456789012"}})
    aws["us-east-1"].iam.create_role(RoleName="copier", AssumeRolePolicyDocument=text)
    assert trusts(ROLE, "events.amazonaws.com", {"aws:SourceAccount": "123456789012"})
    assert not trusts(ROLE, "events.amazonaws.com", {"aws:SourceAccount": "999999999999"})
    assert not trusts(ROLE, "s3.amazonaws.com", {"aws:SourceAccount": "123456789012"})
    assert not trusts(ROLE + "-2", "events.amazonaws.com", {})


def test_a_role_may_what_its_own_and_attached_policies_allow(aws: Aws) -> None:
    iam = aws["us-east-1"].iam
    iam.create_role(RoleName="copier", AssumeRolePolicyDocument=account.trust("s3.amazonaws.com"))
    assert not may(Request(ROLE, "s3:GetObject", "x"))
    made = iam.create_policy(PolicyName="read", PolicyDocument=json.dumps(statement()))
    iam.attach_role_policy(RoleName="copier", PolicyArn=made["Policy"]["Arn"])
    assert may(Request(ROLE, "s3:GetObject", "x"))
    assert not may(Request(ROLE, "s3:GetObject", "x"), statement("Deny", Principal="*"))


def test_a_key_that_does_not_leave_it_to_iam_is_used_only_by_whom_it_names(aws: Aws) -> None:
    iam, kms = aws["us-east-1"].iam, aws["us-east-1"].kms
    iam.create_role(RoleName="copier", AssumeRolePolicyDocument=account.trust("s3.amazonaws.com"))
    iam.create_role(RoleName="copier-2", AssumeRolePolicyDocument=account.trust("s3.amazonaws.com"))
    request = Request(ROLE, "kms:Decrypt", "")
    key = kms.create_key()["KeyMetadata"]

    def may_with_policy_for(principal: str) -> bool:
        policy = json.dumps(statement(Action="kms:*", Principal={"AWS": principal}))
        kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=policy,
                           BypassPolicyLockoutSafetyCheck=True)
        return may_use_key(key["Arn"], request)

    assert not may_use_key(key["Arn"], request)
    iam.put_role_policy(RoleName="copier", PolicyName="key", PolicyDocument=json.dumps(statement(Action="kms:*")))
    assert may_use_key(key["Arn"], request)
    assert not may_with_policy_for(ROLE + "-2")
    assert may_with_policy_for(ROLE)
    kms.disable_key(KeyId=key["KeyId"])
    assert not may_use_key(key["Arn"], request)
