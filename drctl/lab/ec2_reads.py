"""EC2's reads lag behind its writes: what was just made is unknown by id, later still by tag, and as a reference.

Only EC2's own API lags here: other services of the lab reach into the network as they did before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.responses.elastic_ip_addresses import ElasticIPAddresses
from moto.ec2.responses.elastic_network_interfaces import ElasticNetworkInterfaces
from moto.ec2.responses.internet_gateways import InternetGateways
from moto.ec2.responses.nat_gateways import NatGateways
from moto.ec2.responses.route_tables import RouteTables
from moto.ec2.responses.security_groups import SecurityGroups
from moto.ec2.responses.subnets import Subnets
from moto.ec2.responses.tags import TagResponse
from moto.ec2.responses.vpcs import VPCs

from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK
from drctl.lab.rules import hide, is_hidden, rule

#: What EC2 says of an unknown id, by the id's prefix (EC2 API Reference, "Error codes").
UNKNOWN = {
    "vpc": ("InvalidVpcID.NotFound", "The vpc ID '{}' does not exist"),
    "subnet": ("InvalidSubnetID.NotFound", "The subnet ID '{}' does not exist"),
    "igw": ("InvalidInternetGatewayID.NotFound", "The internetGateway ID '{}' does not exist"),
    "rtb": ("InvalidRouteTableID.NotFound", "The routeTable ID '{}' does not exist"),
    "sg": ("InvalidGroup.NotFound", "The security group '{}' does not exist"),
    "eipalloc": ("InvalidAllocationID.NotFound", "The allocation ID '{}' does not exist"),
    "nat": ("NatGatewayNotFound", "The Nat Gateway {} was not found"),
    "vpce": ("InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id '{}' does not exist"),
}
#: Operations that spell it otherwise.
SPELLED = {
    ("CreateRoute", "igw"): "InvalidGatewayID.NotFound", ("ReplaceRoute", "igw"): "InvalidGatewayID.NotFound",
    ("CreateRoute", "nat"): "InvalidNatGatewayID.NotFound", ("ReplaceRoute", "nat"): "InvalidNatGatewayID.NotFound",
    ("CreateVpcEndpoint", "rtb"): "InvalidRouteTableId.NotFound",
    ("ModifyVpcEndpoint", "rtb"): "InvalidRouteTableId.NotFound",
}


def _model(ec2: EC2Backend, resource_id: str) -> Any:
    """What has this id; None for what this module does not follow."""
    known = (ec2.vpcs, ec2.internet_gateways, ec2.route_tables, ec2.nat_gateways, ec2.vpc_end_points,
             *list(ec2.subnets.values()), *list(ec2.groups.values()))
    found = next((some[resource_id] for some in known if resource_id in some), None)
    return found or next((one for one in list(ec2.addresses) if resource_id and one.allocation_id == resource_id), None)


def _refuse(operation: str, resource_id: str) -> None:
    prefix = resource_id.partition("-")[0]
    code, text = UNKNOWN[prefix]
    raise EC2ClientError(SPELLED.get((operation, prefix), code), text.format(resource_id))


@rule("ec2-new", VPCs, "create_vpc", "create_vpc_endpoint")
@rule("ec2-new", Subnets, "create_subnet")
@rule("ec2-new", InternetGateways, "create_internet_gateway")
@rule("ec2-new", RouteTables, "create_route_table")
@rule("ec2-new", SecurityGroups, "create_security_group")
@rule("ec2-new", ElasticIPAddresses, "allocate_address")
@rule("ec2-new", NatGateways, "create_nat_gateway")
def ec2_new(proceed: Any, self: Any) -> Any:
    """What was just made is new for some seconds: most of EC2 does not know it yet.

    Source: EC2 API Reference, Eventual consistency in the Amazon EC2 API.
    """
    answer = proceed()
    made = next((value for value in answer.result.values() if hasattr(value, "ec2_backend")), None)
    made = made or _model(self.ec2_backend, answer.result.get("GroupId") or answer.result.get("AllocationId") or "")
    if made is not None and "_lab_hidden_until" not in made.__dict__:  # a repeated token gives what was made then
        hide(made, seconds("ec2-visible"))
    return answer


def _described(answer: Any) -> tuple[str, list[Any]]:
    """Key and objects of a describe call's answer."""
    return next((key, value) for key, value in answer.result.items() if isinstance(value, list))


