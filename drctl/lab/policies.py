"""What policy documents say: roles, key policies, bucket, queue and bus policies, evaluated as IAM evaluates them.

Within one account, which is all the lab has. Permission boundaries, session policies and policy variables are not
looked at. Source of the logic: IAM User Guide, "Policy evaluation logic" and "IAM JSON policy elements reference".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import ip_network
from typing import Any

from moto.kms.models import kms_backends

from drctl.lab.key_times import seen_policy
from drctl.lab.roles import is_assumable, role_by_arn, seen_policies, seen_trust

Document = Mapping[str, Any]
#: What is known about a request, by condition key; a key with several values has a tuple of them.
Context = Mapping[str, str | tuple[str, ...]]
#: Whether a statement means a principal.
Who = Callable[[Document, str], bool]
#: Conditions that are taken as satisfied without looking: the lab has no calendar of its own.
TAKEN_AS_SATISFIED = frozenset({
    "DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals"})
#: The principal of an unsigned request.
ANONYMOUS = "*"


@dataclass(frozen=True)
class Request:
    """Who (role ARN, service name or ANONYMOUS) wants to do what to what, and what is known about the request."""

    principal: str
    action: str
    resource: str
    context: Context = field(default_factory=dict)


def document(text: str | bytes | Document | None) -> Document:
    """A stored policy as a mapping, to be read alone; an empty one when there is none or it is not JSON."""
    return _parsed(text) if isinstance(text, str | bytes) else text or {}


@lru_cache(256)  # health checkers are judged by the same few policies all the time
def _parsed(text: str | bytes) -> Document:
    try:
        parsed = json.loads(text)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def verdict(documents: Iterable[Document], request: Request, principal: Who | None = None) -> str | None:
    """`Deny` (it wins), `Allow`, or None when no statement speaks of the request; `principal` judges who is meant."""
    said = {statement.get("Effect") for policy in documents for statement in several(policy.get("Statement"))
            if _speaks_of(statement, request) and (principal is None or principal(statement, request.principal))}
    return "Deny" if "Deny" in said else "Allow" if "Allow" in said else None


def resource_verdict(policy: str | bytes | Document | None, request: Request) -> str | None:
    """What a policy on a resource (bucket, queue, bus, trust) says of the principal itself or its account."""
    return verdict([document(policy)], request, _names)


def _own_verdict(policy: str | bytes | Document | None, request: Request) -> str | None:
    """As `resource_verdict`, but naming the account allows nothing by itself: it leaves the decision to IAM."""
    return verdict([document(policy)], request, _names_itself)


def trusts(role_arn: str, service: str, context: Context | None = None) -> bool:
    """Whether the role is there, old enough, and lets `service` (such as "s3.amazonaws.com") assume it."""
    role = role_by_arn(role_arn)
    if role is None or not is_assumable(role_arn):
        return False
    request = Request(service, "sts:AssumeRole", role_arn, context or {})
    trust = [{**statement, "Resource": "*"}
             for statement in several(document(seen_trust(role)).get("Statement"))]
    return resource_verdict({"Statement": trust}, request) == "Allow"


def role_verdict(request: Request) -> str | None:
    """What the policies in and attached to the role `request.principal` say."""
    role = role_by_arn(request.principal)
    if role is None:
        return None
    attached = [version.document for policy in role.managed_policies.values() for version in policy.versions
                if version.is_default]
    return verdict([document(text) for text in [*seen_policies(role).values(), *attached]], request)


def may(request: Request, resource_policy: str | bytes | Document | None = None) -> bool:
    """Whether a role may, given its own policies and the resource's: in one account either allows, either denies."""
    said = {role_verdict(request), _own_verdict(resource_policy, request)}
    return "Deny" not in said and "Allow" in said


def may_use_key(key_arn: str, request: Request) -> bool:
    """Whether a role or service may use an enabled key: its policy says so itself, or leaves it to IAM.

    A key policy that names the account's root leaves the decision to IAM policies (KMS Developer Guide, "Default key
    policy"); without such a statement IAM policies do not count.
    """
    key = key_by_arn(key_arn)
    if key is None or key.key_state != "Enabled":
        return False
    asked = Request(request.principal, request.action, key.arn, request.context)
    own = _own_verdict(seen_policy(key), asked)
    by_iam = role_verdict(asked)
    if "Deny" in {own, by_iam}:
        return False
    root = Request(f"arn:aws:iam::{key.account_id}:root", asked.action, asked.resource, asked.context)
    return own == "Allow" or (by_iam == "Allow" and resource_verdict(seen_policy(key), root) == "Allow")


def key_by_arn(arn: str) -> Any | None:
    """moto's key of a key or alias ARN, in that ARN's region; None when there is none."""
    parts = arn.split(":")
    if len(parts) < 6 or parts[2] != "kms":
        return None
    keys = kms_backends[parts[4]][parts[3]].keys
    if not parts[5].startswith("alias/"):
        return keys.get(parts[5].removeprefix("key/"))
    return next((key for key in keys.values() if parts[5] in key.aliases), None)


