"""Security groups as AWS guards them: names, and deletion while something still names or uses a group."""

from __future__ import annotations

from typing import Any

from moto.ec2.exceptions import DependencyViolationError, InvalidParameterValue
from moto.ec2.models.security_groups import SecurityGroup, SecurityGroupBackend, SecurityGroupRule

from drctl.lab.rules import rule


@rule("group-name-prefix", SecurityGroupBackend, "create_security_group")
def group_name_prefix(proceed: Any, _: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    """A group's name must not begin with `sg-`: InvalidParameterValue.

    Source: EC2 API Reference, CreateSecurityGroup.
    """
    if name.lower().startswith("sg-"):
        raise InvalidParameterValue(f"Value ({name}) for parameter GroupName is invalid: it may not start with sg-")
    return proceed(name, *args, **kwargs)


@rule("group-named-by-rules", SecurityGroupBackend, "delete_security_group")
def group_named_by_rules(proceed: Any, self: Any, name: str | None = None, group_id: str | None = None) -> Any:
    """A group that a rule of another group names, or that an interface carries, stays: DependencyViolation.

    Source: EC2 API Reference, DeleteSecurityGroup.
    """
    others: list[SecurityGroup] = [group for groups in self.groups.values() for group in groups.values()
                                   if group.id != group_id]
    named = any(one.source_group.get("GroupId") == group_id
                for group in others for one in (*group.ingress_rules, *group.egress_rules))
    carried = any(group_id in (getattr(one, "id", one) for one in interface.group_set)
                  for interface in self.enis.values())
    if group_id and (named or carried):
        raise DependencyViolationError(f"resource {group_id} has a dependent object")
    return proceed(name, group_id)


@rule("rule-description", SecurityGroupRule, "__eq__")
def rule_description(proceed: Any, self: SecurityGroupRule, other: SecurityGroupRule) -> Any:
    """A rule is the same with another description: it can be revoked without one.

    Source: EC2 API Reference, RevokeSecurityGroupIngress.
    """
    if self.source_group.get("GroupId") != other.source_group.get("GroupId"):
        return False
    ours, theirs = self.source_group, other.source_group
    try:
        self.source_group = other.source_group = {}
        return proceed(other)
    finally:
        self.source_group, other.source_group = ours, theirs
