"""NAT gateways, endpoints and routes as EC2 has them: pending at first, visible for a while when they are deleted."""

from __future__ import annotations

import copy
import inspect
from functools import partial
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend, vpcs
from moto.ec2.models.nat_gateways import NatGateway
from moto.ec2.models.route_tables import Route
from moto.ec2.models.vpcs import VPCEndPoint
from moto.ec2.responses.nat_gateways import NatGateways
from moto.ec2.responses.vpcs import VPCs
from moto.ec2.utils import generic_filter

from drctl.aws.durations import seconds
from drctl.lab import interfaces
from drctl.lab.clock import CLOCK
from drctl.lab.rules import Pending, rule, take

Pending.install(NatGateway, "state", "pending")
Pending.install(VPCEndPoint, "state", "pending")
# moto asks this service for its endpoints too, and its module needs libraries that the lab does not install
vpcs.IMPLEMENTED_ENDPOINT_SERVICES.remove("cloudformation")


def _not_found(nat_id: str) -> EC2ClientError:
    return EC2ClientError("NatGatewayNotFound", f"The Nat Gateway {nat_id} was not found")


@rule("nat-token", NatGateways, "create_nat_gateway")
def nat_token(proceed: Any, self: NatGateways) -> Any:
    """The same client token gives the same NAT gateway.

    Source: EC2 API Reference, Ensuring idempotency in Amazon EC2 API requests.
    """
    token = self._get_param("ClientToken")
    known: dict[str, NatGateway] = self.ec2_backend.__dict__.setdefault("_lab_nat_tokens", {})
    if token in known:
        return ActionResult({"NatGateway": known[token]})
    answer = proceed()
    known[token] = answer.result["NatGateway"]
    return answer


@rule("nat-pending", EC2Backend, "create_nat_gateway")
def nat_pending(proceed: Any, _self: EC2Backend, *args: Any, **kwargs: Any) -> Any:
    """A NAT gateway is pending for minutes, then available; its interface says whose it is.

    Source: VPC User Guide, NAT gateways.
    """
    nat = proceed(*args, **kwargs)
    interfaces.adopt(nat._eni, f"Interface for NAT Gateway {nat.id}", "nat_gateway", "amazon-aws")
    nat._eni._group_set = []
    take(nat, seconds("nat-create"))
    return nat


@rule("nat-deleting", EC2Backend, "delete_nat_gateway")
def nat_deleting(_proceed: Any, self: EC2Backend, nat_gateway_id: str) -> Any:
    """A deleted NAT gateway is deleting, keeps its address until it is deleted, and is shown for an hour.

    Refuses with NatGatewayNotFound. Source: VPC User Guide, NAT gateways.
    """
    nat = self.nat_gateways.get(nat_gateway_id)
    if nat is None:
        raise _not_found(nat_gateway_id)
    if nat.state not in {"deleting", "deleted"}:
        nat.state = "deleting"
        take(nat, 0)
        CLOCK.after(seconds("nat-delete"), partial(_nat_is_deleted, self, nat))
    return nat


def _nat_is_deleted(ec2: EC2Backend, nat: NatGateway) -> None:
    for address in [eip for eip in ec2.addresses if eip.eni is nat._eni]:
        ec2.disassociate_address(address=address.public_ip)
    interfaces.remove(ec2.region_name, [nat._eni.id])
    nat.state = "deleted"
    CLOCK.after(seconds("nat-deleted-visible"), partial(ec2.nat_gateways.pop, nat.id, None))


@rule("nat-found", EC2Backend, "describe_nat_gateways")
def nat_found(proceed: Any, self: EC2Backend, filters: Any, nat_gateway_ids: list[str] | None) -> Any:
    """NAT gateways are found by tag as by anything else; an unknown id is NatGatewayNotFound.

    Source: EC2 API Reference, DescribeNatGateways.
    """
    for nat_id in nat_gateway_ids or []:
        if nat_id not in self.nat_gateways:
            raise _not_found(nat_id)
    by_tag = {name: values for name, values in (filters or {}).items() if name.startswith("tag")}
    return generic_filter(by_tag, proceed(filters, nat_gateway_ids))


@rule("endpoint-conflict", EC2Backend, "create_vpc_endpoint")
def endpoint_conflict(proceed: Any, self: EC2Backend, *args: Any, **kwargs: Any) -> Any:
    """A service has one private name in a VPC (InvalidParameter) and one gateway route in a table (RouteAlreadyExists).

    Source: EC2 API Reference, CreateVpcEndpoint; Terraform provider: vpc endpoint.
    """
    token = kwargs.get("client_token")
    same_service = [endpoint for endpoint in self.vpc_end_points.values() if endpoint.vpc_id == kwargs["vpc_id"]
                    and endpoint.service_name == kwargs["service_name"]]
    for endpoint in same_service:
        if token and endpoint.client_token == token:
            return endpoint
        if _is_interface(endpoint) and endpoint.private_dns_enabled and kwargs.get("private_dns_enabled"):
            raise EC2ClientError("InvalidParameter", "private-dns-enabled cannot be set because there is already a "
                                 f"conflicting DNS domain for {endpoint.service_name} in the VPC {endpoint.vpc_id}")
        for table_id in set(endpoint.route_table_ids or []) & set(kwargs.get("route_table_ids") or []):
            raise EC2ClientError("RouteAlreadyExists", f"route table {table_id} already has a route with "
                                 f"destination-prefix-list-id {endpoint.destination_prefix_list_id}")
    return proceed(*args, **kwargs)


def _is_interface(endpoint: VPCEndPoint) -> bool:
    return str(endpoint.vpc_endpoint_type or "").lower() == "interface"


