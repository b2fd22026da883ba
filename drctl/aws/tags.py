"""Ownership: every resource that can carry tags says which stack it belongs to; nothing else is ever deleted.

Services disagree about the shape of tags; each shape is spelled here once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from drctl.errors import NotOurs

#: Tag that marks a resource as made by drctl; its value is the environment.
STACK_TAG = "drctl:stack"


def as_list(tags: Mapping[str, str]) -> list[Any]:
    """`[{"Key": …, "Value": …}]`: EC2, ELBv2, RDS, ACM, IAM, S3, SNS, events, WAF, SSM, alarms, secrets."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def as_kms_list(tags: Mapping[str, str]) -> list[Any]:
    """`[{"TagKey": …, "TagValue": …}]`: KMS."""
    return [{"TagKey": key, "TagValue": value} for key, value in tags.items()]


def specification(resource_type: str, tags: Mapping[str, str]) -> list[Any]:
    """`TagSpecifications` of an EC2 create call."""
    return [{"ResourceType": resource_type, "Tags": as_list(tags)}]


def as_map(tags: Iterable[Any] | None) -> dict[str, str]:
    """A tag list in any of the shapes AWS answers with, as a plain map."""
    found: dict[str, str] = {}
    for tag in tags or ():
        key = tag.get("Key", tag.get("TagKey", tag.get("key")))
        value = tag.get("Value", tag.get("TagValue", tag.get("value")))
        found[str(key)] = str(value if value is not None else "")
    return found


def is_ours(tags: Mapping[str, str], environment: str) -> bool:
    """Whether a resource with these tags belongs to the stack of `environment`."""
    return tags.get(STACK_TAG) == environment


def ours(environment: str, *names: str) -> list[Any]:
    """EC2 `Filters` for this stack's resources, optionally only those with one of these Name tags."""
    filters = [{"Name": f"tag:{STACK_TAG}", "Values": [environment]}]
    return [*filters, {"Name": "tag:Name", "Values": list(names)}] if names else filters


def refuse_foreign(kind: str, name: str, tags: Mapping[str, str], environment: str) -> None:
    """Raise NotOurs for something that stands under a name of ours without our tag, before it is changed."""
    if not is_ours(tags, environment):
        raise NotOurs(f"{kind} {name} exists and does not belong to this stack (it does not carry this stack's tag): "
                      "it is not touched",
                      next_step=f"rename or delete that {kind}, or choose another environment name; if it is this "
                                f"stack's, tag it {STACK_TAG}={environment}")
