"""Routes as EC2 has them: they lead to what exists, and stay as black holes when it is gone."""

from __future__ import annotations

import inspect
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.models.route_tables import Route

from drctl.lab.rules import rule


@rule("route-target", EC2Backend, "create_route", "replace_route")
def route_target(proceed: Any, self: EC2Backend, *args: Any, **kwargs: Any) -> Any:
    """A route leads to something that exists: InvalidNatGatewayID.NotFound, InvalidVpcPeeringConnectionID.NotFound.

    A route over a peering that waits for acceptance is accepted, as a black hole; over one that has ended it is not.
    Source: VPC Peering Guide, Update your route tables for a VPC peering connection.
    """
    given = inspect.signature(proceed).bind(*args, **kwargs).arguments
    nat_id, peering_id = given.get("nat_gateway_id"), given.get("vpc_peering_connection_id")
    nat, peering = self.nat_gateways.get(nat_id), self.vpc_pcxs.get(peering_id)
    if nat_id and (nat is None or nat.state in {"deleting", "deleted", "failed"}):
        raise EC2ClientError("InvalidNatGatewayID.NotFound", f"The natGateway ID '{nat_id}' does not exist")
    if peering_id and (peering is None or peering.status["Code"] not in
                       {"initiating-request", "pending-acceptance", "provisioning", "active"}):
        raise EC2ClientError("InvalidVpcPeeringConnectionID.NotFound",
                             f"The vpcPeeringConnection ID '{peering_id}' does not exist")
    return proceed(*args, **kwargs)


def _route_state(route: Route) -> str:
    """A route whose target cannot carry traffic is a black hole and stays until it is deleted."""
    if route.nat_gateway and route.nat_gateway.state in {"deleting", "deleted", "failed"}:
        return "blackhole"
    if route.vpc_pcx and route.vpc_pcx.status["Code"] != "active":
        return "blackhole"
    gateway_is_gone = route.gateway is not None and getattr(route.gateway, "vpc", True) is None
    return "blackhole" if gateway_is_gone else "active"


setattr(Route, "state", property(_route_state))  # noqa: B010  # moto has a constant there
