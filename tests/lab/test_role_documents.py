"""What IAM refuses in a role."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.lab.clock import LabClock
from tests.lab.account import ACCOUNT, REGION, policy, refusal, role, trust

LAMBDA = trust("lambda.amazonaws.com")
LONG_RIGHTS = policy(Action="s3:GetObject", Resource=[f"arn:aws:s3:::{'b' * 50}{number}/*" for number in range(140)])


@pytest.fixture
def iam(aws: Aws) -> Any:
    return aws[REGION].iam


def create(iam: Any, **more: Any) -> Any:
    return partial(iam.create_role, **{"RoleName": "worker", "AssumeRolePolicyDocument": LAMBDA, **more})


@pytest.mark.rule("role-name")
@pytest.mark.parametrize("name", ["w" * 65, "two words", "slash/in", "ünder"])
def test_a_roles_name_is_short_and_plain(iam: Any, name: str) -> None:
    assert refusal(create(iam, RoleName=name)) == "ValidationError"


@pytest.mark.rule("role-texts")
@pytest.mark.parametrize("text", [{"Path": "/team"}, {"Path": f"/{'p' * 511}/"}, {"Description": "d" * 1001},
                                  {"Description": "of the app \u2013 in the east"}])
def test_a_roles_path_and_description_have_limits(iam: Any, text: dict[str, str]) -> None:
    assert refusal(create(iam, **text)) == "ValidationError"


def test_a_plain_role_is_made(iam: Any) -> None:
    made = create(iam, Path="/team/", Description="of the app: ä", RoleName="a+=,.@_-")()["Role"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/team/a+=,.@_-"


@pytest.mark.rule("role-trust-document")
@pytest.mark.parametrize("text", ["{}", "no JSON", policy(Principal={"Service": "s3.amazonaws.com"}, Resource="*",
                                                          Action="sts:AssumeRole")])
def test_a_role_is_not_made_with_a_malformed_trust_policy(iam: Any, text: str) -> None:
    assert refusal(create(iam, AssumeRolePolicyDocument=text)) == "MalformedPolicyDocument"


def test_malformed_policies_are_not_put(aws: Aws, iam: Any) -> None:
    role(aws)
    for text in ("no JSON", policy(Action="s3:GetObject")):
        assert refusal(partial(iam.put_role_policy, RoleName="worker", PolicyName="p",
                               PolicyDocument=text)) == "MalformedPolicyDocument"
    assert refusal(partial(iam.update_assume_role_policy, RoleName="worker",
                           PolicyDocument="{}")) == "MalformedPolicyDocument"


@pytest.mark.rule("role-trust-size")
def test_a_trust_policy_is_short(aws: Aws, iam: Any) -> None:
    long = policy(Principal={"Service": [f"{'s' * 80}{number}.amazonaws.com" for number in range(20)]},
                  Action="sts:AssumeRole")
    assert refusal(create(iam, AssumeRolePolicyDocument=long)) == "LimitExceeded"
    role(aws)
    assert refusal(partial(iam.update_assume_role_policy, RoleName="worker", PolicyDocument=long)) == "LimitExceeded"


def test_white_space_does_not_count(iam: Any) -> None:
    create(iam, AssumeRolePolicyDocument=LAMBDA + " " * 4000)()


@pytest.mark.rule("role-trust-principals")
def test_a_trust_policy_names_nobody_unknown_or_just_made(aws: Aws, iam: Any, clock: LabClock) -> None:
    named = policy(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/worker"}, Action="sts:AssumeRole")
    other = create(iam, RoleName="other", AssumeRolePolicyDocument=named)
    assert refusal(other) == "MalformedPolicyDocument"
    role(aws)
    assert refusal(other) == "MalformedPolicyDocument"
    clock.skip(60)
    other()


@pytest.mark.rule("role-policies-size")
def test_all_inline_policies_together_have_a_limit(aws: Aws, iam: Any) -> None:
    role(aws)
    put = partial(iam.put_role_policy, RoleName="worker", PolicyDocument=LONG_RIGHTS)
    put(PolicyName="one")
    put(PolicyName="one")
    assert refusal(partial(put, PolicyName="two")) == "LimitExceeded"


@pytest.mark.rule("role-policy-name")
@pytest.mark.parametrize("name", ["p" * 129, "two words"])
def test_an_inline_policys_name_is_short_and_plain(aws: Aws, iam: Any, name: str) -> None:
    role(aws)
    put = partial(iam.put_role_policy, RoleName="worker", PolicyName=name, PolicyDocument=policy(
        Action="s3:GetObject", Resource="*"))
    assert refusal(put) == "ValidationError"
