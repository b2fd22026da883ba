"""A function for which nothing is reserved cannot be invoked by anybody; 100 executions stay for all others."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.lab.front_doors import BalancerDoor, balancer_named
from drctl.lab.server import Lab
from tests.lab.account import refusal
from tests.lab.conftest import one_try
from tests.lab.front_door_world import HERE, balancer


@pytest.fixture
def lambda_(aws: Aws, lab: Lab) -> Any:
    """Lambda in a region with a function `app` behind a balancer; each call is tried once."""
    balancer(aws, HERE)
    return one_try(lab)[HERE].lambda_


def reserve(lambda_: Any, count: int, name: str = "app") -> Any:
    return lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=count)


@pytest.mark.rule("concurrency-reserved")
def test_with_nothing_reserved_every_invocation_is_throttled_until_the_reservation_is_gone(lambda_: Any) -> None:
    reserve(lambda_, 0)
    with pytest.raises(ClientError) as refused:
        lambda_.invoke(FunctionName="app")
    answer: Any = refused.value.response
    assert answer["Error"]["Code"] == "TooManyRequestsException"
    assert answer["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert lambda_.invoke(FunctionName="app", InvocationType="Event")["StatusCode"] == 202
    lambda_.delete_function_concurrency(FunctionName="app")
    assert lambda_.invoke(FunctionName="app")["StatusCode"] == 200


@pytest.mark.rule("concurrency-reserved")
def test_behind_the_balancer_a_stopped_function_is_a_502_and_one_in_use_is_not(aws: Aws, lab: Lab) -> None:
    host, lambda_ = balancer(aws, HERE).host, aws[HERE].lambda_

    def status() -> int | None:
        behind = balancer_named(host)
        assert behind is not None
        return BalancerDoor(behind, "HTTP", 80, "/health").answer("15.177.0.0/18").status

    assert status() == 200
    reserve(lambda_, 0)
    assert status() == 502
    reserve(lambda_, 1)
    assert status() == 200


@pytest.mark.rule("concurrency-reserved")
def test_a_published_version_stops_with_its_function(aws: Aws, lambda_: Any) -> None:
    version = lambda_.publish_version(FunctionName="app")["Version"]
    aws[HERE].lambda_.get_waiter("function_active_v2").wait(FunctionName="app", Qualifier=version)
    reserve(lambda_, 0)
    assert refusal(partial(lambda_.invoke, FunctionName="app", Qualifier=version)) == "TooManyRequestsException"


@pytest.mark.rule("concurrency-shown")
def test_the_reservation_is_told_also_when_it_is_nothing(lambda_: Any) -> None:
    assert "Concurrency" not in lambda_.get_function(FunctionName="app")
    reserve(lambda_, 0)
    assert lambda_.get_function(FunctionName="app")["Concurrency"] == {"ReservedConcurrentExecutions": 0}
    assert lambda_.get_function_concurrency(FunctionName="app")["ReservedConcurrentExecutions"] == 0


def test_without_a_reservation_nothing_is_told(lambda_: Any) -> None:
    reserve(lambda_, 5)
    lambda_.delete_function_concurrency(FunctionName="app")
    assert "ReservedConcurrentExecutions" not in lambda_.get_function_concurrency(FunctionName="app")


@pytest.mark.rule("concurrency-unreserved")
def test_a_hundred_executions_stay_unreserved_and_reserving_none_takes_none(lambda_: Any) -> None:
    assert refusal(partial(reserve, lambda_, 901)) == "InvalidParameterValueException"
    reserve(lambda_, 900)
    reserve(lambda_, 0)


@pytest.mark.rule("account-settings")
def test_an_account_tells_its_quota_and_what_nobody_has_reserved(lambda_: Any) -> None:
    reserve(lambda_, 250)
    limit = lambda_.get_account_settings()["AccountLimit"]
    assert (limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]) == (1000, 750)