@rule("endpoint-pending", EC2Backend, "create_vpc_endpoint")
def endpoint_pending(proceed: Any, self: EC2Backend, *args: Any, **kwargs: Any) -> Any:
    """An interface endpoint is pending for a while and has an interface in each subnet, in its security groups.

    Source: VPC User Guide, Access an AWS service using an interface VPC endpoint.
    """
    known = set(self.vpc_end_points)
    endpoint = proceed(*args, **kwargs)
    if endpoint.id not in known:
        endpoint.__dict__["_lab_tables_at"] = CLOCK.now() + seconds("endpoint-tables")
    if endpoint.id not in known and _is_interface(endpoint):
        take(endpoint, seconds("endpoint-create"))
        _dress_interfaces(self, endpoint)
    return endpoint


def _dress_interfaces(ec2: EC2Backend, endpoint: VPCEndPoint) -> None:
    groups = [ec2.get_security_group_from_id(group_id) for group_id in endpoint.security_group_ids]
    for interface_id in endpoint.network_interface_ids:
        interface = ec2.enis[interface_id]
        interfaces.adopt(interface, f"VPC Endpoint Interface {endpoint.id}", "vpc_endpoint", "amazon-aws")
        interface._group_set = groups or interface._group_set


@rule("endpoint-tables", VPCs, "describe_vpc_endpoints")
def endpoint_tables(proceed: Any, self: VPCs) -> Any:  # noqa: ARG001  # the response
    """A gateway endpoint just made shows only some of its route tables for a moment.

    Source: Terraform provider: vpc endpoint route table association.
    """
    answer = proceed()
    answer.result["VpcEndpoints"] = [_as_shown(one) for one in answer.result["VpcEndpoints"]]
    return answer


def _as_shown(endpoint: VPCEndPoint) -> VPCEndPoint:
    if CLOCK.now() >= endpoint.__dict__.get("_lab_tables_at", 0.0) or not endpoint.route_table_ids:
        return endpoint
    shown = copy.copy(endpoint)
    shown.route_table_ids = endpoint.route_table_ids[:1]
    return shown


@rule("endpoint-modify", EC2Backend, "modify_vpc_endpoint")
def endpoint_modify(proceed: Any, self: EC2Backend, vpc_id: str, **kwargs: Any) -> Any:
    """An endpoint can be changed when it is available (else IncorrectState), and its interfaces follow.

    A table that has its route already is refused with RouteAlreadyExists. Source: EC2 API Reference, ModifyVpcEndpoint.
    """
    endpoint = self.describe_vpc_endpoints(vpc_end_point_ids=[vpc_id])[0]
    if endpoint.state != "available":
        raise EC2ClientError("IncorrectState", f"The VPC endpoint {vpc_id} is in the state {endpoint.state}")
    for table_id in set(endpoint.route_table_ids or []) & set(kwargs.get("add_route_tables") or []):
        raise EC2ClientError("RouteAlreadyExists", f"route table {table_id} already has a route with "
                             f"destination-prefix-list-id {endpoint.destination_prefix_list_id}")
    answer = proceed(vpc_id=vpc_id, **kwargs)
    if _is_interface(endpoint):
        interfaces.remove(self.region_name, endpoint.network_interface_ids)
        endpoint.network_interface_ids = [
            interfaces.make(self.region_name, subnet_id, endpoint.security_group_ids,
                            f"VPC Endpoint Interface {endpoint.id}", "vpc_endpoint", "amazon-aws")
            for subnet_id in endpoint.subnet_ids or []]
    return answer


@rule("endpoint-private-name", VPCs, "modify_vpc_endpoint")
def endpoint_private_name(proceed: Any, self: VPCs) -> Any:
    """The private name of an interface endpoint can be switched on and off.

    Source: EC2 API Reference, ModifyVpcEndpoint.
    """
    answer = proceed()
    wanted = self._get_bool_param("PrivateDnsEnabled")
    if wanted is not None:
        self.ec2_backend.vpc_end_points[self._get_param("VpcEndpointId")].private_dns_enabled = wanted
    return answer


@rule("endpoint-deleting", VPCs, "delete_vpc_endpoints")
def endpoint_deleting(_proceed: Any, self: VPCs) -> Any:
    """A deleted endpoint is deleting until its interfaces are gone; unknown ids are told in Unsuccessful.

    Source: EC2 API Reference, DeleteVpcEndpoints.
    """
    unknown = []
    for endpoint_id in self._get_param("VpcEndpointIds", []):
        endpoint = self.ec2_backend.vpc_end_points.get(endpoint_id)
        if endpoint is None:
            text = f"The Vpc Endpoint Id '{endpoint_id}' does not exist"
            unknown.append({"ResourceId": endpoint_id,
                            "Error": {"Code": "InvalidVpcEndpoint.NotFound", "Message": text}})
        elif endpoint.state != "deleting":
            endpoint.state = "deleting"
            take(endpoint, 0)
            CLOCK.after(seconds("endpoint-delete"), partial(_endpoint_is_gone, self.ec2_backend, endpoint))
    return ActionResult({"Unsuccessful": unknown})


def _endpoint_is_gone(ec2: EC2Backend, endpoint: VPCEndPoint) -> None:
    interfaces.remove(ec2.region_name, endpoint.network_interface_ids)
    for table in ec2.route_tables.values():
        table._routes = {key: route for key, route in table._routes.items()
                         if not (route.gateway is endpoint or route.vpc_endpoint_id == endpoint.id)}
    ec2.vpc_end_points.pop(endpoint.id, None)


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
