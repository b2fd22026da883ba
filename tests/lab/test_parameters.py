"""SSM parameters have names, values and types that Systems Manager takes, and are read late."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from tests.lab.account import REGION, refusal

NAME = "/drctl/lab/role"
TAGS = [{"Key": "a", "Value": "b"}]


@pytest.fixture
def ssm(aws: Aws) -> Any:
    return aws[REGION].ssm


def put(ssm: Any, **more: Any) -> Any:
    return partial(ssm.put_parameter, **{"Name": NAME, "Value": "x", "Type": "String", **more})


def values(ssm: Any) -> list[str]:
    return [one["Value"] for one in ssm.get_parameters(Names=[NAME])["Parameters"]]


@pytest.mark.rule("parameter-name")
@pytest.mark.parametrize("name", ["/two words", "drctl/lab", "/drctl//lab", "/drctl/", "/" + "n" * 2_048, "/a/ü"])
def test_a_parameters_name_is_plain_and_full(ssm: Any, name: str) -> None:
    assert refusal(put(ssm, Name=name)) == "ValidationException"


@pytest.mark.rule("parameter-levels")
def test_a_name_has_fifteen_levels(ssm: Any) -> None:
    assert refusal(put(ssm, Name="/l" * 16)) == "HierarchyLevelLimitExceededException"
    put(ssm, Name="/l" * 15)()


@pytest.mark.parametrize(("name", "code"), [("aws-mine", "ValidationException"), ("/ssm/mine", "ValidationException"),
                                            ("/aws/mine", "AccessDeniedException")])
def test_names_of_aws_are_refused(ssm: Any, name: str, code: str) -> None:
    assert refusal(put(ssm, Name=name)) == code


@pytest.mark.rule("parameter-value")
def test_a_standard_value_has_4_kb(ssm: Any) -> None:
    assert refusal(put(ssm, Value="x" * 4_097)) == "ValidationException"
    put(ssm, Value="x" * 4_096)()
    put(ssm, Name="/big", Value="x" * 8_192, Tier="Advanced")()


@pytest.mark.rule("parameter-type")
def test_a_parameter_keeps_its_type(ssm: Any) -> None:
    put(ssm)()
    assert refusal(put(ssm, Type="SecureString", Overwrite=True)) == "HierarchyTypeMismatchException"


def test_a_parameter_is_made_with_tags_or_overwritten(ssm: Any) -> None:
    put(ssm, Tags=TAGS)()
    assert refusal(put(ssm, Tags=TAGS)) == "ParameterAlreadyExists"
    assert refusal(put(ssm, Tags=TAGS, Overwrite=True)) == "ValidationException"


@pytest.mark.rule("parameter-unseen")
@pytest.mark.rule("parameter-age")
def test_a_new_parameter_is_read_late_and_a_changed_one_has_its_former_value(ssm: Any, clock: LabClock) -> None:
    put(ssm)()
    assert values(ssm) == []
    assert ssm.get_parameters(Names=[NAME])["InvalidParameters"] == [NAME]
    clock.skip(seconds("parameter-visible"))
    put(ssm, Value="y", Overwrite=True)()
    assert values(ssm) == ["x"]
    clock.skip(seconds("parameter-visible"))
    assert values(ssm) == ["y"]


@pytest.mark.rule("parameter-listed")
def test_a_new_parameter_is_listed_late(ssm: Any, clock: LabClock) -> None:
    put(ssm, Tags=TAGS)()
    by_tag = partial(ssm.describe_parameters, ParameterFilters=[{"Key": "tag:a", "Values": ["b"]}])
    assert by_tag()["Parameters"] == []
    clock.skip(seconds("parameter-visible"))
    assert [one["Name"] for one in by_tag()["Parameters"]] == [NAME]
