"""A small network made by hand, for tests of EC2's rules, and the code that AWS refuses with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK

REGION = "us-east-1"


def refused(call: Callable[..., Any], **parameters: Any) -> str:
    """The code that AWS refuses this call with; empty when it does not."""
    try:
        call(**parameters)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def known() -> None:
    """Let so much time pass that EC2 knows everything that was made."""
    CLOCK.skip(seconds("ec2-visible") + seconds("ec2-tag-filter"))


class Vpc:
    """A VPC with a subnet, a route table and an attached internet gateway; DNS host names are on."""

    def __init__(self, aws: Aws, cidr: str = "10.7.0.0/16") -> None:
        self.ec2: Any = aws[REGION].ec2
        self.id: str = self.ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
        self.subnet: str = self.another_subnet(cidr.replace("/16", "/24"))
        self.table: str = self.another_table()
        self.gateway: str = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        known()
        self.ec2.modify_vpc_attribute(VpcId=self.id, EnableDnsHostnames={"Value": True})
        self.ec2.attach_internet_gateway(InternetGatewayId=self.gateway, VpcId=self.id)

    def another_subnet(self, cidr: str) -> str:
        return str(self.ec2.create_subnet(VpcId=self.id, CidrBlock=cidr, AvailabilityZone=f"{REGION}a")[
            "Subnet"]["SubnetId"])

    def another_table(self, **more: Any) -> str:
        return str(self.ec2.create_route_table(VpcId=self.id, **more)["RouteTable"]["RouteTableId"])

    def group(self, name: str) -> str:
        return str(self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.id)["GroupId"])

    def interface(self, *groups: str) -> str:
        return str(self.ec2.create_network_interface(SubnetId=self.subnet, Groups=list(groups))[
            "NetworkInterface"]["NetworkInterfaceId"])

    def address(self) -> str:
        made = self.ec2.allocate_address(Domain="vpc")["AllocationId"]
        known()
        return str(made)

    def nat(self, address: str | None = None, **more: Any) -> str:
        made = self.ec2.create_nat_gateway(SubnetId=self.subnet, AllocationId=address or self.address(), **more)
        known()
        return str(made["NatGateway"]["NatGatewayId"])

    def nat_state(self, nat_id: str) -> str:
        return str(self.ec2.describe_nat_gateways(NatGatewayIds=[nat_id])["NatGateways"][0]["State"])

    def endpoint(self, **more: Any) -> str:
        made = self.ec2.create_vpc_endpoint(
            VpcId=self.id, VpcEndpointType="Interface", ServiceName=f"com.amazonaws.{REGION}.secretsmanager",
            SubnetIds=[self.subnet], **more)["VpcEndpoint"]["VpcEndpointId"]
        known()
        return str(made)

    def gateway_endpoint(self, *tables: str, service: str = "s3") -> str:
        made = self.ec2.create_vpc_endpoint(VpcId=self.id, VpcEndpointType="Gateway", RouteTableIds=list(tables),
                                            ServiceName=f"com.amazonaws.{REGION}.{service}")["VpcEndpoint"]
        return str(made["VpcEndpointId"])

    def endpoint_state(self, endpoint_id: str) -> str:
        return str(self.ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint_id])["VpcEndpoints"][0]["State"])