@rule("ec2-new-by-id", VPCs, "describe_vpcs", "describe_vpc_endpoints")
@rule("ec2-new-by-id", Subnets, "describe_subnets")
@rule("ec2-new-by-id", InternetGateways, "describe_internet_gateways")
@rule("ec2-new-by-id", RouteTables, "describe_route_tables")
@rule("ec2-new-by-id", SecurityGroups, "describe_security_groups")
@rule("ec2-new-by-id", ElasticIPAddresses, "describe_addresses")
@rule("ec2-new-by-id", NatGateways, "describe_nat_gateways")
def new_by_id(proceed: Any, self: Any) -> Any:
    """What is new is missing in lists, and asking for it by id is the NotFound of its kind.

    Source: EC2 API Reference, Eventual consistency in the Amazon EC2 API.
    """
    answer = proceed()
    key, found = _described(answer)
    asked = set(_ids(dict(self._get_params()) | {"Filters": None, "Filter": None}))
    for one in found:
        if is_hidden(one) and one.id in asked:
            _refuse(self._get_action(), one.id)
    answer.result[key] = [one for one in found if not is_hidden(one)]
    return answer


@rule("ec2-new-by-tag", VPCs, "describe_vpcs", "describe_vpc_endpoints")
@rule("ec2-new-by-tag", Subnets, "describe_subnets")
@rule("ec2-new-by-tag", InternetGateways, "describe_internet_gateways")
@rule("ec2-new-by-tag", RouteTables, "describe_route_tables")
@rule("ec2-new-by-tag", SecurityGroups, "describe_security_groups")
@rule("ec2-new-by-tag", ElasticIPAddresses, "describe_addresses")
@rule("ec2-new-by-tag", NatGateways, "describe_nat_gateways")
def new_by_tag(proceed: Any, self: Any) -> Any:
    """A filter by tag finds what is new some seconds later than its id does.

    Source: EC2 API Reference, Eventual consistency in the Amazon EC2 API; field experience with tag filters.
    """
    answer = proceed()
    if any(name.startswith("tag") for name in self._filters_from_querystring()):
        key, found = _described(answer)
        late = seconds("ec2-tag-filter")
        answer.result[key] = [one for one in found
                              if CLOCK.now() >= one.__dict__.get("_lab_hidden_until", -late) + late]
    return answer


def _ids(value: Any) -> Iterator[str]:
    """Every id in the parameters of a call."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in {"TagSpecifications", "Tags", "ClientToken"}:
                yield from _ids(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _ids(inner)
    elif isinstance(value, str) and value.partition("-")[0] in UNKNOWN:
        yield value


@rule("ec2-new-as-reference", InternetGateways, "attach_internet_gateway")
@rule("ec2-new-as-reference", RouteTables, "associate_route_table", "create_route", "replace_route")
@rule("ec2-new-as-reference", SecurityGroups, "authorize_security_group_ingress", "authorize_security_group_egress")
@rule("ec2-new-as-reference", NatGateways, "create_nat_gateway")
@rule("ec2-new-as-reference", VPCs, "create_vpc_endpoint", "modify_vpc_endpoint", "modify_vpc_attribute",
      "describe_vpc_attribute")
@rule("ec2-new-as-reference", ElasticNetworkInterfaces, "create_network_interface")
@rule("ec2-new-as-reference", TagResponse, "create_tags")
def new_as_reference(proceed: Any, self: Any) -> Any:
    """A call that names something new is refused with the NotFound of its kind.

    A gateway in a route is InvalidGatewayID.NotFound there, a route table of an endpoint InvalidRouteTableId.NotFound.
    Source: Terraform provider: propagation retries of routes, associations, rules, NAT gateways and endpoints.
    """
    for resource_id in _ids(dict(self._get_params())):
        named = _model(self.ec2_backend, resource_id)
        if named is not None and is_hidden(named):
            _refuse(self._get_action(), resource_id)
    return proceed()


@rule("vpc-attribute-lag", EC2Backend, "modify_vpc_attribute", "describe_vpc_attribute")
def vpc_attribute_lag(proceed: Any, self: EC2Backend, vpc_id: str, attr_name: str, *value: Any) -> Any:
    """A VPC's attribute is read as it was for some seconds after it was changed.

    Source: Terraform provider: vpc, waits for the attribute after ModifyVpcAttribute.
    """
    former = self.get_vpc(vpc_id).__dict__.setdefault("_lab_former", {})
    if value:
        former[attr_name] = (CLOCK.now() + seconds("ec2-visible"), getattr(self.get_vpc(vpc_id), attr_name, None))
        return proceed(vpc_id, attr_name, *value)
    until, was = former.get(attr_name, (0.0, None))
    return was if CLOCK.now() < until else proceed(vpc_id, attr_name)
