"""What IAM refuses in a role: names, descriptions, documents that are malformed, too long, or name nobody."""

from __future__ import annotations

import re
from typing import Any

from moto.iam.exceptions import LimitExceededException, MalformedPolicyDocument, ValidationError
from moto.iam.models import IAMBackend
from moto.iam.policy_validation import IAMTrustPolicyDocumentValidator

from drctl.lab.principals import unknown
from drctl.lab.rules import rule

#: Characters without white space (IAM User Guide, "IAM and AWS STS quotas": white space is not counted).
TRUST_LIMIT, INLINE_LIMIT = 2_048, 10_240


def _size(text: str) -> int:
    return len(re.sub(r"\s", "", text))


def _refuse(value: str, at: str, constraint: str) -> None:
    raise ValidationError(f"1 validation error detected: Value '{value}' at '{at}' failed to satisfy constraint: "
                          f"Member must {constraint}")


def _check_name(value: str, at: str, longest: int) -> None:
    if not re.fullmatch(r"[\w+=,.@-]+", value or "", re.ASCII):
        _refuse(value, at, r"satisfy regular expression pattern: [\w+=,.@-]+")
    if len(value) > longest:
        _refuse(value, at, f"have length less than or equal to {longest}")


@rule("role-name", IAMBackend, "create_role")
def role_name(proceed: Any, _self: IAMBackend, role_name: str, *args: Any, **kwargs: Any) -> Any:
    """A role's name has 64 characters at most, of letters, digits and +=,.@_-. Refuses with ValidationError.

    Source: IAM API Reference, CreateRole.
    """
    _check_name(role_name, "roleName", 64)
    return proceed(role_name, *args, **kwargs)


@rule("role-texts", IAMBackend, "create_role")
def role_texts(proceed: Any, _self: IAMBackend, role_name: str, trust: str, path: str, boundary: str | None,
               description: str, *args: Any, **kwargs: Any) -> Any:
    """Path: begins and ends with a slash, 512 at most; description: 1,000 of Latin-1. Refuses with ValidationError.

    Source: IAM API Reference, CreateRole.
    """
    if path and (len(path) > 512 or not re.fullmatch("/|/[!-\x7f]+/", path)):
        raise ValidationError("The specified value for path is invalid. It must begin and end with / and contain only "
                              "alphanumeric characters and/or / characters.")
    if not re.fullmatch("[\t\n\r -~\xa1-\xff]*", description or ""):
        _refuse(description, "description", r"satisfy regular expression pattern: [\u0009\u000A\u000D\u0020-\u007E"
                                            r"\u00A1-\u00FF]*")
    if len(description or "") > 1_000:
        _refuse(description, "description", "have length less than or equal to 1000")
    return proceed(role_name, trust, path, boundary, description, *args, **kwargs)


@rule("role-trust-document", IAMBackend, "create_role")
def role_trust_document(proceed: Any, _self: IAMBackend, role_name: str, trust: str, *args: Any, **kwargs: Any) -> Any:
    """A trust policy is one when the role is made as when it is changed. Refuses with MalformedPolicyDocument.

    Source: IAM API Reference, CreateRole.
    """
    IAMTrustPolicyDocumentValidator(trust).validate()
    return proceed(role_name, trust, *args, **kwargs)


@rule("role-trust-size", IAMBackend, "create_role", "update_assume_role_policy")
def role_trust_size(proceed: Any, _self: IAMBackend, role_name: str, trust: str, *args: Any, **kwargs: Any) -> Any:
    """A trust policy has 2,048 characters at most. Refuses with LimitExceeded.

    Source: IAM User Guide, IAM and AWS STS quotas.
    """
    if _size(trust) > TRUST_LIMIT:
        raise LimitExceededException(f"Cannot exceed quota for ACLSizePerRole: {TRUST_LIMIT}")
    return proceed(role_name, trust, *args, **kwargs)


@rule("role-trust-principals", IAMBackend, "create_role", "update_assume_role_policy")
def role_trust_principals(proceed: Any, _self: IAMBackend, role_name: str, trust: str, *args: Any,
                          **kwargs: Any) -> Any:
    """A trust policy names nobody who is unknown, or was made seconds ago. Refuses with MalformedPolicyDocument.

    Source: Terraform provider: aws_iam_role, retries "Invalid principal in policy".
    """
    if nobody := unknown(trust):
        raise MalformedPolicyDocument(f'Invalid principal in policy: "AWS":"{nobody}"')
    return proceed(role_name, trust, *args, **kwargs)


@rule("role-policies-size", IAMBackend, "put_role_policy")
def role_policies_size(proceed: Any, self: IAMBackend, role_name: str, policy_name: str, text: str) -> Any:
    """All inline policies of a role together have 10,240 characters at most. Refuses with LimitExceeded.

    Source: IAM User Guide, IAM and AWS STS quotas.
    """
    others = [one for name, one in self.get_role(role_name).policies.items() if name != policy_name]
    if sum(map(_size, [text, *others])) > INLINE_LIMIT:
        raise LimitExceededException(f"Maximum policy size of {INLINE_LIMIT} bytes exceeded for role {role_name}")
    return proceed(role_name, policy_name, text)


@rule("role-policy-name", IAMBackend, "put_role_policy")
def role_policy_name(proceed: Any, _self: IAMBackend, role_name: str, policy_name: str, text: str) -> Any:
    """An inline policy's name has 128 characters at most, of letters, digits and +=,.@_-. Refuses with ValidationError.

    Source: IAM API Reference, PutRolePolicy.
    """
    _check_name(policy_name, "policyName", 128)
    return proceed(role_name, policy_name, text)
