"""The rules of the web ACL: health checkers first, then a rate limit, then AWS's managed rule groups."""

from __future__ import annotations

from typing import Any

from drctl.aws.policies import contains
from drctl.settings import Settings

#: Managed rule groups of AWS by priority, each with the rules that only count.
#: The common rules block bodies over 8 KB, which an upload has (AWS WAF Developer Guide, "Core rule set").
GROUPS: dict[str, tuple[str, ...]] = {
    "AWSManagedRulesAmazonIpReputationList": (),
    "AWSManagedRulesCommonRuleSet": ("SizeRestrictions_BODY",),
    "AWSManagedRulesKnownBadInputsRuleSet": (),
    "AWSManagedRulesSQLiRuleSet": (),
}
#: Names of rules that Shield Advanced and Firewall Manager put into an ACL; they stay.
OF_OTHERS = ("ShieldMitigationRuleGroup", "FMManagedRule", "PREFMManaged", "POSTFMManaged")


def visibility(name: str) -> dict[str, Any]:
    """Metrics and samples under a name."""
    return {"SampledRequestsEnabled": True, "CloudWatchMetricsEnabled": True, "MetricName": name}


def wanted(settings: Settings, ip_set_arn: str) -> list[dict[str, Any]]:
    """The rules in the order they are asked."""
    managed = [_managed(name, priority) for priority, name in enumerate(GROUPS, start=2)]
    return [_checkers(settings.app.health_path, ip_set_arn), _rate(settings.waf.rate_limit), *managed]


def _checkers(path: str, ip_set_arn: str) -> dict[str, Any]:
    """Health checkers come from hosting ranges, which reputation lists dislike: let through, but to one path only."""
    exactly = {"SearchString": path.encode(), "FieldToMatch": {"UriPath": {}}, "PositionalConstraint": "EXACTLY",
               "TextTransformations": [{"Priority": 0, "Type": "NONE"}]}
    return {"Name": "health-checkers", "Priority": 0, "Action": {"Allow": {}},
            "VisibilityConfig": visibility("health-checkers"),
            "Statement": {"AndStatement": {"Statements": [{"IPSetReferenceStatement": {"ARN": ip_set_arn}},
                                                          {"ByteMatchStatement": exactly}]}}}


def _rate(limit: int) -> dict[str, Any]:
    """Requests of one address in five minutes."""
    return {"Name": "rate-limit", "Priority": 1, "Action": {"Block": {}}, "VisibilityConfig": visibility("rate-limit"),
            "Statement": {"RateBasedStatement": {"Limit": limit, "EvaluationWindowSec": 300,
                                                 "AggregateKeyType": "IP"}}}


def _managed(name: str, priority: int) -> dict[str, Any]:
    group: dict[str, Any] = {"VendorName": "AWS", "Name": name}
    if GROUPS[name]:
        group["RuleActionOverrides"] = [{"Name": rule, "ActionToUse": {"Count": {}}} for rule in GROUPS[name]]
    return {"Name": name, "Priority": priority, "OverrideAction": {"None": {}}, "VisibilityConfig": visibility(name),
            "Statement": {"ManagedRuleGroupStatement": group}}


def ours(rules: list[Any]) -> list[Any]:
    """The rules of an ACL without those that other services put there, in order."""
    return sorted((rule for rule in rules if not rule["Name"].startswith(OF_OTHERS)),
                  key=lambda rule: int(rule["Priority"]))


#: What would let more through than was asked for.
LOOSER = ("RuleActionOverrides", "ExcludedRules", "ScopeDownStatement")


def stand(rules: list[Any], asked: list[dict[str, Any]]) -> bool:
    """Whether `rules` are those that were asked for, in their order; AWS WAF answers with defaults that nobody gave."""
    seen = ours(rules)
    return contains(seen, asked) and all(map(_no_looser, seen, asked))


def _no_looser(seen: dict[str, Any], asked: dict[str, Any]) -> bool:
    """A default is empty; what is not empty and was not asked for was added by somebody."""
    return not any(seen["Statement"][kind].get(key) and key not in statement
                   for kind, statement in asked["Statement"].items() for key in LOOSER)


def of_others(rules: list[Any]) -> list[Any]:
    """The rules that other services put there."""
    return [rule for rule in rules if rule["Name"].startswith(OF_OTHERS)]
