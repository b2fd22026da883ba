"""EC2 takes tags of the right type, in number and in length, in every create call and afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.lab import ec2_tags
from tests.lab.ec2_world import REGION, refused


def create(aws: Aws, kind: str = "internet-gateway", *pairs: tuple[str, str]) -> str:
    """The code of the refusal of a gateway with these tags."""
    tags = [{"Key": key, "Value": value} for key, value in pairs or (("Name", "x"),)]
    return refused(aws[REGION].ec2.create_internet_gateway, TagSpecifications=[{"ResourceType": kind, "Tags": tags}])


@pytest.mark.rule("tag-type")
def test_a_create_call_tags_only_what_it_creates(aws: Aws) -> None:
    assert create(aws, "route-table") == "InvalidParameterValue"
    assert create(aws) == ""


@pytest.mark.rule("tag-limits")
@pytest.mark.parametrize(("pairs", "code"), [
    ([("k" * 129, "v")], "InvalidParameterValue"), ([("k", "v" * 257)], "InvalidParameterValue"),
    ([("aws:mine", "v")], "InvalidParameterValue"), ([("k", "1"), ("k", "2")], "InvalidParameterValue")],
    ids=["long-key", "long-value", "aws", "twice"])
def test_tags_have_limits(aws: Aws, pairs: Any, code: str) -> None:
    assert create(aws, "internet-gateway", *pairs) == code
    assert aws[REGION].ec2.describe_internet_gateways()["InternetGateways"] == []


def test_there_are_at_most_50_tags_and_nothing_is_made_with_more(aws: Aws) -> None:
    assert create(aws, "internet-gateway", *((f"k{number}", "v") for number in range(51))) == "TagLimitExceeded"
    assert aws[REGION].ec2.describe_internet_gateways()["InternetGateways"] == []


def test_tags_within_the_limits_are_taken(aws: Aws) -> None:
    pairs = [("k" * 128, "v" * 256), *((f"k{number}", "") for number in range(49))]
    assert create(aws, "internet-gateway", *pairs) == ""


@pytest.mark.rule("tag-limits")
def test_tags_given_later_have_the_same_limits(aws: Aws) -> None:
    ec2 = aws[REGION].ec2
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    assert refused(ec2.create_tags, Resources=[vpc], Tags=[{"Key": "aws:x", "Value": ""}]) == "InvalidParameterValue"


@pytest.mark.rule("tag-type")
@pytest.mark.parametrize(("operation", "given"), [
    ("create_vpc", {"CidrBlock": "10.9.0.0/16"}),
    ("create_vpc_peering_connection", {"VpcId": "vpc-1", "PeerVpcId": "vpc-2"}),
    ("allocate_address", {"Domain": "vpc"}),
    ("create_security_group", {"GroupName": "x", "Description": "x"})])
def test_every_create_call_knows_its_type(aws: Aws, operation: str, given: dict[str, Any]) -> None:
    tags = [{"ResourceType": "volume", "Tags": [{"Key": "a", "Value": "b"}]}]
    assert refused(getattr(aws[REGION].ec2, operation), **given, TagSpecifications=tags) == "InvalidParameterValue"
    assert "volume" not in ec2_tags.TYPES.values()
