"""NAT gateways, endpoints and routes take their time, and hold what they use until they are gone."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from tests.lab.conftest import eventually
from tests.lab.ec2_world import REGION, Vpc, known, refused


@pytest.fixture
def vpc(aws: Aws) -> Vpc:
    return Vpc(aws)


@pytest.mark.rule("nat-pending")
def test_a_nat_gateway_is_pending_for_minutes(vpc: Vpc, clock: LabClock) -> None:
    nat_id = vpc.nat()
    assert vpc.nat_state(nat_id) == "pending"
    clock.skip(seconds("nat-create"))
    assert vpc.nat_state(nat_id) == "available"


@pytest.mark.rule("address-in-use")
def test_a_deleted_nat_gateway_keeps_its_address_until_it_is_deleted(vpc: Vpc, clock: LabClock) -> None:
    nat_id = vpc.nat(address := vpc.address())
    vpc.ec2.delete_nat_gateway(NatGatewayId=nat_id)
    assert vpc.nat_state(nat_id) == "deleting"
    with pytest.raises(ClientError) as said:
        vpc.ec2.release_address(AllocationId=address)
    assert said.value.response["Error"]["Code"] == "InvalidIPAddress.InUse"
    clock.skip(seconds("nat-delete"))
    assert eventually(lambda: vpc.nat_state(nat_id) == "deleted")
    vpc.ec2.release_address(AllocationId=address)


@pytest.mark.rule("nat-deleting")
def test_a_deleted_nat_gateway_is_shown_for_an_hour(vpc: Vpc, clock: LabClock) -> None:
    nat_id = vpc.nat()
    vpc.ec2.delete_nat_gateway(NatGatewayId=nat_id)
    clock.skip(seconds("nat-delete"))
    assert eventually(lambda: vpc.nat_state(nat_id) == "deleted")
    clock.skip(seconds("nat-deleted-visible"))
    assert eventually(lambda: not vpc.ec2.describe_nat_gateways()["NatGateways"])
    with pytest.raises(ClientError) as said:
        vpc.nat_state(nat_id)
    assert said.value.response["Error"]["Code"] == "NatGatewayNotFound"


@pytest.mark.rule("nat-found")
def test_nat_gateways_are_found_by_tag(vpc: Vpc) -> None:
    tags = [{"ResourceType": "natgateway", "Tags": [{"Key": "Name", "Value": "mine"}]}]
    nat_id = vpc.nat(TagSpecifications=tags)
    vpc.nat()
    found = vpc.ec2.describe_nat_gateways(Filters=[{"Name": "tag:Name", "Values": ["mine"]}])["NatGateways"]
    assert [nat["NatGatewayId"] for nat in found] == [nat_id]


@pytest.mark.rule("nat-token")
def test_the_same_token_makes_one_nat_gateway(vpc: Vpc) -> None:
    address = vpc.address()
    assert vpc.nat(address, ClientToken="once") == vpc.nat(address, ClientToken="once")


@pytest.mark.rule("endpoint-pending")
def test_an_interface_endpoint_is_pending_then_available_and_gone_after_deleting(vpc: Vpc, clock: LabClock) -> None:
    endpoint_id = vpc.endpoint()
    assert vpc.endpoint_state(endpoint_id) == "pending"
    with pytest.raises(ClientError) as said:
        vpc.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint_id, PrivateDnsEnabled=False)
    assert said.value.response["Error"]["Code"] == "IncorrectState"
    clock.skip(seconds("endpoint-create"))
    assert vpc.endpoint_state(endpoint_id) == "available"
    vpc.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint_id])
    assert vpc.endpoint_state(endpoint_id) == "deleting"
    clock.skip(seconds("endpoint-delete"))
    assert eventually(lambda: not vpc.ec2.describe_vpc_endpoints()["VpcEndpoints"])


def test_an_endpoints_interface_holds_its_subnet_and_group(vpc: Vpc, clock: LabClock) -> None:
    group = vpc.ec2.create_security_group(GroupName="doors", Description="doors", VpcId=vpc.id)["GroupId"]
    clock.skip(seconds("ec2-visible"))
    endpoint_id = vpc.endpoint(SecurityGroupIds=[group])
    interface = vpc.ec2.describe_network_interfaces(
        Filters=[{"Name": "group-id", "Values": [group]}])["NetworkInterfaces"][0]
    assert interface["Description"] == f"VPC Endpoint Interface {endpoint_id}"
    assert (interface["Status"], interface["Attachment"]["Status"]) == ("in-use", "attached")
    for delete in (partial(vpc.ec2.delete_subnet, SubnetId=vpc.subnet),
                   partial(vpc.ec2.delete_security_group, GroupId=group)):
        with pytest.raises(ClientError) as said:
            delete()
        assert said.value.response["Error"]["Code"] == "DependencyViolation"
    vpc.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint_id])
    clock.skip(seconds("endpoint-delete"))
    assert eventually(lambda: not vpc.ec2.describe_vpc_endpoints()["VpcEndpoints"])
    vpc.ec2.delete_security_group(GroupId=group)
    vpc.ec2.delete_subnet(SubnetId=vpc.subnet)


@pytest.mark.rule("endpoint-conflict")
def test_a_service_has_one_private_name_in_a_vpc(vpc: Vpc) -> None:
    vpc.endpoint()
    with pytest.raises(ClientError) as said:
        vpc.endpoint()
    assert said.value.response["Error"]["Code"] == "InvalidParameter"


def test_a_table_has_one_route_to_a_gateway_endpoint(vpc: Vpc) -> None:
    wanted = {"VpcId": vpc.id, "ServiceName": f"com.amazonaws.{REGION}.s3", "RouteTableIds": [vpc.table]}
    endpoint = vpc.ec2.create_vpc_endpoint(**wanted, VpcEndpointType="Gateway")["VpcEndpoint"]
    assert endpoint["State"] == "available"
    with pytest.raises(ClientError) as said:
        vpc.ec2.create_vpc_endpoint(**wanted, VpcEndpointType="Gateway")
    assert said.value.response["Error"]["Code"] == "RouteAlreadyExists"
    vpc.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpointId"]])
    assert eventually(lambda: not vpc.ec2.describe_vpc_endpoints()["VpcEndpoints"])
    routes = vpc.ec2.describe_route_tables(RouteTableIds=[vpc.table])["RouteTables"][0]["Routes"]
    assert [route["GatewayId"] for route in routes] == ["local"]


@pytest.mark.rule("endpoint-deleting")
def test_unknown_endpoints_are_told_as_unsuccessful(vpc: Vpc) -> None:
    answer = vpc.ec2.delete_vpc_endpoints(VpcEndpointIds=["vpce-0123456789abcdef0"])
    assert answer["Unsuccessful"][0]["Error"]["Code"] == "InvalidVpcEndpoint.NotFound"


@pytest.mark.rule("route-target")
def test_a_route_to_a_deleted_nat_gateway_is_a_black_hole(vpc: Vpc) -> None:
    nat_id = vpc.nat()
    route = {"RouteTableId": vpc.table, "DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": nat_id}
    vpc.ec2.create_route(**route)
    vpc.ec2.delete_nat_gateway(NatGatewayId=nat_id)
    routes = vpc.ec2.describe_route_tables(RouteTableIds=[vpc.table])["RouteTables"][0]["Routes"]
    assert [found["State"] for found in routes if found.get("NatGatewayId")] == ["blackhole"]
    with pytest.raises(ClientError) as said:
        vpc.ec2.replace_route(**route)
    assert said.value.response["Error"]["Code"] == "InvalidNatGatewayID.NotFound"


@pytest.mark.rule("gateway-with-mapped-addresses")
def test_a_gateway_stays_attached_while_a_public_address_is_mapped(vpc: Vpc, clock: LabClock) -> None:
    nat_id = vpc.nat()
    with pytest.raises(ClientError) as said:
        vpc.ec2.detach_internet_gateway(InternetGatewayId=vpc.gateway, VpcId=vpc.id)
    assert said.value.response["Error"]["Code"] == "DependencyViolation"
    vpc.ec2.delete_nat_gateway(NatGatewayId=nat_id)
    clock.skip(seconds("nat-delete"))
    assert eventually(lambda: vpc.nat_state(nat_id) == "deleted")
    vpc.ec2.detach_internet_gateway(InternetGatewayId=vpc.gateway, VpcId=vpc.id)


@pytest.mark.rule("vpc-with-resources")
def test_a_vpc_with_a_gateway_stays(vpc: Vpc) -> None:
    other = vpc.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    gateway = vpc.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    vpc.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=other)
    with pytest.raises(ClientError) as said:
        vpc.ec2.delete_vpc(VpcId=other)
    assert said.value.response["Error"]["Code"] == "DependencyViolation"
    vpc.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=other)
    vpc.ec2.delete_vpc(VpcId=other)


@pytest.mark.rule("endpoint-private-name")
def test_the_private_name_of_an_endpoint_can_be_switched_off(vpc: Vpc) -> None:
    endpoint_id = vpc.endpoint(PrivateDnsEnabled=True)
    assert eventually(lambda: vpc.endpoint_state(endpoint_id) == "available")
    vpc.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint_id, PrivateDnsEnabled=False)
    assert not vpc.ec2.describe_vpc_endpoints()["VpcEndpoints"][0]["PrivateDnsEnabled"]


@pytest.mark.rule("endpoint-needs-dns")
def test_private_names_need_the_dns_of_the_vpc(vpc: Vpc) -> None:
    vpc.ec2.modify_vpc_attribute(VpcId=vpc.id, EnableDnsHostnames={"Value": False})
    wanted: Any = {"VpcId": vpc.id, "ServiceName": f"com.amazonaws.{REGION}.events", "SubnetIds": [vpc.subnet],
                   "VpcEndpointType": "Interface"}
    assert refused(vpc.ec2.create_vpc_endpoint, **wanted) == "InvalidParameter"
    assert refused(vpc.ec2.create_vpc_endpoint, **wanted, PrivateDnsEnabled=False) == ""


@pytest.mark.rule("endpoint-tables")
def test_a_gateway_endpoint_shows_some_of_its_tables_at_first(vpc: Vpc, clock: LabClock) -> None:
    tables = [vpc.table, vpc.another_table()]
    known()
    endpoint = vpc.gateway_endpoint(*tables)
    clock.skip(seconds("ec2-visible"))

    def shown() -> set[str]:
        return set(vpc.ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"][0]["RouteTableIds"])

    assert shown() == {vpc.table}
    clock.skip(seconds("endpoint-tables"))
    assert shown() == set(tables)


@pytest.mark.rule("endpoint-modify")
def test_an_endpoint_that_is_pending_cannot_be_changed(vpc: Vpc, clock: LabClock) -> None:
    assert refused(vpc.ec2.modify_vpc_endpoint, VpcEndpointId=vpc.endpoint(), PrivateDnsEnabled=False
                   ) == "IncorrectState"


@pytest.mark.rule("nat-fails")
def test_a_nat_gateway_without_an_internet_gateway_fails(vpc: Vpc, clock: LabClock) -> None:
    vpc.ec2.detach_internet_gateway(InternetGatewayId=vpc.gateway, VpcId=vpc.id)
    nat = vpc.nat()
    assert vpc.nat_state(nat) == "pending"
    clock.skip(seconds("nat-create"))
    one = vpc.ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]
    assert (one["State"], one["FailureCode"]) == ("failed", "Gateway.NotAttached")
    assert not [address for address in vpc.ec2.describe_addresses()["Addresses"] if address.get("AssociationId")]


@pytest.mark.rule("nat-fails")
def test_a_nat_gateway_with_an_address_in_use_fails_and_leaves_the_other_its_address(vpc: Vpc) -> None:
    first = vpc.nat(address := vpc.address())
    assert eventually(lambda: vpc.nat_state(first) == "available")
    second = vpc.nat(address)
    assert eventually(lambda: vpc.nat_state(second) == "failed")
    assert vpc.nat_state(first) == "available"


@pytest.mark.rule("interface-belongs-to-its-service")
def test_the_interface_of_a_nat_gateway_is_not_ours_to_delete(vpc: Vpc) -> None:
    vpc.nat()
    (interface,) = vpc.ec2.describe_network_interfaces(
        Filters=[{"Name": "vpc-id", "Values": [vpc.id]}])["NetworkInterfaces"]
    assert refused(vpc.ec2.delete_network_interface, NetworkInterfaceId=interface["NetworkInterfaceId"]
                   ) == "InvalidParameterValue"


@pytest.mark.rule("subnet-with-interfaces")
def test_a_subnet_with_an_interface_stays(vpc: Vpc) -> None:
    interface = vpc.interface()
    assert refused(vpc.ec2.delete_subnet, SubnetId=vpc.subnet) == "DependencyViolation"
    vpc.ec2.delete_network_interface(NetworkInterfaceId=interface)
    assert refused(vpc.ec2.delete_subnet, SubnetId=vpc.subnet) == ""


@pytest.mark.rule("group-in-use")
def test_a_group_that_an_interface_carries_stays(vpc: Vpc) -> None:
    group = vpc.group("worn")
    interface = vpc.interface(group)
    assert refused(vpc.ec2.delete_security_group, GroupId=group) == "DependencyViolation"
    vpc.ec2.delete_network_interface(NetworkInterfaceId=interface)
    assert refused(vpc.ec2.delete_security_group, GroupId=group) == ""


def test_a_nat_gateway_holds_its_subnet(vpc: Vpc) -> None:
    vpc.nat()
    assert refused(vpc.ec2.delete_subnet, SubnetId=vpc.subnet) == "DependencyViolation"
