"""Web ACLs and address sets: where they may be made, what they may hold, how late WAF knows them, when they may go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.elbv2.models import elbv2_backends
from moto.logs.models import logs_backends
from moto.wafv2.exceptions import WAFNonexistentItemException, WAFv2ClientError
from moto.wafv2.models import FakeWebACL, WAFV2Backend
from moto.wafv2.responses import WAFV2Response

from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK
from drctl.lab.rules import hide, is_hidden, rule

#: Web ACL capacity units of AWS's managed rule groups (AWS WAF Developer Guide, AWS Managed Rules rule groups list).
GROUPS = {"AWSManagedRulesCommonRuleSet": 700, "AWSManagedRulesKnownBadInputsRuleSet": 200,
          "AWSManagedRulesAdminProtectionRuleSet": 100, "AWSManagedRulesSQLiRuleSet": 200,
          "AWSManagedRulesLinuxRuleSet": 200, "AWSManagedRulesUnixRuleSet": 100,
          "AWSManagedRulesAmazonIpReputationList": 25, "AWSManagedRulesAnonymousIpList": 50,
          "AWSManagedRulesBotControlRuleSet": 50, "AWSManagedRulesWindowsRuleSet": 200,
          "AWSManagedRulesPHPRuleSet": 100, "AWSManagedRulesWordPressRuleSet": 100}
#: Units of a web ACL at most (AWS WAF Developer Guide, AWS WAF quotas).
CAPACITY = 5000
#: Units of the plain statements.
UNITS = {"IPSetReferenceStatement": 1, "RateBasedStatement": 2, "ByteMatchStatement": 2, "GeoMatchStatement": 1}
_ASSOCIATED, _RELEASED = "_lab_associated_at", "_lab_released"


def _invalid(reason: str, field: str, parameter: object) -> WAFv2ClientError:
    return WAFv2ClientError("WAFInvalidParameterException",
                            f"Error reason: {reason}, field: {field}, parameter: {parameter}")


def unavailable() -> WAFv2ClientError:
    """WAF does not know yet what the request names."""
    return WAFv2ClientError("WAFUnavailableEntityException", "AWS WAF couldn't retrieve a resource that you requested. "
                            "Retry your request.")


@rule("waf-scope", WAFV2Response, "create_web_acl", "create_ip_set", "list_web_ac_ls", "list_ip_sets", "get_web_acl")
def scope(proceed: Any, self: WAFV2Response) -> Any:
    """The scope CLOUDFRONT is known in us-east-1 alone: WAFInvalidParameterException.

    Source: AWS WAF API Reference, CreateWebACL: Scope.
    """
    if self._get_param("Scope") == "CLOUDFRONT" and self.region != "us-east-1":
        raise _invalid("The scope is not valid.", "SCOPE_VALUE", "CLOUDFRONT")
    return proceed()


@rule("waf-visible", WAFV2Backend, "create_web_acl", "create_ip_set", "get_web_acl", "get_ip_set", "list_web_acls",
      "list_ip_sets")
def visible(proceed: Any, self: WAFV2Backend, *args: Any, **kwargs: Any) -> Any:
    """What was just made is missing in the listings for some seconds, and WAFNonexistentItemException by its id.

    Source: Terraform provider: WAFv2, waits and retries after a create.
    """
    known = {*self.wacls, *self.ip_sets}
    answer = proceed(*args, **kwargs)
    if isinstance(answer, tuple):
        return [one for one in answer[0] if not is_hidden(one)], answer[1]
    if answer.arn not in known:
        hide(answer, seconds("waf-visible"))
    elif is_hidden(answer):
        raise WAFNonexistentItemException
    return answer


def _statements(statement: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement in a statement, by kind."""
    for kind, inner in statement.items():
        yield kind, inner
        for nested in (*inner.get("Statements", ()), inner.get("Statement"), inner.get("ScopeDownStatement")):
            yield from _statements(nested) if nested else ()


def _all_statements(rules: list[dict[str, Any]] | None) -> list[tuple[str, dict[str, Any]]]:
    return [one for each in rules or () for one in _statements(each["Statement"])]


