"""Tags as EC2 takes them, in every create call and afterwards: how many, how long, of which names and types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from moto.ec2.exceptions import EC2ClientError, TagLimitExceeded
from moto.ec2.responses.elastic_ip_addresses import ElasticIPAddresses
from moto.ec2.responses.elastic_network_interfaces import ElasticNetworkInterfaces
from moto.ec2.responses.flow_logs import FlowLogs
from moto.ec2.responses.internet_gateways import InternetGateways
from moto.ec2.responses.nat_gateways import NatGateways
from moto.ec2.responses.route_tables import RouteTables
from moto.ec2.responses.security_groups import SecurityGroups
from moto.ec2.responses.subnets import Subnets
from moto.ec2.responses.tags import TagResponse
from moto.ec2.responses.vpc_peering_connections import VPCPeeringConnections
from moto.ec2.responses.vpcs import VPCs

from drctl.lab.rules import rule

#: Type of resource that a create call can tag.
TYPES = {
    "CreateVpc": "vpc", "CreateSubnet": "subnet", "CreateInternetGateway": "internet-gateway",
    "CreateRouteTable": "route-table", "CreateNatGateway": "natgateway", "AllocateAddress": "elastic-ip",
    "CreateVpcEndpoint": "vpc-endpoint", "CreateSecurityGroup": "security-group",
    "CreateVpcPeeringConnection": "vpc-peering-connection", "CreateFlowLogs": "vpc-flow-log",
    "CreateNetworkInterface": "network-interface",
    "AuthorizeSecurityGroupIngress": "security-group-rule", "AuthorizeSecurityGroupEgress": "security-group-rule",
}
MOST, LONGEST_KEY, LONGEST_VALUE = 50, 128, 256


def _invalid(text: str) -> EC2ClientError:
    return EC2ClientError("InvalidParameterValue", text)


@rule("tag-type", VPCs, "create_vpc", "create_vpc_endpoint")
@rule("tag-type", Subnets, "create_subnet")
@rule("tag-type", InternetGateways, "create_internet_gateway")
@rule("tag-type", RouteTables, "create_route_table")
@rule("tag-type", NatGateways, "create_nat_gateway")
@rule("tag-type", ElasticIPAddresses, "allocate_address")
@rule("tag-type", SecurityGroups, "create_security_group", "authorize_security_group_ingress",
      "authorize_security_group_egress")
@rule("tag-type", VPCPeeringConnections, "create_vpc_peering_connection")
@rule("tag-type", FlowLogs, "create_flow_logs")
@rule("tag-type", ElasticNetworkInterfaces, "create_network_interface")
def tag_type(proceed: Any, self: Any) -> Any:
    """A create call tags what it creates: InvalidParameterValue for another type of resource.

    Source: EC2 API Reference, TagSpecification.
    """
    for specification in self._get_param("TagSpecifications", []):
        named = specification.get("ResourceType")
        if named != TYPES[self._get_action()]:
            raise _invalid(f"'{named}' is not a valid taggable resource type for this operation.")
    return proceed()


@rule("tag-limits", VPCs, "create_vpc", "create_vpc_endpoint")
@rule("tag-limits", Subnets, "create_subnet")
@rule("tag-limits", InternetGateways, "create_internet_gateway")
@rule("tag-limits", RouteTables, "create_route_table")
@rule("tag-limits", NatGateways, "create_nat_gateway")
@rule("tag-limits", ElasticIPAddresses, "allocate_address")
@rule("tag-limits", SecurityGroups, "create_security_group", "authorize_security_group_ingress",
      "authorize_security_group_egress")
@rule("tag-limits", VPCPeeringConnections, "create_vpc_peering_connection")
@rule("tag-limits", FlowLogs, "create_flow_logs")
@rule("tag-limits", ElasticNetworkInterfaces, "create_network_interface")
@rule("tag-limits", TagResponse, "create_tags")
def tag_limits(proceed: Any, self: Any) -> Any:
    """A thing has 50 tags (TagLimitExceeded) with keys of 128 and values of 256 characters; `aws:` is not ours to use.

    Refuses with InvalidParameterValue. Source: EC2 User Guide, Tag restrictions.
    """
    given = [self._get_param("Tags", []), *(one.get("Tags", []) for one in self._get_param("TagSpecifications", []))]
    for tags in given:
        _check(tags)
    return proceed()


def _check(tags: Iterable[Mapping[str, str]]) -> None:
    keys = [tag.get("Key", "") for tag in tags]
    if len(keys) > MOST:
        raise TagLimitExceeded
    for key in keys:
        if keys.count(key) > 1:
            raise _invalid(f"Duplicate tag key '{key}' specified.")
        if key.lower().startswith("aws:"):
            raise _invalid("Tag keys starting with 'aws:' are reserved for internal use")
        if not 1 <= len(key) <= LONGEST_KEY:
            raise _invalid(f"Tag key exceeds the maximum length of {LONGEST_KEY} characters")
    if any(len(tag.get("Value") or "") > LONGEST_VALUE for tag in tags):
        raise _invalid(f"Tag value exceeds the maximum length of {LONGEST_VALUE} characters")
