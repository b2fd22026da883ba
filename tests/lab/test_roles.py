"""A role just made or changed is not what it will be: for IAM's readers and for the services that assume it."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from drctl.lab.policies import Request, role_verdict, trusts
from drctl.lab.roles import is_assumable
from tests.lab.account import ACCOUNT, REGION, policy, refusal, role, trust

EVENTS = "events.amazonaws.com"
RIGHTS = policy(Action="s3:GetObject", Resource="*")


@pytest.fixture
def iam(aws: Aws) -> Any:
    return aws[REGION].iam


@pytest.mark.rule("role-age")
def test_a_new_role_is_unknown_to_services_for_ten_seconds(aws: Aws, clock: LabClock) -> None:
    arn = role(aws, EVENTS)
    assert not is_assumable(arn)
    assert not trusts(arn, EVENTS)
    clock.skip(seconds("role-usable"))
    assert is_assumable(arn)
    assert trusts(arn, EVENTS)


def test_a_role_that_is_not_there_is_never_assumable(lab: Any) -> None:
    assert not is_assumable(f"arn:aws:iam::{ACCOUNT}:role/nobody")
    assert not is_assumable("worker")


@pytest.mark.rule("role-unseen")
def test_iam_misses_a_role_just_made_whose_name_is_taken(aws: Aws, iam: Any, clock: LabClock) -> None:
    role(aws)
    assert refusal(partial(iam.get_role, RoleName="worker")) == "NoSuchEntity"
    assert refusal(partial(iam.put_role_policy, RoleName="worker", PolicyName="p",
                           PolicyDocument=RIGHTS)) == "NoSuchEntity"
    assert refusal(partial(role, aws)) == "EntityAlreadyExists"
    clock.skip(seconds("role-visible"))
    assert iam.get_role(RoleName="worker")["Role"]["RoleName"] == "worker"


@pytest.mark.rule("role-spread")
def test_services_see_a_changed_trust_late(aws: Aws, iam: Any, clock: LabClock) -> None:
    arn = role(aws, EVENTS)
    clock.skip(seconds("role-usable"))
    iam.update_assume_role_policy(RoleName="worker", PolicyDocument=trust("s3.amazonaws.com"))
    assert trusts(arn, EVENTS)
    assert not trusts(arn, "s3.amazonaws.com")
    clock.skip(seconds("role-policy-visible"))
    assert not trusts(arn, EVENTS)
    assert trusts(arn, "s3.amazonaws.com")


@pytest.mark.rule("role-spread")
def test_services_see_new_rights_late(aws: Aws, iam: Any, clock: LabClock) -> None:
    request = Request(role(aws), "s3:GetObject", "x")
    clock.skip(seconds("role-usable"))
    iam.put_role_policy(RoleName="worker", PolicyName="p", PolicyDocument=RIGHTS)
    assert role_verdict(request) is None
    clock.skip(seconds("role-policy-visible"))
    assert role_verdict(request) == "Allow"


@pytest.mark.rule("role-trust-read")
def test_a_changed_trust_is_read_late(aws: Aws, iam: Any, clock: LabClock) -> None:
    role(aws, EVENTS)
    clock.skip(seconds("role-usable"))
    iam.update_assume_role_policy(RoleName="worker", PolicyDocument=trust("s3.amazonaws.com"))
    shown = [iam.get_role(RoleName="worker")["Role"]["AssumeRolePolicyDocument"]]
    clock.skip(seconds("role-policy-visible"))
    shown.append(iam.get_role(RoleName="worker")["Role"]["AssumeRolePolicyDocument"])
    assert shown == [json.loads(trust(EVENTS)), json.loads(trust("s3.amazonaws.com"))]


@pytest.mark.rule("role-policy-read")
def test_a_new_inline_policy_is_read_late(aws: Aws, iam: Any, clock: LabClock) -> None:
    role(aws)
    clock.skip(seconds("role-usable"))
    iam.put_role_policy(RoleName="worker", PolicyName="p", PolicyDocument=RIGHTS)
    read = partial(iam.get_role_policy, RoleName="worker", PolicyName="p")
    assert refusal(read) == "NoSuchEntity"
    clock.skip(seconds("role-policy-visible"))
    assert read()["PolicyDocument"] == json.loads(RIGHTS)


@pytest.mark.rule("role-policies-listed")
def test_an_inline_policy_just_put_is_not_listed_and_keeps_the_role(aws: Aws, iam: Any, clock: LabClock) -> None:
    role(aws)
    clock.skip(seconds("role-usable"))
    iam.put_role_policy(RoleName="worker", PolicyName="p", PolicyDocument=RIGHTS)
    assert iam.list_role_policies(RoleName="worker")["PolicyNames"] == []
    assert refusal(partial(iam.delete_role, RoleName="worker")) == "DeleteConflict"
    clock.skip(seconds("role-policy-visible"))
    assert iam.list_role_policies(RoleName="worker")["PolicyNames"] == ["p"]


def test_what_hangs_on_a_role_keeps_it(aws: Aws, iam: Any) -> None:
    role(aws)
    delete = partial(iam.delete_role, RoleName="worker")
    iam.put_role_policy(RoleName="worker", PolicyName="p", PolicyDocument=RIGHTS)
    assert refusal(delete) == "DeleteConflict"
    iam.delete_role_policy(RoleName="worker", PolicyName="p")
    arn = iam.create_policy(PolicyName="p", PolicyDocument=RIGHTS)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="worker", PolicyArn=arn)
    assert refusal(delete) == "DeleteConflict"
    iam.detach_role_policy(RoleName="worker", PolicyArn=arn)
    iam.create_instance_profile(InstanceProfileName="i")
    iam.add_role_to_instance_profile(InstanceProfileName="i", RoleName="worker")
    assert refusal(delete) == "DeleteConflict"
    iam.remove_role_from_instance_profile(InstanceProfileName="i", RoleName="worker")
    delete()