def _rules(kwargs: dict[str, Any], args: tuple[Any, ...], place: int) -> list[dict[str, Any]] | None:
    found: list[dict[str, Any]] | None = kwargs["rules"] if "rules" in kwargs else args[place]
    return found


@rule("waf-reference", WAFV2Backend, "create_web_acl")
def reference(proceed: Any, self: WAFV2Backend, *args: Any, **kwargs: Any) -> Any:
    """An address set that a rule names must exist (WAFNonexistentItemException) and be known to all of WAF.

    One that was just made is WAFUnavailableEntityException. Source: AWS WAF API Reference, CreateWebACL.
    """
    for kind, inner in _all_statements(_rules(kwargs, args, 6)):
        if kind == "IPSetReferenceStatement":
            known = self.ip_sets.get(inner["ARN"])
            if known is None:
                raise WAFNonexistentItemException
            if is_hidden(known):
                raise unavailable()
    return proceed(*args, **kwargs)


@rule("waf-two-statements", WAFV2Backend, "create_web_acl")
def two_statements(proceed: Any, _self: WAFV2Backend, *args: Any, **kwargs: Any) -> Any:
    """An AND or OR joins two statements at least: WAFInvalidParameterException.

    Source: AWS WAF API Reference, AndStatement.
    """
    for kind, inner in _all_statements(_rules(kwargs, args, 6)):
        if kind in {"AndStatement", "OrStatement"} and len(inner["Statements"]) < 2:
            raise _invalid("You haven't met a minimum requirement for a threshold setting.",
                           "AND_STATEMENT" if kind == "AndStatement" else "OR_STATEMENT", kind)
    return proceed(*args, **kwargs)


def _capacity(rules: list[dict[str, Any]] | None) -> int:
    units = 0
    for kind, inner in _all_statements(rules):
        units += GROUPS.get(inner.get("Name", ""), 0) if kind == "ManagedRuleGroupStatement" else UNITS.get(kind, 0)
        units += 10 * len([one for one in inner.get("TextTransformations", ()) if one["Type"] != "NONE"])
    return units


@rule("waf-capacity", WAFV2Backend, "create_web_acl")
def capacity(proceed: Any, _self: WAFV2Backend, *args: Any, **kwargs: Any) -> Any:
    """The rules of a web ACL need 5,000 capacity units at most: WAFInvalidParameterException.

    Source: AWS WAF Developer Guide, AWS WAF quotas and web ACL capacity units.
    """
    units = _capacity(_rules(kwargs, args, 6))
    if units > CAPACITY:
        raise _invalid("You exceeded the capacity limit for a rule group or web ACL.", "WEB_ACL", units)
    acl = proceed(*args, **kwargs)
    acl.capacity = units
    return acl


@rule("waf-capacity-changed", WAFV2Backend, "update_web_acl")
def capacity_changed(proceed: Any, _self: WAFV2Backend, *args: Any, **kwargs: Any) -> Any:
    """Other rules need 5,000 capacity units at most too: WAFInvalidParameterException.

    Source: AWS WAF API Reference, UpdateWebACL.
    """
    units = _capacity(_rules(kwargs, args, 3))
    if units > CAPACITY:
        raise _invalid("You exceeded the capacity limit for a rule group or web ACL.", "WEB_ACL", units)
    return proceed(*args, **kwargs)


@rule("waf-one-acl", WAFV2Backend, "associate_web_acl")
def one_acl(proceed: Any, self: WAFV2Backend, web_acl_arn: str, resource_arn: str) -> Any:
    """A resource has one web ACL: another one takes the place of the first without a word.

    Source: AWS WAF API Reference, AssociateWebACL.
    """
    if web_acl_arn in self.wacls:
        for acl in self.wacls.values():
            acl.associated_resources = [arn for arn in acl.associated_resources if arn != resource_arn]
    return proceed(web_acl_arn, resource_arn)


