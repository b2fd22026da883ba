"""IAM roles in time: a role, its trust and its policies reach IAM's own readers and the services seconds late.

The one place that knows how old a role is: `is_assumable` and what services see of it. Which service refuses a role
that is too young with which words is for the rule of that service to say.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from moto.core.responses import ActionResult
from moto.iam.exceptions import NotFoundException
from moto.iam.models import IAMBackend, Role, iam_backends
from moto.iam.responses import IamResponse

from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK
from drctl.lab.rules import hide, is_hidden, rule

_USABLE, _BEFORE = "_lab_usable_at", "_lab_before"


@dataclass(frozen=True)
class Before:
    """What a role was before its last change, and until when that is what others see."""

    until: float
    trust: str
    policies: dict[str, str]


def role_by_arn(arn: str) -> Role | None:
    """moto's role, or None."""
    parts = arn.split(":")
    if len(parts) < 6 or parts[2] != "iam" or not parts[5].startswith("role/"):
        return None
    return next((role for role in iam_backends[parts[4]][parts[1]].roles.values() if role.arn == arn), None)


def is_assumable(arn: str) -> bool:
    """Whether services know the role by now; what its trust says is another question (`policies.trusts`)."""
    role = role_by_arn(arn)
    return role is not None and bool(CLOCK.now() >= role.__dict__.get(_USABLE, 0.0))


def _as_it_was(role: Role) -> Before | None:
    before: Before | None = role.__dict__.get(_BEFORE)
    return before if before is not None and CLOCK.now() < before.until else None


def seen_trust(role: Role) -> str:
    """The trust policy as services and readers see it by now."""
    before = _as_it_was(role)
    return before.trust if before else role.assume_role_policy_document


def seen_policies(role: Role) -> dict[str, str]:
    """The inline policies by name as services and readers see them by now."""
    before = _as_it_was(role)
    return before.policies if before else dict(role.policies)


@rule("role-age", IAMBackend, "create_role")
def role_age(proceed: Any, _self: IAMBackend, *args: Any, **kwargs: Any) -> Any:
    """A new role is unknown to the services that are to assume it for about ten seconds; each has its own error.

    Source: IAM User Guide, "Troubleshoot IAM: Changes that I make are not always immediately visible".
    """
    role = proceed(*args, **kwargs)
    role.__dict__[_USABLE] = CLOCK.now() + seconds("role-usable")
    hide(role, seconds("role-visible"))
    return role


@rule("role-unseen", IAMBackend, "get_role")
def role_unseen(proceed: Any, _self: IAMBackend, role_name: str) -> Any:
    """IAM's own calls miss a role just made, while its name is taken already. Refuses with NoSuchEntity.

    Source: Terraform provider: aws_iam_role, retries NoSuchEntity after a create.
    """
    role = proceed(role_name)
    if is_hidden(role):
        raise NotFoundException(f"The role with name {role_name} cannot be found.")
    return role


@rule("role-spread", IAMBackend, "update_assume_role_policy", "put_role_policy", "delete_role_policy")
def role_spread(proceed: Any, self: IAMBackend, role_name: str, *args: Any, **kwargs: Any) -> Any:
    """A changed trust or inline policy is what it was before, to services and to readers, for some seconds.

    Source: IAM User Guide, "Troubleshoot IAM: Changes that I make are not always immediately visible".
    """
    role = self.get_role(role_name)
    trust, policies = role.assume_role_policy_document, dict(role.policies)
    answer = proceed(role_name, *args, **kwargs)
    role.__dict__[_BEFORE] = Before(CLOCK.now() + seconds("role-policy-visible"), trust, policies)
    return answer


@rule("role-trust-read", IamResponse, "get_role")
def role_trust_read(proceed: Any, _self: IamResponse) -> Any:
    """GetRole shows a changed trust policy some seconds late.

    Source: IAM User Guide, "Troubleshoot IAM: Changes that I make are not always immediately visible".
    """
    answer = proceed()
    shown = copy.copy(answer.result["Role"])
    shown.assume_role_policy_document = seen_trust(shown)
    return ActionResult({"Role": shown})


@rule("role-policy-read", IAMBackend, "get_role_policy")
def role_policy_read(_proceed: Any, self: IAMBackend, role_name: str, policy_name: str) -> Any:
    """GetRolePolicy shows a changed inline policy some seconds late, and misses a new one. Refuses with NoSuchEntity.

    Source: Terraform provider: aws_iam_role_policy, retries NoSuchEntity after PutRolePolicy.
    """
    seen = seen_policies(self.get_role(role_name))
    if policy_name not in seen:
        raise NotFoundException(f"The role policy with name {policy_name} cannot be found.")
    return policy_name, seen[policy_name]


@rule("role-policies-listed", IAMBackend, "list_role_policies")
def role_policies_listed(_proceed: Any, self: IAMBackend, role_name: str) -> list[str]:
    """ListRolePolicies misses an inline policy just put, which keeps the role from being deleted all the same.

    Source: IAM User Guide, "Troubleshoot IAM: Changes that I make are not always immediately visible".
    """
    return list(seen_policies(self.get_role(role_name)))
