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

REGION = "us-east-1"


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


class Vpc:
    """A VPC with one subnet, made by hand."""

    def __init__(self, aws: Aws, cidr: str = "10.7.0.0/16") -> None:
        self.ec2: Any = aws[REGION].ec2
        self.id: str = self.ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
        self.subnet: str = self.ec2.create_subnet(VpcId=self.id, CidrBlock=cidr.replace("/16", "/24"),
                                                  AvailabilityZone=f"{REGION}a")["Subnet"]["SubnetId"]
        self.table: str = self.ec2.create_route_table(VpcId=self.id)["RouteTable"]["RouteTableId"]

    def nat(self, **more: Any) -> tuple[str, str]:
        address = self.ec2.allocate_address(Domain="vpc")["AllocationId"]
        nat = self.ec2.create_nat_gateway(SubnetId=self.subnet, AllocationId=address, **more)["NatGateway"]
        return nat["NatGatewayId"], address

    def nat_state(self, nat_id: str) -> str:
        return str(self.ec2.describe_nat_gateways(NatGatewayIds=[nat_id])["NatGateways"][0]["State"])

    def endpoint(self, **more: Any) -> str:
        return str(self.ec2.create_vpc_endpoint(
            VpcId=self.id, VpcEndpointType="Interface", ServiceName=f"com.amazonaws.{REGION}.secretsmanager",
            SubnetIds=[self.subnet], **more)["VpcEndpoint"]["VpcEndpointId"])

    def endpoint_state(self, endpoint_id: str) -> str:
        return str(self.ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint_id])["VpcEndpoints"][0]["State"])


@pytest.fixture
def vpc(aws: Aws) -> Vpc:
    return Vpc(aws)


def test_a_nat_gateway_is_pending_for_minutes(vpc: Vpc, clock: LabClock) -> None:
    nat_id, _ = vpc.nat()
    assert vpc.nat_state(nat_id) == "pending"
    clock.skip(seconds("nat-create"))
    assert vpc.nat_state(nat_id) == "available"


def test_a_deleted_nat_gateway_keeps_its_address_until_it_is_deleted(vpc: Vpc, clock: LabClock) -> None:
    nat_id, address = vpc.nat()
    vpc.ec2.delete_nat_gateway(NatGatewayId=nat_id)
    assert vpc.nat_state(nat_id) == "deleting"
    with pytest.raises(ClientError) as refused:
        vpc.ec2.release_address(AllocationId=address)
    assert code(refused) == "InvalidIPAddress.InUse"
    clock.skip(seconds("nat-delete"))
    assert eventually(lambda: vpc.nat_state(nat_id) == "deleted")
    vpc.ec2.release_address(AllocationId=address)


def test_a_deleted_nat_gateway_is_shown_for_an_hour(vpc: Vpc, clock: LabClock) -> None:
    nat_id, _ = vpc.nat()
    vpc.ec2.delete_nat_gateway(NatGatewayId=nat_id)
    clock.skip(seconds("nat-delete"))
    assert eventually(lambda: vpc.nat_state(nat_id) == "deleted")
    clock.skip(seconds("nat-deleted-visible"))
    assert eventually(lambda: not vpc.ec2.describe_nat_gateways()["NatGateways"])
    with pytest.raises(ClientError) as refused:
        vpc.nat_state(nat_id)
    assert code(refused) == "NatGatewayNotFound"


def test_nat_gateways_are_found_by_tag(vpc: Vpc) -> None:
    tags = [{"ResourceType": "natgateway", "Tags": [{"Key": "Name", "Value": "mine"}]}]
    nat_id, _ = vpc.nat(TagSpecifications=tags)
    vpc.nat()
    found = vpc.ec2.describe_nat_gateways(Filters=[{"Name": "tag:Name", "Values": ["mine"]}])["NatGateways"]
    assert [nat["NatGatewayId"] for nat in found] == [nat_id]


def test_the_same_token_makes_one_nat_gateway(vpc: Vpc) -> None:
    assert vpc.nat(ClientToken="once")[0] == vpc.nat(ClientToken="once")[0]


def test_an_interface_endpoint_is_pending_then_available_and_gone_after_deleting(vpc: Vpc, clock: LabClock) -> None:
    endpoint_id = vpc.endpoint()
    assert vpc.endpoint_state(endpoint_id) == "pending"
    with pytest.raises(ClientError) as refused:
        vpc.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint_id, PrivateDnsEnabled=False)
    assert code(refused) == "IncorrectState"
    clock.skip(seconds("endpoint-create"))
    assert vpc.endpoint_state(endpoint_id) == "available"
    vpc.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint_id])
    assert vpc.endpoint_state(endpoint_id) == "deleting"
    clock.skip(seconds("endpoint-delete"))
    assert eventually(lambda: not vpc.ec2.describe_vpc_endpoints()["VpcEndpoints"])


