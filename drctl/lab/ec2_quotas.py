"""How much of the network an account may have before it asks AWS for more."""

from __future__ import annotations

from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend

from drctl.lab.rules import rule

#: Default quotas (Amazon VPC quotas; EC2 User Guide, Elastic IP address quota). The default VPC counts as one.
QUOTAS = {"vpcs": 5, "addresses": 5, "routes": 50, "gateway endpoints": 20, "peerings": 50}


@rule("quota-vpcs", EC2Backend, "create_vpc")
def quota_vpcs(proceed: Any, self: EC2Backend, *args: Any, **kwargs: Any) -> Any:
    """A region has five VPCs, the default one among them: VpcLimitExceeded.

    Source: VPC User Guide, Amazon VPC quotas.
    """
    if len(self.vpcs) >= QUOTAS["vpcs"]:
        raise EC2ClientError("VpcLimitExceeded", "The maximum number of VPCs has been reached.")
    return proceed(*args, **kwargs)


@rule("quota-addresses", EC2Backend, "allocate_address")
def quota_addresses(proceed: Any, self: EC2Backend, *args: Any, **kwargs: Any) -> Any:
    """A region has five Elastic IP addresses: AddressLimitExceeded.

    Source: EC2 User Guide, Elastic IP address quota.
    """
    if len(self.addresses) >= QUOTAS["addresses"]:
        raise EC2ClientError("AddressLimitExceeded", "The maximum number of addresses has been reached.")
    return proceed(*args, **kwargs)


@rule("quota-routes", EC2Backend, "create_route")
def quota_routes(proceed: Any, self: EC2Backend, route_table_id: str, *args: Any, **kwargs: Any) -> Any:
    """A route table has 50 routes besides the local ones: RouteLimitExceeded.

    Source: VPC User Guide, Amazon VPC quotas.
    """
    table = self.route_tables.get(route_table_id)
    if table is not None and not kwargs.get("local") and sum(
            not route.local for route in table.routes) >= QUOTAS["routes"]:
        raise EC2ClientError("RouteLimitExceeded", "The maximum number of routes has been reached.")
    return proceed(route_table_id, *args, **kwargs)


@rule("quota-gateway-endpoints", EC2Backend, "create_vpc_endpoint")
def quota_gateway_endpoints(proceed: Any, self: EC2Backend, *args: Any, **kwargs: Any) -> Any:
    """A region has 20 gateway endpoints: VpcEndpointLimitExceeded.

    Source: VPC User Guide, Amazon VPC quotas.
    """
    def is_gateway(kind: str | None) -> bool:
        return (kind or "Gateway").lower() == "gateway"

    there = sum(is_gateway(endpoint.vpc_endpoint_type) for endpoint in list(self.vpc_end_points.values()))
    if is_gateway(kwargs.get("endpoint_type")) and there >= QUOTAS["gateway endpoints"]:
        raise EC2ClientError("VpcEndpointLimitExceeded", "The maximum number of VPC endpoints has been reached.")
    return proceed(*args, **kwargs)


@rule("quota-peerings", EC2Backend, "accept_vpc_peering_connection")
def quota_peerings(proceed: Any, self: EC2Backend, vpc_pcx_id: str) -> Any:
    """A VPC has 50 active peering connections: ActiveVpcPeeringConnectionPerVpcLimitExceeded.

    Source: VPC User Guide, Amazon VPC quotas; EC2 API Reference, Error codes.
    """
    asked = self.vpc_pcxs.get(vpc_pcx_id)
    if asked is not None:
        mine = asked.peer_vpc.id
        active = [one for one in list(self.vpc_pcxs.values()) if one._status.code == "active"
                  and mine in {one.vpc.id, one.peer_vpc.id}]
        if len(active) >= QUOTAS["peerings"]:
            raise EC2ClientError("ActiveVpcPeeringConnectionPerVpcLimitExceeded",
                                 f"The VPC {mine} has reached its number of active peering connections.")
    return proceed(vpc_pcx_id)
