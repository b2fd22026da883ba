"""AWS-managed prefix lists that moto lacks, and what any of them costs in a security group."""

from __future__ import annotations

from typing import Any

from moto.ec2.exceptions import RulesPerSecurityGroupLimitExceededError
from moto.ec2.models.managed_prefixes import ManagedPrefixListBackend
from moto.ec2.models.security_groups import SecurityGroup
from moto.ec2.responses.security_groups import SecurityGroups

from drctl.lab.rules import rule

#: How many rules a reference counts for, by the last part of a list's name.
WEIGHTS = {"cloudfront.origin-facing": 55, "route53-healthchecks": 25, "vpc-lattice": 10, "groundstation": 5}
#: Rules of a group in each direction (Amazon VPC quotas).
QUOTA = 60
#: Ranges of the checkers in the lab; AWS's own change (`ip-ranges.json`, ROUTE53_HEALTHCHECKS).
CHECKERS = ("15.177.0.0/18", "54.183.255.128/26", "54.228.16.0/26", "54.232.40.64/26", "54.241.32.64/26",
            "54.243.31.192/26", "54.244.52.192/26", "54.245.168.0/26", "54.248.220.0/26", "54.250.253.192/26",
            "54.251.31.128/26", "54.252.79.128/26", "54.252.254.192/26", "54.255.254.192/26", "107.23.255.0/26",
            "176.34.159.192/26", "177.71.207.128/26")


@rule("checkers-prefix-list", ManagedPrefixListBackend, "create_default_pls")
def checkers_prefix_list(proceed: Any, self: Any) -> None:
    """Every region has a list of the addresses that Route 53's health checkers call from.

    Source: VPC User Guide, "AWS-managed prefix lists".
    """
    proceed()
    self._create_aws_managed_prefix_list(
        name=f"com.amazonaws.{self.region_name}.route53-healthchecks", address_family="IPv4",
        entries=[{"Cidr": cidr, "Description": "default"} for cidr in CHECKERS])


@rule("prefix-list-weight", SecurityGroups, "authorize_security_group_ingress", "authorize_security_group_egress")
def prefix_list_weight(proceed: Any, self: SecurityGroups) -> Any:
    """A rule that names a prefix list counts for the list's weight: RulesPerSecurityGroupLimitExceeded over 60.

    Source: VPC User Guide, "AWS-managed prefix list weight"; Amazon VPC quotas.
    """
    backend: Any = self.ec2_backend
    group: SecurityGroup | None = backend.get_security_group_by_name_or_id(self._get_param("GroupId"))
    if group is not None:
        outwards = self._get_action().endswith("Egress")
        lists = [rule.prefix_list_id for rule in (group.egress_rules if outwards else group.ingress_rules)]
        asked = [entry.get("PrefixListId") for permission in self._get_param("IpPermissions", [])
                 for entry in permission.get("PrefixListIds", [])]
        ranges = sum(len(permission.get(kind, [])) for permission in self._get_param("IpPermissions", [])
                     for kind in ("IpRanges", "Ipv6Ranges", "UserIdGroupPairs"))
        if ranges + sum(weight(backend, one) for one in [*lists, *asked]) > QUOTA:
            raise RulesPerSecurityGroupLimitExceededError
    return proceed()


def weight(backend: ManagedPrefixListBackend, prefix_list_id: str | None) -> int:
    """How many rules a rule with this prefix list counts for; one for a rule without."""
    found = backend.managed_prefix_lists.get(prefix_list_id or "")
    if found is None:
        return 1
    name = str(found.prefix_list_name)
    return next((value for end, value in WEIGHTS.items() if name.endswith(end)), int(found.max_entries or 1))
