"""AWS WAF where moto is kinder than it, or words it differently: names, and address sets that are in use."""

from __future__ import annotations

from typing import Any

from moto.wafv2.exceptions import WAFv2ClientError, WAFV2DuplicateItemException
from moto.wafv2.models import FakeRule, WAFV2Backend

from drctl.lab.rules import rule


@rule("waf-duplicate", WAFV2Backend, "create_web_acl")
def duplicate(proceed: Any, self: WAFV2Backend, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001  # the backend
    """A name that another web ACL has is refused with WAFDuplicateItemException.

    Source: AWS WAF API Reference, CreateWebACL.
    """
    try:
        return proceed(*args, **kwargs)
    except WAFV2DuplicateItemException as error:
        raise WAFv2ClientError("WAFDuplicateItemException", error.message) from None


@rule("waf-duplicate-set", WAFV2Backend, "create_ip_set")
def duplicate_set(proceed: Any, self: WAFV2Backend, name: str, scope: str, *args: Any, **kwargs: Any) -> Any:
    """A name that another address set has is refused with WAFDuplicateItemException.

    Source: AWS WAF API Reference, CreateIPSet.
    """
    if any((one.name, one.scope) == (name, scope) for one in self.ip_sets.values()):
        raise WAFv2ClientError("WAFDuplicateItemException", WAFV2DuplicateItemException().message)
    return proceed(name, scope, *args, **kwargs)


@rule("waf-address-set-in-use", WAFV2Backend, "delete_ip_set")
def delete_ip_set(proceed: Any, self: WAFV2Backend, name: str, scope: str, _id: str, lock_token: str) -> Any:
    """An address set that a web ACL refers to is refused with WAFAssociatedItemException.

    Source: AWS WAF API Reference, DeleteIPSet.
    """
    arns = [arn for arn, one in self.ip_sets.items() if one.ip_set_id == _id]
    rules = str([one.to_dict() for acl in self.wacls.values() for one in acl.rules])
    if any(arn in rules for arn in arns):
        raise WAFv2ClientError("WAFAssociatedItemException", "AWS WAF couldn't perform the operation because your IP "
                               "set is being used by another resource.")
    return proceed(name, scope, _id, lock_token)


@rule("waf-defaults", FakeRule, "to_dict")
def defaults(proceed: Any, self: FakeRule) -> Any:  # noqa: ARG001  # the rule
    """A managed rule group comes back with members that were left out when it was given.

    Source: AWS WAF API Reference, ManagedRuleGroupStatement; Terraform provider: wafv2 web ACL, excluded rules.
    """
    answer = proceed()
    if group := answer.get("Statement", {}).get("ManagedRuleGroupStatement"):
        added = {"ExcludedRules": [], "ManagedRuleGroupConfigs": [], **group}
        answer = {**answer, "Statement": {**answer["Statement"], "ManagedRuleGroupStatement": added}}
    return answer
