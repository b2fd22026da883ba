"""Both networks reach each other, whoever asks first, once both regions say so; nothing points to a dead connection."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.tags import STACK_TAG, as_map, is_ours
from drctl.engine.events import Record
from drctl.engine.run import Run
from drctl.engine.runner import build
from drctl.errors import WaitFailed
from drctl.settings import Network as NetworkSettings
from drctl.settings import Settings, Site
from drctl.steps.network import Network
from drctl.steps.peering import Peering, PeeringOut
from drctl.steps.peering_routes import PeeringRoutes, PeeringRoutesOut
from drctl.steps.route_tables import RouteTables
from drctl.steps.subnets import Subnets
from tests.conftest import changes, ensure_with_needs

PRIMARY, STANDBY = Settings().sites
HERE, THERE = Network(PRIMARY), Network(STANDBY)
PEERING = Peering(PRIMARY, HERE, THERE, STANDBY)
SUBNETS = Subnets(PRIMARY, HERE), Subnets(STANDBY, THERE)
TABLES = RouteTables(PRIMARY, HERE, SUBNETS[0]), RouteTables(STANDBY, THERE, SUBNETS[1])
ROUTES = (PeeringRoutes(PRIMARY, TABLES[0], PEERING, STANDBY), PeeringRoutes(STANDBY, TABLES[1], PEERING, PRIMARY))
EVERYTHING = (HERE, THERE, *SUBNETS, *TABLES, PEERING, *ROUTES)


def stands(run: Run) -> PeeringOut:
    """The peering as another look shows it."""
    out = run.refresh(PEERING)
    assert out is not None
    return out


def routes(run: Run, side: int) -> PeeringRoutesOut:
    """The routes of a side as another look shows them."""
    out = run.refresh(ROUTES[side])
    assert out is not None
    return out


def test_a_peering_is_active_tagged_and_resolves_names_on_both_sides(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, PEERING)
    out = stands(run)
    assert [side.status for side in out.sides] == ["active", "active"]
    assert not list(PEERING.verify(run, out))
    for place in (PRIMARY, STANDBY):
        (one,) = aws[place.region].ec2.describe_vpc_peering_connections()["VpcPeeringConnections"]
        assert is_ours(as_map(one["Tags"]), run.settings.environment)


def test_trap_5_routes_go_both_ways_after_acceptance(run: Run, aws: Aws, records: list[Record]) -> None:
    build(run, EVERYTHING)
    peering_id = stands(run).id
    for side, (place, other) in enumerate([(PRIMARY, STANDBY), (STANDBY, PRIMARY)]):
        tables = run.output(TABLES[side])
        leading = {table["RouteTableId"] for table in aws[place.region].ec2.describe_route_tables()["RouteTables"]
                   for route in table["Routes"] if route.get("DestinationCidrBlock") == str(other.cidr)
                   and route.get("VpcPeeringConnectionId") == peering_id and route["State"] == "active"}
        assert leading == {tables.public, *tables.private, tables.database}
    calls = [record["operation"] for record in records if record["event"] == "call"]
    first_route = min(n for n, record in enumerate(records) if record["event"] == "call"
                      and "VpcPeeringConnectionId" in record["params"] and record["operation"] == "CreateRoute")
    accepted = next(n for n, record in enumerate(records) if record["event"] == "call"
                    and record["operation"] == "AcceptVpcPeeringConnection")
    assert accepted < first_route
    assert calls.count("AcceptVpcPeeringConnection") >= 1


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    build(run, EVERYTHING)
    again = make_run()
    outcomes = build(again, EVERYTHING)
    assert {outcome.result for outcome in outcomes} == {"kept"}
    assert [changes(again, step) for step in (PEERING, *ROUTES)] == [0, 0, 0]


def test_a_request_that_was_left_unaccepted_is_adopted(run: Run, aws: Aws) -> None:
    here, there = ensure_with_needs(run, HERE), ensure_with_needs(run, THERE)
    left = aws[PRIMARY.region].ec2.create_vpc_peering_connection(
        VpcId=here.vpc_id, PeerVpcId=there.vpc_id, PeerRegion=STANDBY.region)["VpcPeeringConnection"]
    out = ensure_with_needs(run, PEERING)
    assert out.id == left["VpcPeeringConnectionId"]
    assert not list(PEERING.verify(run, stands(run)))


def test_a_connection_that_the_other_side_requested_is_adopted(run: Run, aws: Aws) -> None:
    here, there = ensure_with_needs(run, HERE), ensure_with_needs(run, THERE)
    left = aws[STANDBY.region].ec2.create_vpc_peering_connection(
        VpcId=there.vpc_id, PeerVpcId=here.vpc_id, PeerRegion=PRIMARY.region)["VpcPeeringConnection"]
    run.wait_until("the other region shows it", lambda: PEERING.find(run), lambda out: out is not None, within=60)
    assert ensure_with_needs(run, PEERING).id == left["VpcPeeringConnectionId"]
    assert not list(PEERING.verify(run, stands(run)))


def test_a_deleted_connection_is_no_connection(run: Run, aws: Aws) -> None:
    former = ensure_with_needs(run, PEERING).id
    aws[STANDBY.region].ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=former)
    assert run.refresh(PEERING) is None
    assert ensure_with_needs(run, PEERING).id != former
    assert not list(PEERING.verify(run, stands(run)))


def test_overlapping_networks_end_the_wait_with_what_aws_says(make_run: Callable[..., Run]) -> None:
    run = make_run(Settings(network=NetworkSettings(standby_cidr=IPv4Network("10.0.0.0/16"))))
    there = Network(run.settings.standby)
    peering = Peering(PRIMARY, HERE, there, run.settings.standby)
    with pytest.raises(WaitFailed, match="overlapping CIDR"):
        ensure_with_needs(run, peering)


@pytest.mark.notices("Peering")
@pytest.mark.parametrize(("site", "half"), [(PRIMARY, "Requester"), (STANDBY, "Accepter")])
def test_verify_notices_names_that_do_not_resolve_and_ensure_mends_it(
        site: Site, half: str, run: Run, aws: Aws, make_run: Callable[..., Run]) -> None:
    peering_id = ensure_with_needs(run, PEERING).id
    options: Any = {f"{half}PeeringConnectionOptions": {"AllowDnsResolutionFromRemoteVpc": False}}
    aws[site.region].ec2.modify_vpc_peering_connection_options(VpcPeeringConnectionId=peering_id, **options)
    findings = [finding.text for finding in PEERING.verify(run, stands(run))]
    assert findings == [f"peering {peering_id} does not resolve names in {site.region}"]
    again = make_run()
    ensure_with_needs(again, PEERING)
    assert changes(again, PEERING) == 1
    assert not list(PEERING.verify(again, stands(again)))


def test_verify_notices_lost_tags_and_ensure_sets_them(run: Run, aws: Aws) -> None:
    peering_id = ensure_with_needs(run, PEERING).id
    aws[STANDBY.region].ec2.delete_tags(Resources=[peering_id], Tags=[{"Key": STACK_TAG}])
    assert [STANDBY.region in finding.text for finding in PEERING.verify(run, stands(run))] == [True]
    ensure_with_needs(run, PEERING)
    assert not list(PEERING.verify(run, stands(run)))


@pytest.mark.notices("PeeringRoutes")
def test_a_route_that_is_missing_or_leads_elsewhere_is_noticed_and_mended(run: Run, aws: Aws) -> None:
    build(run, EVERYTHING)
    ec2, tables, cidr = aws[PRIMARY.region].ec2, run.output(TABLES[0]), str(STANDBY.cidr)
    ec2.delete_route(RouteTableId=tables.database, DestinationCidrBlock=cidr)
    ec2.replace_route(RouteTableId=tables.public, DestinationCidrBlock=cidr,
                      GatewayId=run.output(HERE).internet_gateway)
    findings = [finding.text for finding in ROUTES[0].verify(run, routes(run, 0))]
    assert len(findings) == 2
    assert routes(run, 0).count == 3
    ensure_with_needs(run, ROUTES[0])
    assert not list(ROUTES[0].verify(run, routes(run, 0)))


def test_routes_into_a_black_hole_are_noticed_and_lead_over_the_new_peering(run: Run, aws: Aws) -> None:
    build(run, EVERYTHING)
    former = stands(run).id
    aws[PRIMARY.region].ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=former)
    run.forget(PEERING)
    ensure_with_needs(run, PEERING)
    findings = [finding.text for finding in ROUTES[1].verify(run, routes(run, 1))]
    assert len(findings) == 5
    assert all(former in text for text in findings)
    ensure_with_needs(run, ROUTES[1])
    assert routes(run, 1).count == 5
    assert not list(ROUTES[1].verify(run, routes(run, 1)))


def test_destroy_leaves_neither_routes_nor_peering_and_twice_is_fine(run: Run, aws: Aws, make_run: Callable[..., Run]
                                                                     ) -> None:
    build(run, EVERYTHING)
    again = make_run()
    for _ in range(2):
        for step in (*ROUTES, PEERING):
            step.destroy(again)
            again.forget(step)
    assert PEERING.find(again) is None
    for place, other in ((PRIMARY, STANDBY), (STANDBY, PRIMARY)):
        ec2 = aws[place.region].ec2
        assert not [route for table in ec2.describe_route_tables()["RouteTables"] for route in table["Routes"]
                    if route.get("DestinationCidrBlock") == str(other.cidr)]
        assert {one["Status"]["Code"] for one in ec2.describe_vpc_peering_connections()["VpcPeeringConnections"]
                } <= {"deleted"}


def test_destroy_leaves_a_peering_with_somebody_elses_network(run: Run, aws: Aws) -> None:
    here = ensure_with_needs(run, HERE)
    ec2 = aws[PRIMARY.region].ec2
    theirs = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    foreign = ec2.create_vpc_peering_connection(VpcId=here.vpc_id, PeerVpcId=theirs)["VpcPeeringConnection"]
    ensure_with_needs(run, PEERING)
    PEERING.destroy(run)
    left = ec2.describe_vpc_peering_connections(
        VpcPeeringConnectionIds=[foreign["VpcPeeringConnectionId"]])["VpcPeeringConnections"]
    assert left[0]["Status"]["Code"] == "pending-acceptance"
