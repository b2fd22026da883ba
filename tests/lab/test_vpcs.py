"""VPCs, subnets, gateways and route tables refuse in the lab what they refuse on AWS."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from drctl.aws.clients import Aws
from tests.lab.conftest import eventually
from tests.lab.ec2_world import Vpc, refused

ANYWHERE = "0.0.0.0/0"


@pytest.fixture
def vpc(aws: Aws) -> Vpc:
    return Vpc(aws)


def test_a_vpc_has_at_most_65536_addresses_and_at_least_16(vpc: Vpc) -> None:
    for cidr in ("10.0.0.0/15", "10.0.0.0/29"):
        assert refused(vpc.ec2.create_vpc, CidrBlock=cidr) == "InvalidVpc.Range"


@pytest.mark.rule("subnet-size")
def test_a_subnet_has_at_least_16_addresses(vpc: Vpc) -> None:
    assert refused(vpc.ec2.create_subnet, VpcId=vpc.id, CidrBlock="10.7.200.0/29") == "InvalidSubnet.Range"
    assert refused(vpc.ec2.create_subnet, VpcId=vpc.id, CidrBlock="10.7.200.0/28") == ""


@pytest.mark.parametrize(("cidr", "code"), [("10.8.0.0/24", "InvalidSubnet.Range"),
                                            ("10.7.0.128/25", "InvalidSubnet.Conflict")])
def test_a_subnet_lies_in_its_vpc_and_apart_from_its_neighbours(vpc: Vpc, cidr: str, code: str) -> None:
    assert refused(vpc.ec2.create_subnet, VpcId=vpc.id, CidrBlock=cidr) == code


@pytest.mark.rule("vpc-one-attribute")
def test_attributes_are_changed_one_in_a_call(vpc: Vpc) -> None:
    on: Any = {"Value": True}
    assert refused(vpc.ec2.modify_vpc_attribute, VpcId=vpc.id, EnableDnsSupport=on, EnableDnsHostnames=on
                   ) == "InvalidParameterCombination"
    assert refused(vpc.ec2.modify_subnet_attribute, SubnetId=vpc.subnet, MapPublicIpOnLaunch=on,
                   AssignIpv6AddressOnCreation=on) == "InvalidParameterCombination"
    assert refused(vpc.ec2.modify_vpc_attribute, VpcId=vpc.id, EnableDnsSupport=on) == ""


@pytest.mark.rule("vpc-one-gateway")
def test_a_vpc_has_one_internet_gateway(vpc: Vpc) -> None:
    second = vpc.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    assert refused(vpc.ec2.attach_internet_gateway, InternetGatewayId=second, VpcId=vpc.id) == "InvalidParameterValue"


def test_a_gateway_is_attached_once_and_stays_while_it_is(vpc: Vpc) -> None:
    assert refused(vpc.ec2.attach_internet_gateway, InternetGatewayId=vpc.gateway, VpcId=vpc.id
                   ) == "Resource.AlreadyAssociated"
    assert refused(vpc.ec2.delete_internet_gateway, InternetGatewayId=vpc.gateway) == "DependencyViolation"
    vpc.ec2.detach_internet_gateway(InternetGatewayId=vpc.gateway, VpcId=vpc.id)
    assert refused(vpc.ec2.detach_internet_gateway, InternetGatewayId=vpc.gateway, VpcId=vpc.id
                   ) == "Gateway.NotAttached"


@pytest.mark.rule("main-table-stays")
def test_the_main_table_cannot_be_deleted(vpc: Vpc) -> None:
    tables = vpc.ec2.describe_route_tables(Filters=[{"Name": "association.main", "Values": ["true"]},
                                                    {"Name": "vpc-id", "Values": [vpc.id]}])["RouteTables"]
    assert refused(vpc.ec2.delete_route_table, RouteTableId=tables[0]["RouteTableId"]) == "DependencyViolation"


@pytest.mark.rule("subnet-one-table")
def test_a_subnet_has_one_table_and_gets_another_by_replacing(vpc: Vpc) -> None:
    link = vpc.ec2.associate_route_table(RouteTableId=vpc.table, SubnetId=vpc.subnet)["AssociationId"]
    other = vpc.another_table()
    assert refused(vpc.ec2.associate_route_table, RouteTableId=other, SubnetId=vpc.subnet
                   ) == "Resource.AlreadyAssociated"
    assert refused(vpc.ec2.delete_route_table, RouteTableId=vpc.table) == "DependencyViolation"
    vpc.ec2.replace_route_table_association(AssociationId=link, RouteTableId=other)
    assert refused(vpc.ec2.delete_route_table, RouteTableId=vpc.table) == ""


@pytest.mark.rule("subnet-leaves-its-table")
def test_a_deleted_subnet_takes_its_association_with_it(vpc: Vpc) -> None:
    vpc.ec2.associate_route_table(RouteTableId=vpc.table, SubnetId=vpc.subnet)
    vpc.ec2.delete_subnet(SubnetId=vpc.subnet)
    assert refused(vpc.ec2.delete_route_table, RouteTableId=vpc.table) == ""


@pytest.mark.rule("route-table-token")
def test_the_same_token_makes_one_route_table_even_after_it_was_deleted(vpc: Vpc) -> None:
    first = vpc.another_table(ClientToken="once")
    assert vpc.another_table(ClientToken="once") == first
    vpc.ec2.delete_route_table(RouteTableId=first)
    assert vpc.another_table(ClientToken="once") == first


def test_a_route_exists_once_and_is_replaced_only_where_it_is(vpc: Vpc) -> None:
    out: Any = {"RouteTableId": vpc.table, "DestinationCidrBlock": ANYWHERE, "GatewayId": vpc.gateway}
    assert refused(vpc.ec2.replace_route, **out) == "InvalidParameterValue"
    assert refused(vpc.ec2.create_route, **out) == ""
    assert refused(vpc.ec2.create_route, **out) == "RouteAlreadyExists"
    assert refused(vpc.ec2.replace_route, **out) == ""


def test_a_vpc_with_a_subnet_or_a_route_table_stays(vpc: Vpc) -> None:
    vpc.ec2.detach_internet_gateway(InternetGatewayId=vpc.gateway, VpcId=vpc.id)
    for delete in (partial(vpc.ec2.delete_subnet, SubnetId=vpc.subnet),
                   partial(vpc.ec2.delete_route_table, RouteTableId=vpc.table)):
        assert refused(vpc.ec2.delete_vpc, VpcId=vpc.id) == "DependencyViolation"
        delete()
    assert refused(vpc.ec2.delete_vpc, VpcId=vpc.id) == ""


@pytest.mark.rule("vpc-with-resources")
@pytest.mark.parametrize("kind", ["gateway", "group", "endpoint", "peering"])
def test_a_vpc_with_a_gateway_a_group_an_endpoint_or_a_peering_stays(vpc: Vpc, kind: str) -> None:
    ec2 = vpc.ec2
    ec2.delete_subnet(SubnetId=vpc.subnet)
    if kind == "endpoint":
        vpc.gateway_endpoint()
    if kind == "group":
        vpc.group("left")
    if kind == "peering":
        there = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
        peering = ec2.create_vpc_peering_connection(VpcId=vpc.id, PeerVpcId=there)["VpcPeeringConnection"]
        assert eventually(lambda: refused(ec2.accept_vpc_peering_connection, VpcPeeringConnectionId=peering[
            "VpcPeeringConnectionId"]) == "")
    ec2.delete_route_table(RouteTableId=vpc.table)
    if kind != "gateway":
        ec2.detach_internet_gateway(InternetGatewayId=vpc.gateway, VpcId=vpc.id)
    assert refused(ec2.delete_vpc, VpcId=vpc.id) == "DependencyViolation"


@pytest.mark.rule("subnet-addresses")
def test_what_begins_in_a_new_subnet_has_no_public_address(vpc: Vpc) -> None:
    block = vpc.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    zones = [one["ZoneId"] for one in vpc.ec2.describe_availability_zones()["AvailabilityZones"]]
    made = [vpc.ec2.create_subnet(VpcId=block, CidrBlock=f"10.9.{number}.0/24", AvailabilityZoneId=zone)["Subnet"]
            for number, zone in enumerate(zones)]
    assert {(one["MapPublicIpOnLaunch"], one["DefaultForAz"]) for one in made} == {(False, False)}
    default = vpc.ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
    assert default
    assert all(one["MapPublicIpOnLaunch"] for one in default)
