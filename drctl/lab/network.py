"""NAT gateways and endpoints as EC2 has them: pending at first, visible for a while when they are deleted."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend, vpcs
from moto.ec2.models.nat_gateways import NatGateway
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


@rule("nat-fails", EC2Backend, "create_nat_gateway")
def nat_fails(proceed: Any, self: EC2Backend, subnet_id: str, allocation_id: str | None, *args: Any, **kwargs: Any
              ) -> Any:
    """Without an internet gateway in its VPC, or with an address in use, a NAT gateway is made and then fails.

    It shows FailureCode Gateway.NotAttached or Resource.AlreadyAssociated and goes by itself within the hour.
    Source: VPC User Guide, Troubleshoot NAT gateways: NAT gateway creation fails.
    """
    vpc_id = self.get_subnet(subnet_id).vpc_id
    why = None
    if allocation_id and not any(one.vpc and one.vpc.id == vpc_id for one in list(self.internet_gateways.values())):
        why = ("Gateway.NotAttached", f"Network {vpc_id} has no Internet gateway attached")
    elif allocation_id and self.address_by_allocation([allocation_id])[0].association_id:
        why = ("Resource.AlreadyAssociated", f"Elastic IP address [{allocation_id}] is already associated")
    nat = proceed(subnet_id, None if why else allocation_id, *args, **kwargs)
    if why:
        nat.state, (nat.failure_code, nat.failure_message) = "failed", why
        CLOCK.after(seconds("nat-create"), partial(interfaces.remove, self.region_name, [nat._eni.id]))
        CLOCK.after(seconds("nat-deleted-visible"), partial(self.nat_gateways.pop, nat.id, None))
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


def _require_dns(ec2: EC2Backend, vpc_id: str) -> None:
    vpc = ec2.get_vpc(vpc_id)
    if not all(str(flag).lower() == "true" for flag in (vpc.enable_dns_support, vpc.enable_dns_hostnames)):
        raise EC2ClientError("InvalidParameter", "Enabling private DNS requires both enableDnsSupport and "
                             f"enableDnsHostnames VPC attributes set to true for {vpc_id}")


@rule("endpoint-needs-dns", EC2Backend, "create_vpc_endpoint")
def endpoint_needs_dns(proceed: Any, self: EC2Backend, *args: Any, **kwargs: Any) -> Any:
    """Private DNS of an interface endpoint needs both DNS attributes of its VPC: InvalidParameter.

    Source: AWS PrivateLink Guide, Access an AWS service using an interface VPC endpoint: Prerequisites.
    """
    if str(kwargs.get("endpoint_type")).lower() == "interface" and kwargs.get("private_dns_enabled"):
        _require_dns(self, kwargs["vpc_id"])
    return proceed(*args, **kwargs)


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
    """The private name of an interface endpoint can be switched on and off; on needs the VPC's DNS attributes.

    Refuses with InvalidParameter. Source: EC2 API Reference, ModifyVpcEndpoint.
    """
    wanted = self._get_bool_param("PrivateDnsEnabled")
    if wanted and (known := self.ec2_backend.vpc_end_points.get(self._get_param("VpcEndpointId"))):
        _require_dns(self.ec2_backend, known.vpc_id)
    answer = proceed()
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