def key_arn(named: str, region: str, account: str) -> str:
    """The ARN of a key that was named by id, alias or ARN in a request to `region`."""
    if named.startswith("arn:"):
        return named
    return f"arn:aws:kms:{region}:{account}:{named if named.startswith('alias/') else f'key/{named}'}"


def several(value: Any) -> list[Any]:
    """What a policy says with one or with many, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _speaks_of(statement: Document, request: Request) -> bool:
    return (_action_matches(statement, request.action)
            and _resource_matches(statement, request.resource)
            and conditions_hold(statement.get("Condition"), request.context))


def _action_matches(statement: Document, action: str) -> bool:
    if "NotAction" in statement:
        return not any(fnmatchcase(action.lower(), str(one).lower()) for one in several(statement["NotAction"]))
    return any(fnmatchcase(action.lower(), str(one).lower()) for one in several(statement.get("Action")))


def _resource_matches(statement: Document, resource: str) -> bool:
    if "NotResource" in statement:
        return not any(like(resource, str(one)) for one in several(statement["NotResource"]))
    return any(like(resource, str(one)) for one in several(statement.get("Resource")))


def _names(statement: Document, principal: str) -> bool:
    return _names_itself(statement, principal) or _names_account(statement.get("Principal"), principal)


def _names_itself(statement: Document, principal: str) -> bool:
    if "NotPrincipal" in statement:
        return not _meant(statement["NotPrincipal"], principal)
    said = statement.get("Principal")
    return _meant(said, principal) or (statement.get("Effect") == "Deny" and _names_account(said, principal))


def _meant(said: Any, principal: str) -> bool:
    if not isinstance(said, Mapping):
        return bool(said == "*")
    if not principal.startswith("arn:") and principal != ANONYMOUS:
        return principal in several(said.get("Service"))
    return bool({"*", principal} & set(several(said.get("AWS"))))


def _names_account(said: Any, principal: str) -> bool:
    if not isinstance(said, Mapping) or not principal.startswith("arn:"):
        return False
    account = principal.split(":")[4]
    return bool({account, f"arn:aws:iam::{account}:root"} & set(several(said.get("AWS"))))


def like(value: str, pattern: str) -> bool:
    """Policy wildcards: `*` and `?` and nothing else (square brackets mean themselves)."""
    return fnmatchcase(value, pattern.replace("[", "[[]"))


def conditions_hold(conditions: Document | None, context: Context) -> bool:
    """Whether every condition holds; an operator that nobody knows does not."""
    known = {key.lower(): value for key, value in context.items()}
    return all(_holds(operator, known.get(str(key).lower()), [str(one) for one in several(wanted)])
               for operator, keys in (conditions or {}).items() for key, wanted in keys.items())


def _holds(operator: str, value: str | tuple[str, ...] | None, wanted: list[str]) -> bool:
    if isinstance(value, tuple):
        return _several_hold(operator, value, wanted)
    quantifier, _, plain = operator.rpartition(":")
    if_exists = plain.endswith("IfExists")
    plain = plain.removesuffix("IfExists")
    if plain in TAKEN_AS_SATISFIED:
        return True
    if plain == "Null":
        return (value is None) == (wanted[:1] == ["true"])
    if plain not in _TESTS:
        return False
    if value is None:
        return if_exists or "Not" in plain or quantifier == "ForAllValues"
    test = _TESTS[plain]
    matches = any(test(value, one) for one in wanted)
    return not matches if "Not" in plain else matches


def _several_hold(operator: str, values: tuple[str, ...], wanted: list[str]) -> bool:
    """A key with several values needs a quantifier: without one AWS does not say what it does, so nothing holds."""
    if operator == "Null":
        return wanted[:1] == ["false"]
    every = {"ForAllValues": all, "ForAnyValue": any}.get(operator.partition(":")[0])
    return every is not None and every(_holds(operator, one, wanted) for one in values)


@lru_cache(4096)
def _in_network(value: str, wanted: str) -> bool:
    here, there = ip_network(value, strict=False), ip_network(wanted, strict=False)
    return here.version == there.version and here.subnet_of(there)  # type: ignore[arg-type]  # versions are equal


def _same(value: str, wanted: str) -> bool:
    return value == wanted


def _same_but_for_case(value: str, wanted: str) -> bool:
    return value.lower() == wanted.lower()


_TESTS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": _same, "StringNotEquals": _same, "StringLike": like, "StringNotLike": like,
    "StringEqualsIgnoreCase": _same_but_for_case, "StringNotEqualsIgnoreCase": _same_but_for_case,
    "ArnEquals": like, "ArnNotEquals": like, "ArnLike": like, "ArnNotLike": like,
    "Bool": _same_but_for_case, "IpAddress": _in_network, "NotIpAddress": _in_network,
    "NumericEquals": lambda value, wanted: float(value) == float(wanted),
    "NumericNotEquals": lambda value, wanted: float(value) == float(wanted),
    "NumericLessThan": lambda value, wanted: float(value) < float(wanted),
    "NumericLessThanEquals": lambda value, wanted: float(value) <= float(wanted),
    "NumericGreaterThan": lambda value, wanted: float(value) > float(wanted),
    "NumericGreaterThanEquals": lambda value, wanted: float(value) >= float(wanted),
}
