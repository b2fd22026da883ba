"""A network is built once and completely while EC2's reads lag behind: nothing is made twice, nothing is given up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.tags import specification
from drctl.engine.run import Run
from drctl.engine.runner import build
from drctl.errors import Refused
from drctl.lab.clock import CLOCK
from drctl.settings import Network as NetworkSettings
from drctl.settings import Settings
from drctl.steps.endpoints import Endpoints
from drctl.steps.nat import Nat
from drctl.steps.network import Network
from drctl.steps.peering import Peering
from drctl.steps.peering_routes import PeeringRoutes
from drctl.steps.route_tables import RouteTables
from drctl.steps.security_groups import SecurityGroups
from drctl.steps.subnets import Subnets, subnet_cidrs
from tests.conftest import SPEED, ensure_with_needs
from tests.steps.lifecycle import slow_down

PRIMARY, STANDBY = Settings().sites
NETWORK, THERE = Network(PRIMARY), Network(STANDBY)
SUBNETS = Subnets(PRIMARY, NETWORK)
TABLES = RouteTables(PRIMARY, NETWORK, SUBNETS)
GROUPS = SecurityGroups(PRIMARY, NETWORK)
PEERING = Peering(PRIMARY, NETWORK, THERE, STANDBY)
NAT = Settings(network=NetworkSettings(egress="nat"))


@pytest.fixture
def lag(run: Run) -> Iterator[Callable[[float], None]]:
    """Slows the lab down until its lags are longer than a call."""
    yield slow_down
    CLOCK.set_speed(SPEED)


def count(aws: Aws, operation: str, key: str) -> int:
    """How many there are of the stack's kind in the primary region."""
    found: list[Any] = getattr(aws[PRIMARY.region].ec2, operation)(
        Filters=[{"Name": "tag-key", "Values": ["drctl:stack"]}])[key]
    return len(found)


def test_networks_tables_groups_and_peering_are_made_once(
        run: Run, make_run: Callable[..., Run], aws: Aws, lag: Callable[[float], None]) -> None:
    lag(300)
    steps = (NETWORK, THERE, SUBNETS, TABLES, GROUPS, PEERING, PeeringRoutes(PRIMARY, TABLES, PEERING, STANDBY))
    build(run, steps)
    assert {outcome.result for outcome in build(make_run(), steps)} == {"kept"}
    made = {key: count(aws, operation, key) for operation, key in (
        ("describe_vpcs", "Vpcs"), ("describe_internet_gateways", "InternetGateways"), ("describe_subnets", "Subnets"),
        ("describe_route_tables", "RouteTables"), ("describe_security_groups", "SecurityGroups"))}
    assert made == {"Vpcs": 1, "InternetGateways": 1, "Subnets": 9, "RouteTables": 5, "SecurityGroups": 4}


@pytest.mark.parametrize(("settings", "made"), [(NAT, (1, 1, 1)), (Settings(), (0, 0, 3))], ids=["nat", "endpoints"])
def test_ways_out_are_made_once(settings: Settings, made: tuple[int, ...], make_run: Callable[..., Run], aws: Aws,
                                lag: Callable[[float], None]) -> None:
    run = make_run(settings)
    ensure_with_needs(run, TABLES)
    ensure_with_needs(run, GROUPS)
    lag(600)
    build(run, (Nat(PRIMARY, NETWORK, SUBNETS, TABLES), Endpoints(PRIMARY, NETWORK, SUBNETS, TABLES, GROUPS)))
    assert (count(aws, "describe_nat_gateways", "NatGateways"), count(aws, "describe_addresses", "Addresses"),
            count(aws, "describe_vpc_endpoints", "VpcEndpoints")) == made


def test_an_address_just_allocated_is_waited_for_and_not_allocated_again(
        make_run: Callable[..., Run], aws: Aws, lag: Callable[[float], None]) -> None:
    run = make_run(NAT)
    ensure_with_needs(run, SUBNETS)
    lag(60)
    Nat(PRIMARY, NETWORK, SUBNETS, TABLES)._create(run, run.name("ec2", "nat-1", PRIMARY), [])
    lag(SPEED)
    assert count(aws, "describe_nat_gateways", "NatGateways") == count(aws, "describe_addresses", "Addresses") == 1


def test_a_subnet_that_no_tag_shows_yet_is_not_somebody_elses(run: Run, make_run: Callable[..., Run], aws: Aws,
                                                                lag: Callable[[float], None]) -> None:
    ensure_with_needs(run, NETWORK)
    again = make_run()
    again.remember(NETWORK, run.output(NETWORK))
    lag(60)
    aws[PRIMARY.region].ec2.create_subnet(
        VpcId=run.output(NETWORK).vpc_id, AvailabilityZoneId="use1-az1",
        CidrBlock=str(subnet_cidrs(PRIMARY.cidr, 3)[0]),
        TagSpecifications=specification("subnet", run.tags(PRIMARY, run.name("ec2", "public-1", PRIMARY))))
    assert len(SUBNETS.ensure(again).public) == 3
    assert count(aws, "describe_subnets", "Subnets") == 9


def test_a_range_that_somebody_elses_subnet_takes_is_told(run: Run, aws: Aws) -> None:
    vpc_id, cidr = ensure_with_needs(run, NETWORK).vpc_id, f"{PRIMARY.cidr.network_address}/24"
    theirs = aws[PRIMARY.region].ec2.create_subnet(VpcId=vpc_id, CidrBlock=cidr)["Subnet"]["SubnetId"]
    with pytest.raises(Refused, match=f"is taken by {theirs}, which does not belong to this stack"):
        ensure_with_needs(run, SUBNETS)
