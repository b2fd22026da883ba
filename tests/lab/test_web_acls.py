"""Web ACLs are made where WAF takes them, known some seconds later, and stay while something uses them."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from tests.lab.test_balancing import REGION, Site, refusal

SIGHT = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "doors"}


class Firewall:
    """Web ACLs and address sets made by hand."""

    def __init__(self, aws: Aws, region: str = REGION) -> None:
        self.waf: Any = aws[region].wafv2
        self.logs: Any = aws[region].logs

    def acl(self, name: str = "doors", scope: str = "REGIONAL", rules: Any = ()) -> Any:
        return self.waf.create_web_acl(Name=name, Scope=scope, DefaultAction={"Allow": {}}, Rules=list(rules),
                                       VisibilityConfig=SIGHT)["Summary"]

    def addresses(self) -> Any:
        return self.waf.create_ip_set(Name="doors", Scope="REGIONAL", IPAddressVersion="IPV4",
                                      Addresses=["192.0.2.0/24"])["Summary"]

    def delete(self, acl: Any) -> None:
        token = self.waf.get_web_acl(Name=acl["Name"], Scope="REGIONAL", Id=acl["Id"])["LockToken"]
        self.waf.delete_web_acl(Name=acl["Name"], Scope="REGIONAL", Id=acl["Id"], LockToken=token)

    def log(self, acl: Any, name: str, suffix: str = "") -> None:
        arn = f"arn:aws:logs:{REGION}:123456789012:log-group:{name}{suffix}"
        self.waf.put_logging_configuration(LoggingConfiguration={
            "ResourceArn": acl["ARN"], "LogDestinationConfigs": [arn]})


def rule(statement: Any, priority: int = 0) -> Any:
    return {"Name": f"rule-{priority}", "Priority": priority, "Statement": statement, "VisibilityConfig": SIGHT}


def named(arn: str) -> Any:
    return {**rule({"IPSetReferenceStatement": {"ARN": arn}}), "Action": {"Allow": {}}}


def heavy(count: int) -> list[Any]:
    group = {"ManagedRuleGroupStatement": {"VendorName": "AWS", "Name": "AWSManagedRulesCommonRuleSet"}}
    return [{**rule(group, number), "OverrideAction": {"None": {}}} for number in range(count)]


@pytest.fixture
def firewall(aws: Aws) -> Firewall:
    return Firewall(aws)


@pytest.fixture
def site(aws: Aws) -> Site:
    return Site(aws)


@pytest.fixture
def balancer(site: Site, clock: LabClock) -> str:  # the clock has slowed down before it is made
    return str(site.balancer()["LoadBalancerArn"])


@pytest.fixture
def known(firewall: Firewall, balancer: str, clock: LabClock) -> str:
    """A balancer that WAF knows."""
    clock.skip(seconds("balancer-create") + seconds("waf-associate"))
    return balancer


@pytest.mark.rule("waf-duplicate")
def test_a_name_has_one_web_acl(firewall: Firewall) -> None:
    firewall.acl()
    assert refusal(firewall.acl) == "WAFDuplicateItemException"


@pytest.mark.rule("waf-duplicate-set")
def test_a_name_has_one_address_set(firewall: Firewall) -> None:
    firewall.addresses()
    assert refusal(firewall.addresses) == "WAFDuplicateItemException"


@pytest.mark.rule("waf-scope")
def test_web_acls_of_cloudfront_are_made_in_us_east_1_alone(firewall: Firewall, aws: Aws) -> None:
    assert refusal(Firewall(aws, "us-west-2").acl, scope="CLOUDFRONT") == "WAFInvalidParameterException"
    firewall.acl(scope="CLOUDFRONT")


@pytest.mark.rule("waf-visible")
def test_a_new_web_acl_is_missing_for_some_seconds_and_its_name_is_taken(firewall: Firewall, clock: LabClock) -> None:
    acl, addresses = firewall.acl(), firewall.addresses()
    look = partial(firewall.waf.get_web_acl, Name="doors", Scope="REGIONAL", Id=acl["Id"])
    assert refusal(look) == "WAFNonexistentItemException"
    assert not firewall.waf.list_web_acls(Scope="REGIONAL")["WebACLs"]
    assert not firewall.waf.list_ip_sets(Scope="REGIONAL")["IPSets"]
    assert refusal(firewall.acl) == "WAFDuplicateItemException"
    clock.skip(seconds("waf-visible"))
    look()
    assert firewall.waf.list_ip_sets(Scope="REGIONAL")["IPSets"][0]["ARN"] == addresses["ARN"]


@pytest.mark.rule("waf-reference")
def test_an_address_set_that_a_rule_names_must_be_known(firewall: Firewall, clock: LabClock) -> None:
    arn = firewall.addresses()["ARN"]
    assert refusal(firewall.acl, rules=[named(arn + "0")]) == "WAFNonexistentItemException"
    assert refusal(firewall.acl, rules=[named(arn)]) == "WAFUnavailableEntityException"
    clock.skip(seconds("waf-visible"))
    firewall.acl(rules=[named(arn)])


@pytest.mark.rule("waf-address-set-in-use")
def test_an_address_set_that_a_rule_names_stays(firewall: Firewall) -> None:
    addresses = firewall.addresses()
    acl = firewall.acl(rules=[named(addresses["ARN"])])
    token = firewall.waf.get_ip_set(Name="doors", Scope="REGIONAL", Id=addresses["Id"])["LockToken"]
    delete = partial(firewall.waf.delete_ip_set, Name="doors", Scope="REGIONAL", Id=addresses["Id"], LockToken=token)
    assert refusal(delete) == "WAFAssociatedItemException"
    firewall.delete(acl)
    delete()


@pytest.mark.rule("waf-two-statements")
def test_an_and_joins_two_statements(firewall: Firewall) -> None:
    one = {"GeoMatchStatement": {"CountryCodes": ["DE"]}}
    alone = {**rule({"AndStatement": {"Statements": [one]}}), "Action": {"Block": {}}}
    assert refusal(firewall.acl, rules=[alone]) == "WAFInvalidParameterException"


@pytest.mark.rule("waf-capacity")
def test_a_web_acl_has_5000_capacity_units(firewall: Firewall) -> None:
    assert refusal(firewall.acl, rules=heavy(8)) == "WAFInvalidParameterException"
    acl = firewall.acl(rules=heavy(7))
    assert firewall.waf.get_web_acl(Name="doors", Scope="REGIONAL", Id=acl["Id"])["WebACL"]["Capacity"] == 4900


@pytest.mark.rule("waf-capacity-changed")
def test_a_change_keeps_to_the_capacity_too(firewall: Firewall) -> None:
    acl = firewall.acl(rules=heavy(1))
    assert refusal(firewall.waf.update_web_acl, Name="doors", Scope="REGIONAL", Id=acl["Id"], Rules=heavy(8),
                   DefaultAction={"Allow": {}}, VisibilityConfig=SIGHT,
                   LockToken=acl["LockToken"]) == "WAFInvalidParameterException"


@pytest.mark.rule("waf-defaults")
def test_a_managed_group_comes_back_with_members_that_were_left_out(firewall: Firewall) -> None:
    acl = firewall.acl(rules=heavy(1))
    seen = firewall.waf.get_web_acl(Name="doors", Scope="REGIONAL", Id=acl["Id"])["WebACL"]["Rules"][0]
    assert seen["Statement"]["ManagedRuleGroupStatement"]["ExcludedRules"] == []


def test_a_change_needs_a_fresh_lock_token(firewall: Firewall) -> None:
    acl = firewall.acl()
    change = partial(firewall.waf.update_web_acl, Name="doors", Scope="REGIONAL", Id=acl["Id"], Rules=[],
                     DefaultAction={"Allow": {}}, VisibilityConfig=SIGHT, LockToken=acl["LockToken"])
    change()
    assert refusal(change) == "WAFOptimisticLockException"
    addresses = firewall.addresses()
    change = partial(firewall.waf.update_ip_set, Name="doors", Scope="REGIONAL", Id=addresses["Id"], Addresses=[],
                     LockToken=addresses["LockToken"])
    change()
    assert refusal(change) == "WAFOptimisticLockException"


@pytest.mark.rule("firewall-association")
def test_a_balancer_is_unknown_to_the_firewall_for_a_while(
        firewall: Firewall, balancer: str, clock: LabClock) -> None:
    put = partial(firewall.waf.associate_web_acl, WebACLArn=firewall.acl()["ARN"])
    for passed in (seconds("balancer-create"), seconds("waf-associate")):
        assert refusal(put, ResourceArn=balancer) == "WAFUnavailableEntityException"
        clock.skip(passed)
    put(ResourceArn=balancer)
    assert refusal(put, ResourceArn=balancer + "0") == "WAFNonexistentItemException"


@pytest.mark.rule("firewall-in-front")
def test_what_is_in_front_of_a_new_balancer_cannot_be_told(
        firewall: Firewall, balancer: str, clock: LabClock) -> None:
    ask = partial(firewall.waf.get_web_acl_for_resource, ResourceArn=balancer)
    assert refusal(ask) == "WAFUnavailableEntityException"
    clock.skip(seconds("balancer-create") + seconds("waf-associate"))
    assert ask().get("WebACL") is None


@pytest.mark.rule("firewall-known")
def test_a_new_web_acl_cannot_be_put_in_front_of_anything_for_some_seconds(
        firewall: Firewall, known: str, clock: LabClock) -> None:
    put = partial(firewall.waf.associate_web_acl, WebACLArn=firewall.acl()["ARN"], ResourceArn=known)
    assert refusal(put) == "WAFUnavailableEntityException"
    clock.skip(seconds("waf-visible"))
    put()


def in_front(firewall: Firewall, balancer: str) -> str:
    return str((firewall.waf.get_web_acl_for_resource(ResourceArn=balancer).get("WebACL") or {}).get("Name", ""))


def associated(firewall: Firewall, balancer: str, clock: LabClock, name: str = "doors") -> Any:
    acl = firewall.acl(name)
    clock.skip(seconds("waf-visible"))
    firewall.waf.associate_web_acl(WebACLArn=acl["ARN"], ResourceArn=balancer)
    return acl


@pytest.mark.rule("waf-shown-late")
def test_a_new_association_is_not_shown_for_some_seconds(firewall: Firewall, known: str, clock: LabClock) -> None:
    associated(firewall, known, clock)
    assert in_front(firewall, known) == ""
    clock.skip(seconds("waf-shown"))
    assert in_front(firewall, known) == "doors"


@pytest.mark.rule("waf-one-acl")
def test_another_web_acl_takes_the_place_of_the_first(firewall: Firewall, known: str, clock: LabClock) -> None:
    for name in ("doors", "windows"):
        associated(firewall, known, clock, name)
    clock.skip(seconds("waf-shown"))
    assert in_front(firewall, known) == "windows"


@pytest.mark.rule("waf-associated")
def test_a_web_acl_in_front_of_a_balancer_stays(firewall: Firewall, known: str, clock: LabClock) -> None:
    acl = associated(firewall, known, clock)
    assert refusal(partial(firewall.delete, acl)) == "WAFAssociatedItemException"


@pytest.mark.rule("waf-released")
def test_a_web_acl_counts_as_associated_for_a_while_after_it_was_taken_away(
        firewall: Firewall, known: str, clock: LabClock) -> None:
    acl = associated(firewall, known, clock)
    firewall.waf.disassociate_web_acl(ResourceArn=known)
    assert refusal(partial(firewall.delete, acl)) == "WAFAssociatedItemException"
    clock.skip(seconds("waf-release"))
    firewall.delete(acl)


@pytest.mark.rule("waf-log-name")
def test_a_log_of_the_firewall_has_a_name_of_its_kind(firewall: Firewall) -> None:
    acl = firewall.acl()
    for name in ("doors", "aws-waf-logs-doors"):
        firewall.logs.create_log_group(logGroupName=name)
    assert refusal(firewall.log, acl=acl, name="doors") == "WAFInvalidParameterException"
    assert refusal(firewall.log, acl=acl, name="aws-waf-logs-doors", suffix=":*") == "WAFInvalidParameterException"
    firewall.log(acl, "aws-waf-logs-doors")


@pytest.mark.rule("waf-log-there")
def test_a_log_of_the_firewall_must_be_there(firewall: Firewall) -> None:
    acl = firewall.acl()
    assert refusal(firewall.log, acl=acl, name="aws-waf-logs-doors") == "WAFLogDestinationPermissionIssueException"
    firewall.logs.create_log_group(logGroupName="aws-waf-logs-doors")
    assert refusal(firewall.log, acl={"ARN": acl["ARN"] + "0"},
                   name="aws-waf-logs-doors") == "WAFNonexistentItemException"
    firewall.log(acl, "aws-waf-logs-doors")