def test_an_endpoints_interface_holds_its_subnet_and_group(vpc: Vpc, clock: LabClock) -> None:
    group = vpc.ec2.create_security_group(GroupName="doors", Description="doors", VpcId=vpc.id)["GroupId"]
    endpoint_id = vpc.endpoint(SecurityGroupIds=[group])
    interface = vpc.ec2.describe_network_interfaces(
        Filters=[{"Name": "group-id", "Values": [group]}])["NetworkInterfaces"][0]
    assert interface["Description"] == f"VPC Endpoint Interface {endpoint_id}"
    assert (interface["Status"], interface["Attachment"]["Status"]) == ("in-use", "attached")
    for delete in (partial(vpc.ec2.delete_subnet, SubnetId=vpc.subnet),
                   partial(vpc.ec2.delete_security_group, GroupId=group)):
        with pytest.raises(ClientError) as refused:
            delete()
        assert code(refused) == "DependencyViolation"
    vpc.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint_id])
    clock.skip(seconds("endpoint-delete"))
    assert eventually(lambda: not vpc.ec2.describe_vpc_endpoints()["VpcEndpoints"])
    vpc.ec2.delete_security_group(GroupId=group)
    vpc.ec2.delete_subnet(SubnetId=vpc.subnet)


def test_a_service_has_one_private_name_in_a_vpc(vpc: Vpc) -> None:
    vpc.endpoint()
    with pytest.raises(ClientError) as refused:
        vpc.endpoint()
    assert code(refused) == "InvalidParameter"


def test_a_table_has_one_route_to_a_gateway_endpoint(vpc: Vpc) -> None:
    wanted = {"VpcId": vpc.id, "ServiceName": f"com.amazonaws.{REGION}.s3", "RouteTableIds": [vpc.table]}
    endpoint = vpc.ec2.create_vpc_endpoint(**wanted, VpcEndpointType="Gateway")["VpcEndpoint"]
    assert endpoint["State"] == "available"
    with pytest.raises(ClientError) as refused:
        vpc.ec2.create_vpc_endpoint(**wanted, VpcEndpointType="Gateway")
    assert code(refused) == "RouteAlreadyExists"
    vpc.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpointId"]])
    assert eventually(lambda: not vpc.ec2.describe_vpc_endpoints()["VpcEndpoints"])
    routes = vpc.ec2.describe_route_tables(RouteTableIds=[vpc.table])["RouteTables"][0]["Routes"]
    assert [route["GatewayId"] for route in routes] == ["local"]


def test_unknown_endpoints_are_told_as_unsuccessful(vpc: Vpc) -> None:
    answer = vpc.ec2.delete_vpc_endpoints(VpcEndpointIds=["vpce-0123456789abcdef0"])
    assert answer["Unsuccessful"][0]["Error"]["Code"] == "InvalidVpcEndpoint.NotFound"


def test_a_route_to_a_deleted_nat_gateway_is_a_black_hole(vpc: Vpc) -> None:
    nat_id, _ = vpc.nat()
    route = {"RouteTableId": vpc.table, "DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": nat_id}
    vpc.ec2.create_route(**route)
    vpc.ec2.delete_nat_gateway(NatGatewayId=nat_id)
    routes = vpc.ec2.describe_route_tables(RouteTableIds=[vpc.table])["RouteTables"][0]["Routes"]
    assert [found["State"] for found in routes if found.get("NatGatewayId")] == ["blackhole"]
    with pytest.raises(ClientError) as refused:
        vpc.ec2.replace_route(**route)
    assert code(refused) == "InvalidNatGatewayID.NotFound"


def test_a_gateway_stays_attached_while_a_public_address_is_mapped(vpc: Vpc, clock: LabClock) -> None:
    gateway = vpc.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    vpc.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc.id)
    nat_id, _ = vpc.nat()
    with pytest.raises(ClientError) as refused:
        vpc.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc.id)
    assert code(refused) == "DependencyViolation"
    vpc.ec2.delete_nat_gateway(NatGatewayId=nat_id)
    clock.skip(seconds("nat-delete"))
    assert eventually(lambda: vpc.nat_state(nat_id) == "deleted")
    vpc.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc.id)


def test_a_group_that_another_groups_rule_names_stays(vpc: Vpc) -> None:
    first, second = (vpc.ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc.id)["GroupId"]
                     for name in ("first", "second"))
    vpc.ec2.authorize_security_group_ingress(GroupId=first, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": second}]}])
    with pytest.raises(ClientError) as refused:
        vpc.ec2.delete_security_group(GroupId=second)
    assert code(refused) == "DependencyViolation"
    vpc.ec2.delete_security_group(GroupId=first)
    vpc.ec2.delete_security_group(GroupId=second)


def test_a_vpc_with_a_gateway_stays(vpc: Vpc) -> None:
    other = vpc.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    gateway = vpc.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    vpc.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=other)
    with pytest.raises(ClientError) as refused:
        vpc.ec2.delete_vpc(VpcId=other)
    assert code(refused) == "DependencyViolation"
    vpc.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=other)
    vpc.ec2.delete_vpc(VpcId=other)


def test_the_private_name_of_an_endpoint_can_be_switched_off(vpc: Vpc) -> None:
    endpoint_id = vpc.endpoint(PrivateDnsEnabled=True)
    assert eventually(lambda: vpc.endpoint_state(endpoint_id) == "available")
    vpc.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint_id, PrivateDnsEnabled=False)
    assert not vpc.ec2.describe_vpc_endpoints()["VpcEndpoints"][0]["PrivateDnsEnabled"]
