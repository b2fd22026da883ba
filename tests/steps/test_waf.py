"""The balancer stands behind a web ACL that health checkers pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from moto.elbv2.models import elbv2_backends

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.lab.clock import CLOCK
from drctl.settings import Settings
from drctl.settings import Waf as WafSettings
from drctl.steps.key import Key
from drctl.steps.waf import Waf, WafOut
from drctl.steps.zone import Zone
from tests.conftest import SPEED, changes, ensure_with_needs
from tests.steps.edge import Edge

SITE = Settings().standby
EDGE = Edge(SITE, Zone(Settings().primary))
WAF = Waf(SITE, EDGE.balancer, Key(SITE))


def found(run: Run) -> WafOut:
    out = run.refresh(WAF)
    assert out is not None
    return out


def findings(run: Run) -> list[str]:
    return [finding.text for finding in WAF.verify(run, found(run))]


def test_trap_10_a_web_acl_is_in_front_of_the_balancer_with_rate_limit_and_managed_rules(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, WAF)
    assert findings(run) == []
    acl = aws[SITE.region].wafv2.get_web_acl_for_resource(ResourceArn=run.output(EDGE.balancer).arn)["WebACL"]
    assert [rule["Name"] for rule in acl["Rules"]] == [
        "health-checkers", "rate-limit", "AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesCommonRuleSet",
        "AWSManagedRulesKnownBadInputsRuleSet", "AWSManagedRulesSQLiRuleSet"]
    common: Any = acl["Rules"][3]["Statement"]["ManagedRuleGroupStatement"]
    assert common["RuleActionOverrides"] == [{"Name": "SizeRestrictions_BODY", "ActionToUse": {"Count": {}}}]


def test_trap_2_health_checkers_are_let_through_before_any_rule_that_blocks_but_to_the_health_path_only(
        run: Run) -> None:
    ensure_with_needs(run, WAF)
    first = found(run).rules[0]
    assert first["Action"] == {"Allow": {}}
    addresses, path = first["Statement"]["AndStatement"]["Statements"]
    assert addresses["IPSetReferenceStatement"]["ARN"] == found(run).ip_set_arn
    assert path["ByteMatchStatement"]["SearchString"] == run.settings.app.health_path.encode()
    assert found(run).addresses


def test_the_log_has_key_retention_and_no_secrets(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, WAF)
    assert out.log.name.startswith("aws-waf-logs-")
    assert out.log.retention_days == run.settings.logs.retention_days
    assert out.log.key == run.output(WAF.key_of_logs).arn
    config = aws[SITE.region].wafv2.get_logging_configuration(ResourceArn=out.arn)["LoggingConfiguration"]
    assert {"QueryString": {}} in config["RedactedFields"]


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, WAF)
    again = make_run()
    ensure_with_needs(again, WAF)
    assert changes(again, WAF) == 0


def test_another_rate_limit_is_changed_in_place_and_rules_of_shield_stay(run: Run, make_run: Callable[..., Run],
                                                                         aws: Aws) -> None:
    out, name = ensure_with_needs(run, WAF), run.name("waf", "app", SITE)
    wafv2 = aws[SITE.region].wafv2
    fresh: Any = wafv2.get_web_acl(Name=name, Scope="REGIONAL", Id=out.id)
    shield: Any = {**fresh["WebACL"]["Rules"][1], "Name": "ShieldMitigationRuleGroup_1", "Priority": 10000000}
    wafv2.update_web_acl(Name=name, Scope="REGIONAL", Id=out.id, LockToken=fresh["LockToken"],
                         DefaultAction={"Allow": {}}, VisibilityConfig=fresh["WebACL"]["VisibilityConfig"],
                         Rules=[*fresh["WebACL"]["Rules"], shield])
    assert findings(run) == []
    other = make_run(Settings(waf=WafSettings(rate_limit=500)))
    ensure_with_needs(other, WAF)
    seen = found(other)
    assert seen.id == out.id
    assert seen.rules[1]["Statement"]["RateBasedStatement"]["Limit"] == 500
    assert seen.rules[-1]["Name"] == "ShieldMitigationRuleGroup_1"


def test_a_balancer_that_waf_does_not_know_yet_is_waited_for(run: Run) -> None:
    """For half a real second, so that the first looks come before it has passed."""
    ensure_with_needs(run, EDGE.balancer)
    balancers: Any = elbv2_backends[run.settings.account_id][SITE.region].load_balancers
    balancers[run.output(EDGE.balancer).arn]._lab_due_at = CLOCK.now() + SPEED / 2
    assert WAF.find(run) is None
    ensure_with_needs(run, WAF)
    assert findings(run) == []


@pytest.mark.parametrize("looser", [{"ExcludedRules": [{"Name": "NoUserAgent_HEADER"}]},
                                    {"RuleActionOverrides": [{"Name": "X", "ActionToUse": {"Count": {}}}]}])
def test_a_managed_group_that_somebody_loosened_is_noticed_and_mended(run: Run, aws: Aws, looser: Any) -> None:
    out, name, wafv2 = ensure_with_needs(run, WAF), run.name("waf", "app", SITE), aws[SITE.region].wafv2
    fresh: Any = wafv2.get_web_acl(Name=name, Scope="REGIONAL", Id=out.id)
    fresh["WebACL"]["Rules"][4]["Statement"]["ManagedRuleGroupStatement"] |= looser
    wafv2.update_web_acl(Name=name, Scope="REGIONAL", Id=out.id, LockToken=fresh["LockToken"],
                         DefaultAction={"Allow": {}}, VisibilityConfig=fresh["WebACL"]["VisibilityConfig"],
                         Rules=fresh["WebACL"]["Rules"])
    assert len(findings(run)) == 1
    ensure_with_needs(run, WAF)
    assert findings(run) == []


def test_defaults_that_waf_adds_to_the_rules_are_no_difference(run: Run) -> None:
    rules = ensure_with_needs(run, WAF).rules
    assert rules[2]["Statement"]["ManagedRuleGroupStatement"]["ExcludedRules"] == []
    assert findings(run) == []


def empty_ip_set(at: Any, run: Run, out: WafOut) -> None:
    name = run.name("waf", "app", SITE)
    set_id = out.ip_set_arn.rpartition("/")[2]
    token = at.wafv2.get_ip_set(Name=name, Scope="REGIONAL", Id=set_id)["LockToken"]
    at.wafv2.update_ip_set(Name=name, Scope="REGIONAL", Id=set_id, Addresses=[], LockToken=token)


DAMAGE: dict[str, Callable[[Any, Run, WafOut], Any]] = {
    "not in front": lambda at, run, out: at.wafv2.disassociate_web_acl(ResourceArn=run.output(EDGE.balancer).arn),
    "does not log": lambda at, run, out: at.wafv2.delete_logging_configuration(ResourceArn=out.arn),
    "for 1 d, not for 90 d": lambda at, run, out: at.logs.put_retention_policy(
        logGroupName=out.log and out.log.name, retentionInDays=1),
    "checkers' addresses": empty_ip_set,
}


@pytest.mark.notices("Waf")
@pytest.mark.parametrize("word", DAMAGE)
def test_verify_notices_damage_and_ensure_mends_it(run: Run, aws: Aws, word: str) -> None:
    out = ensure_with_needs(run, WAF)
    DAMAGE[word](aws[SITE.region], run, out)
    seen = findings(run)
    assert len(seen) == 1
    assert word in seen[0]
    ensure_with_needs(run, WAF)
    assert findings(run) == []


def test_another_web_acl_in_front_of_the_balancer_is_not_pushed_away(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, EDGE.balancer)
    wafv2 = aws[SITE.region].wafv2
    view: Any = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "x"}
    other = wafv2.create_web_acl(Name="theirs", Scope="REGIONAL", DefaultAction={"Allow": {}}, VisibilityConfig=view)
    run.wait_until("it can be put there", lambda: associates(wafv2, other["Summary"]["ARN"], run), bool, within=600)
    with pytest.raises(Refused, match="theirs"):
        ensure_with_needs(run, WAF)
    WAF.destroy(run)
    assert [one["Name"] for one in wafv2.list_web_acls(Scope="REGIONAL")["WebACLs"]] == ["theirs"]


def associates(wafv2: Any, acl: str, run: Run) -> bool:
    try:
        wafv2.associate_web_acl(WebACLArn=acl, ResourceArn=run.output(EDGE.balancer).arn)
    except wafv2.exceptions.WAFUnavailableEntityException:
        return False
    return True


def test_destroy_removes_it_all_and_twice_is_fine(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, WAF)
    WAF.destroy(run)
    WAF.destroy(run)
    at = aws[SITE.region]
    assert at.wafv2.list_web_acls(Scope="REGIONAL")["WebACLs"] == []
    assert at.wafv2.list_ip_sets(Scope="REGIONAL")["IPSets"] == []
    assert at.logs.describe_log_groups()["logGroups"] == []


def test_destroy_works_when_the_balancer_is_gone(run: Run, make_run: Callable[..., Run], aws: Aws) -> None:
    ensure_with_needs(run, WAF)
    arn = run.output(EDGE.balancer).arn
    EDGE.balancer.destroy(run)
    aws[SITE.region].wafv2.disassociate_web_acl(ResourceArn=arn)  # AWS does this itself with a balancer that goes
    WAF.destroy(make_run())
    assert aws[SITE.region].wafv2.list_web_acls(Scope="REGIONAL")["WebACLs"] == []
