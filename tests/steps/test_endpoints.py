"""Functions reach AWS from private subnets without NAT; everything private stays private, nothing idle is paid for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import WaitFailed
from drctl.lab import interfaces
from drctl.lab.clock import CLOCK
from drctl.settings import Network as NetworkSettings
from drctl.settings import Settings
from drctl.steps.endpoints import Endpoints, EndpointsOut
from drctl.steps.network import Network
from drctl.steps.route_tables import RouteTables
from drctl.steps.security_groups import SecurityGroups
from drctl.steps.subnets import Subnets
from tests.conftest import changes, ensure_with_needs
from tests.steps.lifecycle import lagging

SITE = Settings().primary
NETWORK = Network(SITE)
SUBNETS = Subnets(SITE, NETWORK)
TABLES = RouteTables(SITE, NETWORK, SUBNETS)
GROUPS = SecurityGroups(SITE, NETWORK)
ENDPOINTS = Endpoints(SITE, NETWORK, SUBNETS, TABLES, GROUPS)
NAT = Settings(network=NetworkSettings(egress="nat"))


def stands(run: Run) -> EndpointsOut:
    """The endpoints as another look shows them."""
    out = run.refresh(ENDPOINTS)
    assert out is not None
    return out


def findings(run: Run) -> list[str]:
    """What verify says now."""
    return [finding.text for finding in ENDPOINTS.verify(run, stands(run))]


def test_trap_6_functions_in_private_subnets_reach_aws_through_endpoints(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, ENDPOINTS)
    out, subnets = stands(run), run.output(SUBNETS)
    assert set(out.ids) == {"s3", "secretsmanager", "events"}
    for service in ("secretsmanager", "events"):
        endpoint = out.seen[service]
        assert (endpoint.state, endpoint.private_dns) == ("available", True)
        assert endpoint.subnets == set(subnets.private)
        assert endpoint.groups == {run.output(GROUPS).endpoints}
    assert out.seen["s3"].tables == set(run.output(TABLES).inner)
    assert aws[SITE.region].ec2.describe_nat_gateways()["NatGateways"] == []
    assert findings(run) == []


def test_a_second_run_changes_nothing_and_hardly_asks(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, ENDPOINTS)
    again = make_run()
    ensure_with_needs(again, ENDPOINTS)
    list(ENDPOINTS.verify(again, again.output(ENDPOINTS)))
    assert changes(again, ENDPOINTS) == 0
    assert again.events.calls[ENDPOINTS.key] == 1


def test_a_table_that_is_there_but_not_shown_does_not_keep_the_others_out(run: Run, aws: Aws) -> None:
    endpoint, tables = ensure_with_needs(run, ENDPOINTS).ids["s3"], run.output(TABLES).inner
    aws[SITE.region].ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveRouteTableIds=[tables[-1]])
    ENDPOINTS._change(run, endpoint, {"AddRouteTableIds": list(tables)})
    assert findings(run) == []


def test_with_nat_only_the_free_endpoint_stands(make_run: Callable[..., Run]) -> None:
    run = make_run(NAT)
    ensure_with_needs(run, ENDPOINTS)
    assert set(stands(run).ids) == {"s3"}


def test_going_over_to_nat_removes_the_endpoints_that_cost_money(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, ENDPOINTS)
    over = make_run(NAT)
    assert len(findings(over)) == 2
    ensure_with_needs(over, ENDPOINTS)
    assert set(stands(over).ids) == {"s3"}
    assert findings(over) == []


@pytest.mark.notices("Endpoints")
@pytest.mark.parametrize("damage", [
    lambda run: {"RemoveSubnetIds": [run.output(SUBNETS).private[0]]},
    lambda run: {"AddSecurityGroupIds": [run.output(GROUPS).app]},
    lambda run: {"PrivateDnsEnabled": False},
], ids=["subnet", "group", "private-dns"])
def test_verify_notices_a_changed_endpoint_and_ensure_mends_it_in_place(
        damage: Callable[[Run], Any], run: Run, aws: Aws) -> None:
    endpoint_id = ensure_with_needs(run, ENDPOINTS).ids["secretsmanager"]
    aws[SITE.region].ec2.modify_vpc_endpoint(VpcEndpointId=endpoint_id, **damage(run))
    assert [endpoint_id in text for text in findings(run)] == [True]
    ensure_with_needs(run, ENDPOINTS)
    assert findings(run) == []
    assert stands(run).ids["secretsmanager"] == endpoint_id


def test_verify_notices_a_table_without_the_s3_endpoint_and_ensure_adds_it(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, ENDPOINTS)
    aws[SITE.region].ec2.modify_vpc_endpoint(VpcEndpointId=out.ids["s3"],
                                             RemoveRouteTableIds=[run.output(TABLES).database])
    assert len(findings(run)) == 1
    ensure_with_needs(run, ENDPOINTS)
    assert findings(run) == []


def test_tables_that_a_new_endpoint_does_not_show_yet_are_waited_for(run: Run, make_run: Callable[..., Run]) -> None:
    out = ensure_with_needs(run, ENDPOINTS)
    endpoint: Any = interfaces.backend(SITE.region).vpc_end_points[out.ids["s3"]]
    with lagging(10):
        endpoint.__dict__["_lab_tables_at"] = CLOCK.now() + 3
        assert len(findings(run)) == 1
        ensure_with_needs(make_run(), ENDPOINTS)
    assert findings(run) == []


def test_a_deleted_endpoint_is_no_endpoint_and_is_made_again(run: Run, aws: Aws) -> None:
    former = ensure_with_needs(run, ENDPOINTS).ids["events"]
    aws[SITE.region].ec2.delete_vpc_endpoints(VpcEndpointIds=[former])
    assert run.refresh(ENDPOINTS) is None
    run.wait_until("it is gone", lambda: aws[SITE.region].ec2.describe_vpc_endpoints()["VpcEndpoints"],
                   lambda seen: former not in [one["VpcEndpointId"] for one in seen], within=600)
    ensure_with_needs(run, ENDPOINTS)
    assert stands(run).ids["events"] != former
    assert findings(run) == []


def test_an_endpoint_that_failed_ends_the_wait_and_is_replaced_by_the_next_run(run: Run) -> None:
    failed = ensure_with_needs(run, ENDPOINTS).ids["events"]
    interfaces.backend(SITE.region).vpc_end_points[failed].state = "failed"
    with pytest.raises(WaitFailed, match=f"{failed} is failed"):
        ENDPOINTS._await(run, {failed})
    interfaces.backend(SITE.region).vpc_end_points[failed].private_dns_enabled = False
    ensure_with_needs(run, ENDPOINTS)
    assert stands(run).ids["events"] != failed
    assert findings(run) == []


def test_destroy_waits_until_all_are_gone_leaves_foreign_ones_and_twice_is_fine(
        run: Run, aws: Aws, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, ENDPOINTS)
    ec2 = aws[SITE.region].ec2
    foreign = ec2.create_vpc_endpoint(VpcId=run.output(NETWORK).vpc_id, VpcEndpointType="Gateway",
                                      ServiceName=f"com.amazonaws.{SITE.region}.dynamodb")["VpcEndpoint"]
    again = make_run()
    ENDPOINTS.destroy(again)
    ENDPOINTS.destroy(again)
    left = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    assert [one["VpcEndpointId"] for one in left] == [foreign["VpcEndpointId"]]
    assert ENDPOINTS.find(again) is None
