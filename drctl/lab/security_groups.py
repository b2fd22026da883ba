"""Security groups as AWS guards them: names and texts, rules that come as a whole, and what cannot be deleted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from moto.ec2.exceptions import DependencyViolationError, EC2ClientError, InvalidParameterValue
from moto.ec2.models import EC2Backend
from moto.ec2.models.security_groups import SecurityGroup, SecurityGroupRule
from moto.ec2.responses.security_groups import SecurityGroups

from drctl.lab.rules import rule

#: What names and descriptions of a VPC's groups and rules are written with.
WRITTEN_WITH = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]*")
LONGEST_TEXT = 255


@rule("group-name-prefix", EC2Backend, "create_security_group")
def group_name_prefix(proceed: Any, _: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    """A group's name must not begin with `sg-`: InvalidParameterValue.

    Source: EC2 API Reference, CreateSecurityGroup.
    """
    if name.lower().startswith("sg-"):
        raise InvalidParameterValue(f"Value ({name}) for parameter GroupName is invalid: it may not start with sg-")
    return proceed(name, *args, **kwargs)


@rule("group-text", SecurityGroups, "create_security_group", "authorize_security_group_ingress",
      "authorize_security_group_egress")
def group_text(proceed: Any, self: SecurityGroups) -> Any:
    """Names and descriptions have up to 255 characters of a small set, without quotes and accents.

    Refuses with InvalidParameterValue. Source: EC2 API Reference, CreateSecurityGroup and IpRange.
    """
    for parameter, text in _texts(dict(self._get_params())):
        if len(text) > LONGEST_TEXT:
            raise InvalidParameterValue(f"Invalid value for parameter {parameter}: it exceeds 255 characters.")
        if not WRITTEN_WITH.fullmatch(text):
            raise InvalidParameterValue(f"Value ({text}) for parameter {parameter} is invalid. Valid characters are "
                                        "a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*")
    return proceed()


def _texts(value: Any) -> Iterator[tuple[str, str]]:
    """Every name and description in the parameters of a call."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in {"GroupName", "GroupDescription", "Description"} and isinstance(inner, str):
                yield name, inner
            elif name != "TagSpecifications":
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


@rule("rules-as-a-whole", SecurityGroups, "authorize_security_group_ingress", "authorize_security_group_egress")
def rules_as_a_whole(proceed: Any, self: SecurityGroups) -> Any:
    """A call that is refused adds none of its rules: one InvalidPermission.Duplicate fails all the others.

    Source: EC2 API Reference, AuthorizeSecurityGroupIngress; Terraform provider: security group rule.
    """
    group: SecurityGroup | None = self.ec2_backend.get_security_group_by_name_or_id(self._get_param("GroupId"))
    if group is None:
        return proceed()
    before = list(group.ingress_rules), list(group.egress_rules)
    try:
        return proceed()
    except EC2ClientError:
        group.ingress_rules, group.egress_rules = before
        raise


@rule("group-named-by-rules", EC2Backend, "delete_security_group")
def group_named_by_rules(proceed: Any, self: EC2Backend, name: str | None = None, group_id: str | None = None) -> Any:
    """A group that a rule of another group names stays: DependencyViolation; two that name each other both do.

    Source: EC2 API Reference, DeleteSecurityGroup.
    """
    others: list[SecurityGroup] = [group for groups in list(self.groups.values()) for group in list(groups.values())
                                   if group.id != group_id]
    if group_id and any(one.source_group.get("GroupId") == group_id
                        for group in others for one in (*group.ingress_rules, *group.egress_rules)):
        raise DependencyViolationError(f"resource {group_id} has a dependent object")
    return proceed(name=name, group_id=group_id)


@rule("default-group-stays", SecurityGroups, "delete_security_group")
def default_group_stays(proceed: Any, self: SecurityGroups) -> Any:
    """The default group of a VPC cannot be deleted: CannotDelete.

    Source: EC2 API Reference, DeleteSecurityGroup; VPC User Guide, Default security groups.
    """
    group = self.ec2_backend.get_security_group_from_id(self._get_param("GroupId"))
    if group is not None and group.is_default:
        raise EC2ClientError("CannotDelete", f"the specified group: \"{group.id}\" name: \"default\" cannot be deleted "
                             "by a user")
    return proceed()


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
