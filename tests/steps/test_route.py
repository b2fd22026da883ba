"""A route is led where it should lead, whatever a late read said was there."""

from __future__ import annotations

from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.steps.route import lead
from tests.lab.ec2_world import REGION, Vpc


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("seen", [True, False])
def test_a_route_is_made_or_replaced_as_it_is_found(there: bool, seen: bool, run: Run, aws: Aws) -> None:
    vpc = Vpc(aws)
    target: Any = {"GatewayId": vpc.gateway}
    if there:
        vpc.ec2.create_route(RouteTableId=vpc.table, DestinationCidrBlock="10.9.0.0/16", **target)
    lead(run, REGION, vpc.table, "10.9.0.0/16", target, replace=seen)
    routes = vpc.ec2.describe_route_tables(RouteTableIds=[vpc.table])["RouteTables"][0]["Routes"]
    assert {route["DestinationCidrBlock"]: route["GatewayId"] for route in routes}["10.9.0.0/16"] == vpc.gateway
