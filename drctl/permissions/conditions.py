"""When a statement holds: what conditions of policies narrow that names cannot."""

from __future__ import annotations

from typing import Any

from drctl.aws.tags import STACK_TAG
from drctl.permissions.places import Places

Condition = dict[str, dict[str, Any]]

#: Services that a role of the stack is for; each takes only a role that the caller may pass to it.
TAKE_ROLES = ("backup", "cloudtrail", "events", "lambda", "s3", "vpc-flow-logs")
#: Services that make a role of their own in an account that they are used in for the first time.
LINKED = ("elasticloadbalancing", "rds", "wafv2")
#: Services that use the stack's keys for the caller.
USE_KEYS = ("backup", "lambda", "rds", "s3", "secretsmanager", "sns", "sqs")


def always(_: Places) -> Condition:
    """No condition: the resources say it all."""
    return {}


def tagged(places: Places) -> Condition:
    """What carries the stack's tag."""
    return {"StringEquals": {f"aws:ResourceTag/{STACK_TAG}": places.environment}}


def tagging(places: Places) -> Condition:
    """What is given the stack's tag in the call that makes it."""
    return {"StringEquals": {f"aws:RequestTag/{STACK_TAG}": places.environment}}


def tagging_in_regions(places: Places) -> Condition:
    """As `tagging`, for what has no ARN yet that would tell the region."""
    return {"StringEquals": {**tagging(places)["StringEquals"], **in_regions(places)["StringEquals"]}}


def tagging_what_is_made(places: Places) -> Condition:
    """Tags in the call that makes something: whoever may tag what stands could make anything the stack's own (EC2 API
    Reference, "Granting permission to tag Amazon EC2 resources during creation")."""
    return tagging(places) | {"Null": {"ec2:CreateAction": "false"}}


def not_tagged(_: Places) -> Condition:
    """What carries no stack's tag at all."""
    return {"Null": {f"aws:ResourceTag/{STACK_TAG}": "true"}}


def in_regions(places: Places) -> Condition:
    """The stack's regions; services without regions count as us-east-1 (IAM User Guide, "aws:RequestedRegion")."""
    return {"StringEquals": {"aws:RequestedRegion": list(dict.fromkeys((*places.regions, "us-east-1")))}}


def to_services(_: Places) -> Condition:
    """Roles are passed to the services that they are for."""
    return {"StringEquals": {"iam:PassedToService": [f"{one}.amazonaws.com" for one in TAKE_ROLES]}}


def linked(_: Places) -> Condition:
    """Roles that are linked to the services that the stack uses."""
    return {"StringEquals": {"iam:AWSServiceName": [f"{one}.amazonaws.com" for one in LINKED]}}


def through_services(places: Places) -> Condition:
    """The stack's keys as services use them for the caller, never by the caller's own hand."""
    through = [f"{one}.{region}.amazonaws.com" for region in places.regions for one in USE_KEYS]
    return {"StringEquals": {**tagged(places)["StringEquals"], "kms:ViaService": through}}


def granted(places: Places) -> Condition:
    """Grants that a service makes for itself."""
    return through_services(places) | {"Bool": {"kms:GrantIsForAWSResource": "true"}}


def bounded(places: Places) -> Condition:
    """Roles that carry the boundary of the configuration, if it names one."""
    boundary = places.settings.iam.permissions_boundary
    return {"StringEquals": {"iam:PermissionsBoundary": boundary}} if boundary else {}


def own_vpcs(places: Places) -> Condition:
    """Peerings into this account: the accepting side's copy of one has no tags before it is accepted."""
    return {"ArnLike": {"ec2:AccepterVpc": places.arns("ec2", "vpc/*")}}


def own_names(places: Places) -> Condition:
    """The users' name, and what ACM validates it with; in the form of Route 53 Developer Guide, "Using IAM policy
    conditions for fine-grained access control"."""
    key, name = "route53:ChangeResourceRecordSetsNormalizedRecordNames", places.settings.dns.name.lower()
    return {"ForAllValues:StringLike": {key: [name, f"*.{name}"]}, "Null": {key: "false"}}


def own_metrics(places: Places) -> Condition:
    """drctl's own namespace of metrics."""
    return {"StringEquals": {"cloudwatch:namespace": "drctl", **in_regions(places)["StringEquals"]}}
