"""What was just made in EC2 is unknown for seconds: by id, in lists, by tag, and where another call names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from tests.lab.ec2_world import REGION, Vpc, known, refused

#: Tag type, describe operation, its parameter for ids, the key of its answer, the code for an unknown id.
KINDS = {
    "vpc": ("vpc", "describe_vpcs", "VpcIds", "Vpcs", "InvalidVpcID.NotFound"),
    "subnet": ("subnet", "describe_subnets", "SubnetIds", "Subnets", "InvalidSubnetID.NotFound"),
    "gateway": ("internet-gateway", "describe_internet_gateways", "InternetGatewayIds", "InternetGateways",
                "InvalidInternetGatewayID.NotFound"),
    "table": ("route-table", "describe_route_tables", "RouteTableIds", "RouteTables", "InvalidRouteTableID.NotFound"),
    "group": ("security-group", "describe_security_groups", "GroupIds", "SecurityGroups", "InvalidGroup.NotFound"),
    "address": ("elastic-ip", "describe_addresses", "AllocationIds", "Addresses", "InvalidAllocationID.NotFound"),
    "endpoint": ("vpc-endpoint", "describe_vpc_endpoints", "VpcEndpointIds", "VpcEndpoints",
                 "InvalidVpcEndpointId.NotFound"),
    "nat": ("natgateway", "describe_nat_gateways", "NatGatewayIds", "NatGateways", "NatGatewayNotFound"),
}


@pytest.fixture
def vpc(aws: Aws) -> Vpc:
    return Vpc(aws)


def make(vpc: Vpc, kind: str) -> str:
    """A new thing of that kind with the tag Name=new."""
    ec2, tags = vpc.ec2, [{"ResourceType": KINDS[kind][0], "Tags": [{"Key": "Name", "Value": "new"}]}]
    calls: dict[str, Callable[[], str]] = {
        "vpc": lambda: ec2.create_vpc(CidrBlock="10.9.0.0/16", TagSpecifications=tags)["Vpc"]["VpcId"],
        "subnet": lambda: ec2.create_subnet(VpcId=vpc.id, CidrBlock="10.7.9.0/24", TagSpecifications=tags)[
            "Subnet"]["SubnetId"],
        "gateway": lambda: ec2.create_internet_gateway(TagSpecifications=tags)["InternetGateway"]["InternetGatewayId"],
        "table": lambda: vpc.another_table(TagSpecifications=tags),
        "group": lambda: ec2.create_security_group(GroupName="new", Description="new", VpcId=vpc.id,
                                                   TagSpecifications=tags)["GroupId"],
        "address": lambda: ec2.allocate_address(Domain="vpc", TagSpecifications=tags)["AllocationId"],
        "endpoint": lambda: ec2.create_vpc_endpoint(
            VpcId=vpc.id, ServiceName=f"com.amazonaws.{REGION}.s3", VpcEndpointType="Gateway",
            TagSpecifications=tags)["VpcEndpoint"]["VpcEndpointId"],
        "nat": lambda: ec2.create_nat_gateway(SubnetId=vpc.subnet, AllocationId=vpc.address(), TagSpecifications=tags)[
            "NatGateway"]["NatGatewayId"],
    }
    return calls[kind]()


@pytest.mark.rule("ec2-new")
@pytest.mark.rule("ec2-new-by-id")
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_new_is_not_found_by_its_id_at_first(vpc: Vpc, clock: LabClock, kind: str) -> None:
    new = make(vpc, kind)
    _, operation, parameter, key, code = KINDS[kind]
    describe: Any = getattr(vpc.ec2, operation)
    assert refused(describe, **{parameter: [new]}) == code
    assert new not in str(describe()[key])
    clock.skip(seconds("ec2-visible"))
    assert new in str(describe(**{parameter: [new]})[key])


@pytest.mark.rule("ec2-new-by-tag")
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_new_is_found_by_tag_later_than_by_id(vpc: Vpc, clock: LabClock, kind: str) -> None:
    make(vpc, kind)
    _, operation, _, key, _ = KINDS[kind]

    def by_tag() -> list[Any]:
        found: list[Any] = getattr(vpc.ec2, operation)(Filters=[{"Name": "tag:Name", "Values": ["new"]}])[key]
        return found

    clock.skip(seconds("ec2-visible"))
    assert by_tag() == []
    clock.skip(seconds("ec2-tag-filter"))
    assert len(by_tag()) == 1


@pytest.mark.rule("ec2-new-as-reference")
def test_a_new_gateway_cannot_be_attached_or_led_to_yet(vpc: Vpc, clock: LabClock) -> None:
    vpc.ec2.detach_internet_gateway(InternetGatewayId=vpc.gateway, VpcId=vpc.id)
    gateway = make(vpc, "gateway")
    assert refused(vpc.ec2.attach_internet_gateway, InternetGatewayId=gateway, VpcId=vpc.id
                   ) == "InvalidInternetGatewayID.NotFound"
    assert refused(vpc.ec2.create_route, RouteTableId=vpc.table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway
                   ) == "InvalidGatewayID.NotFound"


@pytest.mark.rule("ec2-new-as-reference")
def test_a_new_table_cannot_be_associated_or_routed_or_given_to_an_endpoint_yet(vpc: Vpc, clock: LabClock) -> None:
    table = make(vpc, "table")
    assert refused(vpc.ec2.associate_route_table, RouteTableId=table, SubnetId=vpc.subnet
                   ) == "InvalidRouteTableID.NotFound"
    assert refused(vpc.gateway_endpoint) == ""
    assert refused(vpc.ec2.create_vpc_endpoint, VpcId=vpc.id, RouteTableIds=[table], VpcEndpointType="Gateway",
                   ServiceName=f"com.amazonaws.{REGION}.s3") == "InvalidRouteTableId.NotFound"


@pytest.mark.rule("ec2-new-as-reference")
def test_a_new_group_cannot_be_named_by_a_rule_yet_nor_get_one(vpc: Vpc, clock: LabClock) -> None:
    old = vpc.group("old")
    known()
    new = make(vpc, "group")
    for named, naming in ((new, old), (old, new)):
        assert refused(vpc.ec2.authorize_security_group_ingress, GroupId=naming, IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [{"GroupId": named}]}]
        ) == "InvalidGroup.NotFound"


@pytest.mark.rule("ec2-new-as-reference")
def test_a_new_address_or_subnet_is_not_there_for_a_nat_gateway_yet(vpc: Vpc, clock: LabClock) -> None:
    address = make(vpc, "address")
    assert refused(vpc.ec2.create_nat_gateway, SubnetId=vpc.subnet, AllocationId=address
                   ) == "InvalidAllocationID.NotFound"
    subnet = make(vpc, "subnet")
    clock.skip(seconds("ec2-visible") - 1)
    assert refused(vpc.ec2.create_nat_gateway, SubnetId=subnet) == "InvalidSubnetID.NotFound"


@pytest.mark.rule("ec2-new-as-reference")
def test_a_new_nat_gateway_cannot_be_led_to_and_a_new_thing_not_tagged_yet(vpc: Vpc, clock: LabClock) -> None:
    nat = make(vpc, "nat")
    assert refused(vpc.ec2.create_route, RouteTableId=vpc.table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat
                   ) == "InvalidNatGatewayID.NotFound"
    assert refused(vpc.ec2.create_tags, Resources=[make(vpc, "vpc")], Tags=[{"Key": "a", "Value": "b"}]
                   ) == "InvalidVpcID.NotFound"


def test_a_subnet_can_be_made_in_a_new_vpc(vpc: Vpc, clock: LabClock) -> None:
    assert refused(vpc.ec2.create_subnet, VpcId=make(vpc, "vpc"), CidrBlock="10.9.1.0/24") == ""


@pytest.mark.rule("vpc-attribute-lag")
def test_a_changed_attribute_is_read_as_it_was_at_first(vpc: Vpc, clock: LabClock) -> None:
    def hostnames() -> bool:
        shown = vpc.ec2.describe_vpc_attribute(VpcId=vpc.id, Attribute="enableDnsHostnames")
        return bool(shown["EnableDnsHostnames"]["Value"])

    assert hostnames()
    vpc.ec2.modify_vpc_attribute(VpcId=vpc.id, EnableDnsHostnames={"Value": False})
    assert hostnames()
    clock.skip(seconds("ec2-visible"))
    assert not hostnames()