@rule("waf-shown-late", WAFV2Backend, "associate_web_acl", "get_web_acl_for_resource")
def shown_late(proceed: Any, self: WAFV2Backend, *arns: str) -> Any:
    """A new association is not shown for some seconds.

    Source: AWS WAF Developer Guide, Associating a web ACL: changes take seconds to minutes to propagate.
    """
    since: dict[str, float] = self.__dict__.setdefault(_ASSOCIATED, {})
    answer = proceed(*arns)
    if len(arns) == 2:
        since[arns[1]] = CLOCK.now() + seconds("waf-shown")
        return answer
    return answer if CLOCK.now() >= since.get(arns[0], 0.0) else None


@rule("waf-associated", WAFV2Backend, "delete_web_acl")
def associated(proceed: Any, self: WAFV2Backend, name: str, scope: str, _id: str, lock_token: str) -> Any:
    """A web ACL that is in front of something stays: WAFAssociatedItemException.

    Source: AWS WAF API Reference, DeleteWebACL.
    """
    if any(acl.id == _id and _stands_before(acl) for acl in self.wacls.values()):
        raise _in_use()
    return proceed(name, scope, _id, lock_token)


@rule("waf-released", WAFV2Backend, "disassociate_web_acl", "delete_web_acl")
def released(proceed: Any, self: WAFV2Backend, *args: str) -> Any:
    """A web ACL counts as associated for some seconds after it was taken away: WAFAssociatedItemException.

    Source: Terraform provider: web ACL, deletion is retried on WAFAssociatedItemException for five minutes.
    """
    if len(args) == 1:
        for acl in self.wacls.values():
            if args[0] in acl.associated_resources:
                acl.__dict__[_RELEASED] = CLOCK.now() + seconds("waf-release")
    elif any(acl.id == args[2] and CLOCK.now() < acl.__dict__.get(_RELEASED, 0.0) for acl in self.wacls.values()):
        raise _in_use()
    return proceed(*args)


def _in_use() -> WAFv2ClientError:
    return WAFv2ClientError("WAFAssociatedItemException", "AWS WAF couldn't perform the operation because your "
                            "resource is being used by another resource or it's associated with another resource.")


def _stands_before(acl: FakeWebACL) -> bool:
    """Whether something that is still there is behind the web ACL; a balancer that went has ended its association."""
    return any(":loadbalancer/" not in arn
               or arn in elbv2_backends[DEFAULT_ACCOUNT_ID][arn.split(":")[3]].load_balancers
               for arn in acl.associated_resources)


@rule("waf-log-there", WAFV2Backend, "put_logging_configuration")
def log_there(proceed: Any, self: WAFV2Backend, arn: str, destinations: list[str], *args: Any) -> Any:
    """The log group must exist: WAFLogDestinationPermissionIssueException. So must the web ACL.

    Source: AWS WAF API Reference, PutLoggingConfiguration.
    """
    acl = self.wacls.get(arn)
    if acl is None or is_hidden(acl):
        raise WAFNonexistentItemException
    for destination in destinations:
        if ":logs:" in destination and destination.rpartition(":log-group:")[2] not in logs_backends[
                self.account_id][self.region_name].groups:
            raise WAFv2ClientError("WAFLogDestinationPermissionIssueException", "The operation failed because you "
                                   "don't have the permissions that your logging configuration requires.")
    return proceed(arn, destinations, *args)


@rule("waf-log-name", WAFV2Backend, "put_logging_configuration")
def log_name(proceed: Any, _self: WAFV2Backend, arn: str, destinations: list[str], *args: Any) -> Any:
    """A log's name begins with aws-waf-logs-, and its ARN has no `:*` at the end: WAFInvalidParameterException.

    Source: AWS WAF Developer Guide, Logging destinations.
    """
    for destination in destinations:
        name = destination.rpartition(":log-group:")[2] if ":logs:" in destination else destination.rpartition("/")[2]
        if not name.removeprefix("arn:aws:s3:::").startswith("aws-waf-logs-") or destination.endswith(":*"):
            raise _invalid("The ARN isn't valid. A valid ARN begins with arn: and includes other information separated "
                           "by colons or slashes.", "LOG_DESTINATION", destination)
    return proceed(arn, destinations, *args)
