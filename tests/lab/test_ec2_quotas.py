"""The network has quotas, those of AWS unless more was asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK
from drctl.lab.ec2_quotas import QUOTAS
from tests.lab.ec2_world import REGION, Vpc, refused


@pytest.fixture
def few() -> Iterator[None]:
    """Quotas of two, where reaching the true ones takes many calls."""
    usual = dict(QUOTAS)
    QUOTAS.update({"routes": 2, "gateway endpoints": 2, "peerings": 2})
    yield
    QUOTAS.update(usual)


def test_the_quotas_are_those_of_aws() -> None:
    assert QUOTAS == {"vpcs": 5, "addresses": 5, "routes": 50, "gateway endpoints": 20, "peerings": 50}


@pytest.mark.rule("quota-vpcs")
def test_a_region_has_five_vpcs_with_the_default_one(aws: Aws) -> None:
    create = aws[REGION].ec2.create_vpc
    assert [refused(create, CidrBlock=f"10.{n}.0.0/16") for n in range(5)] == ["", "", "", "", "VpcLimitExceeded"]


@pytest.mark.rule("quota-addresses")
def test_a_region_has_five_addresses(aws: Aws) -> None:
    allocate = aws[REGION].ec2.allocate_address
    assert [refused(allocate, Domain="vpc") for _ in range(6)] == [*[""] * 5, "AddressLimitExceeded"]


@pytest.mark.rule("quota-routes")
def test_a_route_table_has_so_many_routes_besides_the_local_one(aws: Aws, few: None) -> None:
    vpc = Vpc(aws)
    codes = [refused(vpc.ec2.create_route, RouteTableId=vpc.table, DestinationCidrBlock=f"10.{n}.0.0/16",
                     GatewayId=vpc.gateway) for n in (20, 21, 22)]
    assert codes == ["", "", "RouteLimitExceeded"]


@pytest.mark.rule("quota-gateway-endpoints")
def test_a_region_has_so_many_gateway_endpoints(aws: Aws, few: None) -> None:
    vpc = Vpc(aws)
    codes = [refused(vpc.ec2.create_vpc_endpoint, VpcId=vpc.id, ServiceName=f"com.amazonaws.{REGION}.{service}",
                     VpcEndpointType="Gateway") for service in ("s3", "dynamodb", "s3")]
    assert codes == ["", "", "VpcEndpointLimitExceeded"]


@pytest.mark.rule("quota-peerings")
def test_a_vpc_has_so_many_active_peerings(aws: Aws, few: None) -> None:
    vpc, codes = Vpc(aws), []
    for number in (20, 21, 22):
        other = vpc.ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16")["Vpc"]["VpcId"]
        peering = vpc.ec2.create_vpc_peering_connection(VpcId=other, PeerVpcId=vpc.id)["VpcPeeringConnection"]
        CLOCK.skip(seconds("peering-request"))
        codes.append(refused(vpc.ec2.accept_vpc_peering_connection,
                             VpcPeeringConnectionId=peering["VpcPeeringConnectionId"]))
        CLOCK.skip(seconds("peering-provision"))
    assert codes == ["", "", "ActiveVpcPeeringConnectionPerVpcLimitExceeded"]
