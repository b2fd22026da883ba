"""What a request for a load balancer must say: name, subnets, gateway, security groups."""

from __future__ import annotations

import re
from typing import Any

from moto.elbv2.exceptions import ELBClientError, SubnetNotFoundError
from moto.elbv2.models import ELBv2Backend

from drctl.lab import balancing  # noqa: F401  # its rules come first, so that these are asked before them
from drctl.lab.rules import rule

#: Free addresses that a balancer needs in each of its subnets.
ROOM = 8


def _subnets(backend: ELBv2Backend, ids: list[str]) -> list[Any]:
    found = [backend.ec2_backend.get_subnet(subnet_id) for subnet_id in ids]
    if None in found:
        raise SubnetNotFoundError
    return found


def _asked(subnet_ids: list[str], more: dict[str, Any]) -> list[str]:
    return list(subnet_ids) + [mapping["SubnetId"] for mapping in more.get("subnet_mappings") or []]


@rule("balancer-name-format", ELBv2Backend, "create_load_balancer")
def balancer_name_format(proceed: Any, _self: ELBv2Backend, name: str, security_groups: list[str],
                         subnet_ids: list[str], **more: Any) -> Any:
    """A name has 32 letters, digits and hyphens at most, no hyphen at an end, and does not begin with `internal-`.

    Refuses with ValidationError. Source: ELBv2 API Reference, CreateLoadBalancer.
    """
    if len(name) > 32:
        raise ELBClientError("ValidationError", f"The load balancer name '{name}' cannot be longer than '32' "
                             "characters")
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?", name):
        raise ELBClientError("ValidationError", f"The load balancer name '{name}' can only contain characters that "
                             "are alphanumeric characters and hyphens(-), and cannot begin or end with '-'")
    if name.startswith("internal-"):
        raise ELBClientError("ValidationError", f"The load balancer name '{name}' cannot begin with 'internal-'")
    return proceed(name, security_groups, subnet_ids, **more)


@rule("balancer-two-zones", ELBv2Backend, "create_load_balancer")
def balancer_two_zones(proceed: Any, self: ELBv2Backend, name: str, security_groups: list[str], subnet_ids: list[str],
                       **more: Any) -> Any:
    """A balancer is in two availability zones at least (ValidationError), with one subnet in each.

    Two subnets of one zone are refused with InvalidConfigurationRequest. Source: ELBv2 API Reference,
    CreateLoadBalancer.
    """
    zones = [subnet.availability_zone for subnet in _subnets(self, _asked(subnet_ids, more))]
    if len(zones) != len(set(zones)):
        raise ELBClientError("InvalidConfigurationRequest", "A load balancer cannot be attached to multiple subnets "
                             "in the same Availability Zone")
    if len(zones) < 2:
        raise ELBClientError("ValidationError", "At least two subnets in two different Availability Zones must be "
                             "specified")
    return proceed(name, security_groups, subnet_ids, **more)


@rule("balancer-one-vpc", ELBv2Backend, "create_load_balancer")
def balancer_one_vpc(proceed: Any, self: ELBv2Backend, name: str, security_groups: list[str], subnet_ids: list[str],
                     **more: Any) -> Any:
    """All subnets of a balancer are in one VPC.

    Refuses with InvalidConfigurationRequest. Source: ELBv2 API Reference, CreateLoadBalancer.
    """
    if len({subnet.vpc_id for subnet in _subnets(self, _asked(subnet_ids, more))}) > 1:
        raise ELBClientError("InvalidConfigurationRequest", "All subnets must belong to the same VPC")
    return proceed(name, security_groups, subnet_ids, **more)


@rule("balancer-room", ELBv2Backend, "create_load_balancer")
def balancer_room(proceed: Any, self: ELBv2Backend, name: str, security_groups: list[str], subnet_ids: list[str],
                  **more: Any) -> Any:
    """A subnet for a balancer has eight free addresses at least.

    Refuses with InvalidSubnet. Source: Application Load Balancers, Subnets for your load balancer.
    """
    for subnet in _subnets(self, _asked(subnet_ids, more)):
        if int(subnet.available_ip_address_count) < ROOM:
            raise ELBClientError("InvalidSubnet", f"Not enough IP space available in {subnet.id}. ELB requires at "
                                 f"least {ROOM} free IP addresses in each subnet.")
    return proceed(name, security_groups, subnet_ids, **more)


@rule("balancer-gateway", ELBv2Backend, "create_load_balancer")
def balancer_gateway(proceed: Any, self: ELBv2Backend, name: str, security_groups: list[str], subnet_ids: list[str],
                     **more: Any) -> Any:
    """An internet-facing balancer needs an internet gateway that is attached to its VPC.

    Refuses with InvalidSubnet. Source: ELBv2 API Reference, CreateLoadBalancer.
    """
    vpcs = {subnet.vpc_id for subnet in _subnets(self, _asked(subnet_ids, more))}
    attached = {gateway.vpc.id for gateway in self.ec2_backend.internet_gateways.values() if gateway.vpc}
    if (more.get("scheme") or "internet-facing") == "internet-facing" and not vpcs & attached:
        raise ELBClientError("InvalidSubnet", f"VPC {', '.join(sorted(vpcs))} has no internet gateway")
    return proceed(name, security_groups, subnet_ids, **more)


@rule("balancer-groups-fit", ELBv2Backend, "create_load_balancer")
def balancer_groups_fit(proceed: Any, self: ELBv2Backend, name: str, security_groups: list[str], subnet_ids: list[str],
                        **more: Any) -> Any:
    """A balancer's security groups exist (InvalidSecurityGroup) and are of its VPC (InvalidConfigurationRequest).

    Source: ELBv2 API Reference, CreateLoadBalancer.
    """
    _check_groups(self, security_groups, _subnets(self, _asked(subnet_ids, more))[0].vpc_id)
    return proceed(name, security_groups, subnet_ids, **more)


@rule("balancer-groups-still-fit", ELBv2Backend, "set_security_groups")
def balancer_groups_still_fit(proceed: Any, self: ELBv2Backend, arn: str, sec_groups: list[str]) -> Any:
    """Other security groups are checked like the first.

    Refuses with InvalidSecurityGroup and InvalidConfigurationRequest. Source: ELBv2 API Reference, SetSecurityGroups.
    """
    if balancer := self.load_balancers.get(arn):
        _check_groups(self, sec_groups, balancer.vpc_id)
    return proceed(arn, sec_groups)


def _check_groups(backend: ELBv2Backend, ids: list[str], vpc_id: str | None) -> None:
    for group_id in ids:
        group = backend.ec2_backend.get_security_group_from_id(group_id)
        if group is None:
            raise ELBClientError("InvalidSecurityGroup", f"Security group '{group_id}' does not exist")
        if group.vpc_id != vpc_id:
            raise ELBClientError("InvalidConfigurationRequest", "One or more security groups are invalid")
