"""What a request asks IAM for: actions, resources, and what the conditions of a policy may look at.

One table, authorization.yaml, says it for every operation that drctl calls. Source: Service Authorization Reference,
"Actions, resources, and condition keys for AWS services", the page of each service; for dependent permissions also:
EC2 API Reference, "Granting permission to tag Amazon EC2 resources during creation"; IAM User Guide, "Grant a user
permissions to pass a role to an AWS service" and "Create a service-linked role"; KMS Developer Guide, "kms:ViaService";
AWS WAF Developer Guide, "Logging: permissions for CloudWatch Logs"; Lambda Developer Guide, "Securing environment
variables"; Amazon S3 API Reference, GetObject (a missing object is told only to those who may list the bucket).

A line of the table is an action and the kinds of resources that it is asked for: `= bucket` is the action that is
called as the operation; without a kind it is asked for `*`. A kind is an ARN: `{A|B}` becomes the values of the first
of these parameters that is there, and `{A|*}` a star where there are none; only the last hole of a kind may have
several values, and a name that begins with an underscore is worked out (`authorization_facts`). A last word `?A` asks
only where that parameter is there. `pass A SERVICE` passes the role in A to a service, `linked
SERVICE` makes the role that is linked to it, which an account lacks at first, and `kms ACTIONS A` uses the key in A
through the service that is called.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from drctl.lab.api_requests import ApiRequest
from drctl.lab.authorization_facts import fact, request_tags, resource_tags
from drctl.lab.ec2_tags import TYPES as TAGS_WHAT_IT_MAKES
from drctl.lab.policies import Request, several
from drctl.settings import LAB_ACCOUNT

#: Who drctl is in the lab.
CALLER = f"arn:aws:iam::{LAB_ACCOUNT}:user/drctl"
#: Prefixes of actions that are not the SDK's name of the service.
PREFIXES = {"elbv2": "elasticloadbalancing", "service-quotas": "servicequotas", "resourcegroupstaggingapi": "tag"}
#: Services whose requests all count as made in us-east-1 (AWS Fault Isolation Boundaries, "Global services").
GLOBAL = frozenset({"iam", "route53"})
_HOLE = re.compile(r"{([^}]+)}")


class UnknownOperation(LookupError):
    """The table does not say what an operation asks for."""


@dataclass(frozen=True)
class Service:
    """A service's part of the table: ARNs of what is there and of what is about to be made, and lines by operation."""

    kinds: dict[str, str]
    new: dict[str, str]
    operations: dict[str, list[str]]


@cache
def table() -> dict[str, Service]:
    """The table, by the SDK's name of the service."""
    text = files("drctl.lab").joinpath("authorization.yaml").read_text(encoding="utf-8")
    return {name: Service(part.get("kinds", {}), part.get("new", {}), part["operations"])
            for name, part in yaml.safe_load(text).items()}


def asked(request: ApiRequest) -> list[Request]:
    """Everything that the request asks for; each has to be allowed. Raises UnknownOperation."""
    service = table().get(request.service)
    if service is None or request.operation not in service.operations:
        raise UnknownOperation(f"{request.service}:{request.operation} is not in drctl/lab/authorization.yaml")
    found = [one for line in service.operations[request.operation] for one in _line(request, service, line.split())]
    return list({(one.action, one.resource): one for one in found}.values())


def _line(request: ApiRequest, service: Service, words: list[str]) -> Iterator[Request]:
    if words[-1].startswith("?") and not values(request, words.pop()[1:]):
        return
    special = _SPECIAL.get(words[0])
    yield from special(request, words[1:]) if special else _plain(request, service, words[0], words[1:])


def _plain(request: ApiRequest, service: Service, word: str, kinds: list[str]) -> Iterator[Request]:
    name = request.operation if word == "=" else word
    action = name if ":" in name else f"{PREFIXES.get(request.service, request.service)}:{name}"
    ours = ":" not in name
    if not kinds:
        yield Request(CALLER, action, "*", _context(request) | (request_tags(request) if ours else {}))
    for kind in kinds:
        is_new = kind in service.new
        # EC2 tells the tags of a request for what is made alone (EC2 API Reference, see above)
        tags = request_tags(request) if ours and (is_new or request.service != "ec2" or kind == "tagged") else {}
        for arn in arns(request, service.new[kind] if is_new else service.kinds[kind]):
            yield Request(CALLER, action, arn, {**_context(request), **tags, **({} if is_new else resource_tags(arn))})


