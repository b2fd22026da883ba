"""Private subnets reach the internet through as many NAT gateways as were chosen, and no address is left behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.lab import interfaces
from drctl.settings import Network as NetworkSettings
from drctl.settings import Settings
from drctl.steps.nat import Nat, NatOut
from drctl.steps.network import Network
from drctl.steps.route_tables import RouteTables
from drctl.steps.subnets import Subnets
from tests.conftest import changes, ensure_with_needs

SITE = Settings().primary
NETWORK = Network(SITE)
SUBNETS = Subnets(SITE, NETWORK)
TABLES = RouteTables(SITE, NETWORK, SUBNETS)
NAT = Nat(SITE, NETWORK, SUBNETS, TABLES)
ONE, EACH = (Settings(network=NetworkSettings(egress=egress)) for egress in ("nat", "nat-per-az"))


def stands(run: Run) -> NatOut:
    """The gateways as another look shows them."""
    out = run.refresh(NAT)
    assert out is not None
    return out


def findings(run: Run) -> list[str]:
    """What verify says now."""
    return [finding.text for finding in NAT.verify(run, stands(run))]


@pytest.mark.parametrize(("settings", "count"), [(ONE, 1), (EACH, 3)])
def test_every_private_table_leads_out_through_an_available_gateway(
        settings: Settings, count: int, make_run: Callable[..., Run]) -> None:
    run = make_run(settings)
    ensure_with_needs(run, NAT)
    out = stands(run)
    assert len(out.ids) == count
    assert set(out.routes) == set(run.output(TABLES).private)
    assert {target for target, _ in out.routes.values()} == set(out.ids)
    assert findings(run) == []


@pytest.mark.parametrize("settings", [ONE, EACH])
def test_a_second_run_changes_nothing(settings: Settings, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(make_run(settings), NAT)
    again = make_run(settings)
    ensure_with_needs(again, NAT)
    assert changes(again, NAT) == 0
    assert again.events.calls[NAT.key] == 2


def test_a_free_address_of_an_earlier_try_is_used(make_run: Callable[..., Run], aws: Aws) -> None:
    run = make_run(ONE)
    left = NAT._address(run, run.name("ec2", "nat-1", SITE))
    ensure_with_needs(run, NAT)
    addresses = aws[SITE.region].ec2.describe_addresses()["Addresses"]
    assert [address["AllocationId"] for address in addresses] == [left]


def test_a_failed_gateway_is_no_gateway_and_is_replaced(make_run: Callable[..., Run]) -> None:
    run = make_run(ONE)
    (failed,) = ensure_with_needs(run, NAT).ids
    interfaces.backend(SITE.region).nat_gateways[failed].state = "failed"
    assert run.refresh(NAT) is None
    ensure_with_needs(run, NAT)
    assert failed not in stands(run).ids
    assert findings(run) == []


@pytest.mark.notices("Nat")
def test_verify_notices_a_table_that_leads_elsewhere_or_nowhere_and_ensure_mends_it(
        make_run: Callable[..., Run], aws: Aws) -> None:
    run = make_run(ONE)
    ensure_with_needs(run, NAT)
    ec2, tables = aws[SITE.region].ec2, run.output(TABLES).private
    ec2.delete_route(RouteTableId=tables[0], DestinationCidrBlock="0.0.0.0/0")
    ec2.replace_route(RouteTableId=tables[1], DestinationCidrBlock="0.0.0.0/0",
                      GatewayId=run.output(NETWORK).internet_gateway)
    assert len(findings(run)) == 2
    ensure_with_needs(run, NAT)
    assert findings(run) == []


def test_a_gateway_deleted_by_hand_is_made_again_and_the_black_hole_replaced(
        make_run: Callable[..., Run], aws: Aws) -> None:
    run = make_run(ONE)
    (former,) = ensure_with_needs(run, NAT).ids
    aws[SITE.region].ec2.delete_nat_gateway(NatGatewayId=former)
    run.wait_until("it is not even shown any more", lambda: aws[SITE.region].ec2.describe_nat_gateways()["NatGateways"],
                   lambda seen: not seen, within=7200)
    assert run.refresh(NAT) is None
    ensure_with_needs(run, NAT)
    assert former not in stands(run).ids
    assert findings(run) == []


@pytest.mark.parametrize(("then", "count"), [(ONE, 1), (Settings(), 0)], ids=["one", "none"])
def test_choosing_fewer_gateways_removes_the_others_with_their_addresses(
        then: Settings, count: int, make_run: Callable[..., Run], aws: Aws) -> None:
    ensure_with_needs(make_run(EACH), NAT)
    run = make_run(then)
    assert len(findings_before := list(NAT.verify(run, ensure_tables(run)))) >= 3 - count, findings_before
    ensure_with_needs(run, NAT)
    assert len(stands(run).ids) == count
    assert len(aws[SITE.region].ec2.describe_addresses()["Addresses"]) == count
    assert findings(run) == []


def ensure_tables(run: Run) -> NatOut:
    """What stands of the gateways, once the run knows its tables."""
    ensure_with_needs(run, TABLES)
    return stands(run)


def test_destroy_releases_every_address_leaves_foreign_ones_and_twice_is_fine(
        make_run: Callable[..., Run], aws: Aws) -> None:
    ensure_with_needs(make_run(EACH), NAT)
    ec2 = aws[SITE.region].ec2
    foreign = ec2.allocate_address(Domain="vpc")["AllocationId"]
    run = make_run(EACH)
    NAT.destroy(run)
    NAT.destroy(run)
    assert [one["AllocationId"] for one in ec2.describe_addresses()["Addresses"]] == [foreign]
    assert {one["State"] for one in ec2.describe_nat_gateways()["NatGateways"]} <= {"deleted"}
    assert run.refresh(NAT) is None


def test_teardown_with_fewer_zones_than_it_was_made_over_leaves_no_gateway(
        make_run: Callable[..., Run], aws: Aws) -> None:
    ensure_with_needs(make_run(EACH), NAT)
    run = make_run(Settings(network=NetworkSettings(egress="nat-per-az", availability_zones=2)))
    for step in (NAT, TABLES, SUBNETS, NETWORK):
        step.destroy(run)
    ec2 = aws[SITE.region].ec2
    assert ec2.describe_addresses()["Addresses"] == []
    assert {one["State"] for one in ec2.describe_nat_gateways()["NatGateways"]} <= {"deleted"}
    assert [vpc["IsDefault"] for vpc in ec2.describe_vpcs()["Vpcs"]] == [True]
