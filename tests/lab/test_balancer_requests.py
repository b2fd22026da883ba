"""A balancer is asked for with a fitting name, subnets, gateway and security groups, or refused."""

from __future__ import annotations

import pytest

from drctl.aws.clients import Aws
from tests.lab.test_balancing import REGION, Site, refusal


@pytest.fixture
def site(aws: Aws) -> Site:
    return Site(aws)


@pytest.fixture
def other(aws: Aws) -> Site:
    """Another VPC of the region."""
    return Site(aws)


@pytest.mark.rule("balancer-name-format")
@pytest.mark.parametrize("name", ["internal-app", "a" * 33, "-app", "app-", "app_1"])
def test_a_name_that_elb_does_not_take_is_refused(site: Site, name: str) -> None:
    assert refusal(site.elb.create_load_balancer, Name=name, Subnets=site.subnets) == "ValidationError"
    assert site.is_gone()


@pytest.mark.rule("balancer-two-zones")
def test_a_balancer_is_in_two_zones_with_one_subnet_in_each(site: Site) -> None:
    assert refusal(site.elb.create_load_balancer, Name="app", Subnets=site.subnets[:1]) == "ValidationError"
    twin = site.ec2.create_subnet(VpcId=site.vpc, CidrBlock="10.5.9.0/24",
                                  AvailabilityZone=f"{REGION}a")["Subnet"]["SubnetId"]
    assert refusal(site.elb.create_load_balancer, Name="app",
                   Subnets=[*site.subnets, twin]) == "InvalidConfigurationRequest"
    assert site.is_gone()


@pytest.mark.rule("balancer-one-vpc")
def test_the_subnets_of_a_balancer_are_of_one_vpc(site: Site, other: Site) -> None:
    assert refusal(site.elb.create_load_balancer, Name="app",
                   Subnets=[site.subnets[0], other.subnets[1]]) == "InvalidConfigurationRequest"


@pytest.mark.rule("balancer-room")
def test_a_subnet_of_a_balancer_has_room(site: Site) -> None:
    small = [site.ec2.create_subnet(VpcId=site.vpc, CidrBlock=f"10.5.8.{number * 16}/28",
                                    AvailabilityZone=f"{REGION}{zone}")["Subnet"]["SubnetId"]
             for number, zone in enumerate("ab")]
    for _ in range(4):
        site.ec2.create_network_interface(SubnetId=small[0])
    assert refusal(site.elb.create_load_balancer, Name="app", Subnets=small) == "InvalidSubnet"


@pytest.mark.rule("balancer-gateway")
def test_a_balancer_that_faces_the_internet_needs_an_internet_gateway(site: Site) -> None:
    site.ec2.detach_internet_gateway(InternetGatewayId=site.gateway, VpcId=site.vpc)
    assert refusal(site.balancer) == "InvalidSubnet"
    site.balancer(Scheme="internal")


@pytest.mark.rule("balancer-groups-fit")
def test_the_security_groups_of_a_balancer_are_of_its_vpc(site: Site, other: Site) -> None:
    create = site.elb.create_load_balancer
    assert refusal(create, Name="app", Subnets=site.subnets,
                   SecurityGroups=[other.group]) == "InvalidConfigurationRequest"
    assert refusal(create, Name="app", Subnets=site.subnets,
                   SecurityGroups=["sg-0123456789abcdef0"]) == "InvalidSecurityGroup"


@pytest.mark.rule("balancer-groups-still-fit")
def test_other_security_groups_of_a_balancer_are_of_its_vpc_too(site: Site, other: Site) -> None:
    arn = site.balancer()["LoadBalancerArn"]
    assert refusal(site.elb.set_security_groups, LoadBalancerArn=arn,
                   SecurityGroups=[other.group]) == "InvalidConfigurationRequest"