def _passed(request: ApiRequest, words: list[str]) -> Iterator[Request]:
    path, service = words
    for arn in values(request, path):
        yield Request(CALLER, "iam:PassRole", str(arn), {**_context(request), "iam:PassedToService": service})


def _linked(request: ApiRequest, words: list[str]) -> Iterator[Request]:
    service = words[0]
    yield Request(CALLER, "iam:CreateServiceLinkedRole",
                  f"arn:aws:iam::{LAB_ACCOUNT}:role/aws-service-role/{service}/AWSServiceRole",
                  {**_context(request), "iam:AWSServiceName": service})


def _key(request: ApiRequest, words: list[str]) -> Iterator[Request]:
    actions, path = words
    for arn in (str(one) for one in values(request, path)):
        if not arn.startswith("arn:aws:kms:"):
            continue  # a key of AWS's own, which no policy of ours has to allow
        through = f"{request.service}.{arn.split(':')[3]}.amazonaws.com"
        for action in actions.split(","):
            grant = {"kms:GrantIsForAWSResource": "true"} if action == "CreateGrant" else {}
            yield Request(CALLER, f"kms:{action}", arn, {
                **_context(request), **resource_tags(arn), **grant, "kms:ViaService": through})


_SPECIAL: dict[str, Callable[[ApiRequest, list[str]], Iterator[Request]]] = {
    "pass": _passed, "linked": _linked, "kms": _key}


def _context(request: ApiRequest) -> dict[str, str | tuple[str, ...]]:
    region = "us-east-1" if request.service in GLOBAL else request.region
    known: dict[str, str | tuple[str, ...]] = {"aws:RequestedRegion": region}
    if request.service == "ec2" and request.operation in TAGS_WHAT_IT_MAKES:
        known["ec2:CreateAction"] = request.operation
    for key, operation, path in _KEYS:
        if request.operation == operation and (seen := values(request, path)):
            known[key] = tuple(map(str, seen)) if key.endswith("Names") else str(seen[0])
    return known


#: Condition keys that are parameters of one operation, or worked out of them.
_KEYS = (
    ("cloudwatch:namespace", "PutMetricData", "Namespace"),
    ("iam:PermissionsBoundary", "CreateRole", "PermissionsBoundary"),
    ("iam:PermissionsBoundary", "PutRolePermissionsBoundary", "PermissionsBoundary"),
    ("iam:PermissionsBoundary", "PutRolePolicy", "_Boundary"),
    ("route53:ChangeResourceRecordSetsNormalizedRecordNames", "ChangeResourceRecordSets", "_RecordNames"),
    ("ec2:AccepterVpc", "AcceptVpcPeeringConnection", "_AccepterVpc"),
)


def arns(request: ApiRequest, template: str) -> list[str]:
    """The resources that a kind means in a request."""
    plain = template.replace("{account}", LAB_ACCOUNT).replace("{region}", request.region)
    *before, last = _HOLE.findall(plain) or [""]
    for one in before:
        plain = plain.replace(f"{{{one}}}", str(next(iter(values(request, one)), "")))
    if not last:
        return [plain]
    return [str(one) if str(one).startswith("arn:") else plain.replace(f"{{{last}}}", str(one))
            for one in values(request, last)]


def values(request: ApiRequest, names: str) -> list[Any]:
    """The values of the first of these parameters that is there: a path with dots, or one that is worked out."""
    for name in names.split("|"):
        if name == "*":
            return ["*"]
        found = fact(request, name) if name.startswith("_") else _at(request.params, name.split("."))
        if found:
            return found
    return []


def _at(value: Any, path: list[str]) -> list[Any]:
    if isinstance(value, list):
        return [one for part in value for one in _at(part, path)]
    if not path:
        return [] if value is None or value == "" else several(value)
    return _at(value.get(path[0]), path[1:]) if isinstance(value, dict) else []
