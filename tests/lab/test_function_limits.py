"""Lambda refuses odd names and environments, shows a new function late, and loses permissions given at one moment."""

from __future__ import annotations

import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK, LabClock
from tests.lab.account import ACCOUNT, REGION, refusal, role
from tests.lab.conftest import settle


@pytest.fixture
def lambda_(aws: Aws) -> Any:
    role(aws)
    return aws[REGION].lambda_


def create(lambda_: Any, **more: Any) -> Any:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", "")
    return partial(lambda_.create_function, **{
        "FunctionName": "f", "Role": f"arn:aws:iam::{ACCOUNT}:role/worker", "Runtime": "python3.12",
        "Handler": "app.handler", "Code": {"ZipFile": packed.getvalue()}, **more})


def allow(lambda_: Any, statement: str = "s", principal: str = "s3.amazonaws.com") -> Any:
    return lambda_.add_permission(FunctionName="f", StatementId=statement, Action="lambda:InvokeFunction",
                                  Principal=principal)


def statements(lambda_: Any) -> set[str]:
    return {one["Sid"] for one in json.loads(lambda_.get_policy(FunctionName="f")["Policy"])["Statement"]}


def variables(**named: str) -> Any:
    return {"Environment": {"Variables": named}}


@pytest.mark.rule("function-name")
@pytest.mark.parametrize("name", ["f" * 65, "two words", "dot.ted"])
def test_a_functions_name_is_short_and_plain(lambda_: Any, name: str) -> None:
    assert refusal(create(lambda_, FunctionName=name)) == "ValidationException"


@pytest.mark.rule("environment-size")
def test_all_variables_together_have_4_kb(lambda_: Any) -> None:
    assert refusal(create(lambda_, **variables(TEXT="x" * 4_096))) == "InvalidParameterValueException"
    create(lambda_, **variables(TEXT="x" * 4_000))()


@pytest.mark.rule("environment-names")
@pytest.mark.parametrize(("name", "code"), [("AWS_REGION", "InvalidParameterValueException"),
                                            ("_HANDLER", "InvalidParameterValueException"),
                                            ("2ND", "ValidationException"), ("a-b", "ValidationException")])
def test_lambdas_own_variables_and_odd_names_are_refused(lambda_: Any, name: str, code: str) -> None:
    assert refusal(create(lambda_, **variables(**{name: "x"}))) == code


@pytest.mark.rule("environment-change")
@pytest.mark.parametrize("named", [{"AWS_REGION": "x"}, {"TEXT": "x" * 4_096}])
def test_a_changed_environment_has_the_same_limits(lambda_: Any, named: dict[str, str]) -> None:
    create(lambda_)()
    CLOCK.skip(seconds("function-create"))
    assert refusal(partial(lambda_.update_function_configuration, FunctionName="f",
                           **variables(**named))) == "InvalidParameterValueException"


@pytest.mark.rule("function-unseen")
@pytest.mark.rule("function-age")
def test_a_function_just_made_is_missed_and_its_name_is_taken(lambda_: Any, clock: LabClock) -> None:
    create(lambda_)()
    for call in (partial(lambda_.get_function, FunctionName="f"), partial(allow, lambda_),
                 partial(lambda_.get_function_configuration, FunctionName="f")):
        assert refusal(call) == "ResourceNotFoundException"
    assert refusal(create(lambda_)) == "ResourceConflictException"
    clock.skip(seconds("function-visible"))
    assert lambda_.get_function(FunctionName="f")["Configuration"]["State"] == "Pending"


@pytest.mark.rule("permission-principal")
def test_a_permission_names_nobody_unknown(lambda_: Any) -> None:
    create(lambda_)()
    assert refusal(partial(allow, lambda_, principal=f"arn:aws:iam::{ACCOUNT}:role/nobody")) == \
        "InvalidParameterValueException"
    allow(lambda_, principal=f"arn:aws:iam::{ACCOUNT}:role/worker")


@pytest.mark.rule("permission-lost")
def test_permissions_given_at_one_moment_overwrite_each_other(lambda_: Any, clock: LabClock) -> None:
    create(lambda_)()
    clock.skip(seconds("function-visible"))
    clock.set_speed(2)
    with ThreadPoolExecutor(2) as both:
        list(both.map(partial(allow, lambda_), ["one", "two"]))
    assert len(statements(lambda_)) == 1


def test_permissions_given_one_after_the_other_stay(lambda_: Any) -> None:
    create(lambda_)()
    for name in ("one", "two"):
        allow(lambda_, name)
    assert statements(lambda_) == {"one", "two"}


@pytest.mark.rule("interfaces-need-their-role")
def test_interfaces_stay_for_good_when_their_role_goes_before_them(aws: Aws, lambda_: Any, clock: LabClock) -> None:
    ec2: Any = aws[REGION].ec2
    subnet = ec2.describe_subnets()["Subnets"][0]
    group = ec2.create_security_group(GroupName="app", Description="app", VpcId=subnet["VpcId"])["GroupId"]
    create(lambda_, VpcConfig={"SubnetIds": [subnet["SubnetId"]], "SecurityGroupIds": [group]})()
    lambda_.delete_function(FunctionName="f")
    aws[REGION].iam.delete_role(RoleName="worker")
    clock.skip(seconds("interface-linger"))
    settle(clock)
    assert refusal(partial(ec2.delete_security_group, GroupId=group)) == "DependencyViolation"
