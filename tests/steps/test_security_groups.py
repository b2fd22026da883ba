"""Only those who must may talk to each part; nothing is open that nobody asked for."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import ConfigurationError, Refused
from drctl.settings import Network as NetworkSettings
from drctl.settings import Settings, Tls
from drctl.steps.network import Network
from drctl.steps.security_groups import SecurityGroups, SecurityGroupsOut
from tests.conftest import changes, ensure_with_needs

SITE = Settings().primary
NETWORK = Network(SITE)
GROUPS = SecurityGroups(SITE, NETWORK)
OFFICE = IPv4Network("198.51.100.0/24")


def settings(tls: Any = "acm", **network: Any) -> Settings:
    """A stack whose network is as given."""
    return Settings(network=NetworkSettings(**network), tls=Tls(mode=tls))


def stands(run: Run) -> SecurityGroupsOut:
    """The groups as another look shows them."""
    out = run.refresh(GROUPS)
    assert out is not None
    return out


def ports(out: SecurityGroupsOut, purpose: str, peer: str) -> set[tuple[str, int]]:
    """Direction and port of the rules of a group with `peer`."""
    return {(rule.direction, rule.first) for rule in out.rules[purpose] if rule.peer == peer}


def test_app_reaches_database_and_endpoints_and_nobody_reaches_the_app(run: Run) -> None:
    ensure_with_needs(run, GROUPS)
    out = stands(run)
    assert ports(out, "app", out.database) == {("out", 5432)}
    assert ports(out, "app", out.endpoints) == {("out", 443)}
    assert ports(out, "app", out.prefix_lists["s3"]) == {("out", 443)}
    assert {rule.direction for rule in out.rules["app"]} == {"out"}
    assert ports(out, "endpoints", out.app) == {("in", 443)}
    assert len(out.rules["endpoints"]) == 1
    assert not list(GROUPS.verify(run, out))


def test_trap_10_no_group_is_open_to_the_world_and_the_database_admits_the_app_only(run: Run) -> None:
    ensure_with_needs(run, GROUPS)
    out = stands(run)
    assert {rule.peer for rules in out.rules.values() for rule in rules if "/" in rule.peer} == set()
    assert {(rule.direction, rule.first, rule.peer) for rule in out.rules["database"]} == {("in", 5432, out.app)}
    assert out.rules["default"] == frozenset()


def test_trap_10_the_whole_world_is_admitted_only_when_it_is_said_in_words(make_run: Callable[..., Run]) -> None:
    with pytest.raises(ConfigurationError, match="open_to_the_world"):
        ensure_with_needs(make_run(settings(admit_cidrs=(IPv4Network("0.0.0.0/0"),))), GROUPS)
    run = make_run(settings(open_to_the_world=True))
    ensure_with_needs(run, GROUPS)
    assert ports(stands(run), "balancer", "0.0.0.0/0") == {("in", 443), ("in", 80)}


def test_visitors_get_https_and_the_redirect_and_health_checkers_the_listener_only(
        make_run: Callable[..., Run]) -> None:
    run = make_run(settings(admit_cidrs=(OFFICE,)))
    ensure_with_needs(run, GROUPS)
    out = stands(run)
    assert ports(out, "balancer", str(OFFICE)) == {("in", 443), ("in", 80)}
    assert ports(out, "balancer", out.prefix_lists["checkers"]) == {("in", 443)}
    assert {rule.direction for rule in out.rules["balancer"]} == {"in"}


def test_without_tls_visitors_and_checkers_get_port_80_only(make_run: Callable[..., Run]) -> None:
    run = make_run(settings(tls="off", admit_cidrs=(OFFICE,)))
    ensure_with_needs(run, GROUPS)
    assert {rule.first for rule in stands(run).rules["balancer"]} == {80}


def test_cloudfront_has_a_group_of_its_own_because_its_list_fills_one(make_run: Callable[..., Run]) -> None:
    run = make_run(settings(admit_cloudfront=True))
    ensure_with_needs(run, GROUPS)
    out = stands(run)
    assert out.of_balancer == (out.balancer, out.ids["cloudfront"])
    assert ports(out, "cloudfront", out.prefix_lists["cloudfront"]) == {("in", 443)}
    assert out.prefix_lists["checkers"] in {rule.peer for rule in out.rules["balancer"]}


def test_cloudfront_is_shut_out_again_when_it_is_no_longer_admitted(make_run: Callable[..., Run]) -> None:
    ensure_with_needs(make_run(settings(admit_cloudfront=True)), GROUPS)
    run = make_run()
    ensure_with_needs(run, GROUPS)
    assert stands(run).rules["cloudfront"] == frozenset()
    assert not list(GROUPS.verify(run, stands(run)))


def test_through_nat_the_app_may_reach_https_anywhere(make_run: Callable[..., Run]) -> None:
    run = make_run(settings(egress="nat"))
    ensure_with_needs(run, GROUPS)
    out = stands(run)
    assert {(rule.first, rule.peer) for rule in out.rules["app"]} == {(443, "0.0.0.0/0"), (5432, out.database)}


@pytest.mark.parametrize("given", [
    Settings(), settings(admit_cidrs=(OFFICE,), admit_cloudfront=True), settings(tls="off", egress="nat")],
    ids=["default", "cloudfront", "nat-without-tls"])
def test_a_second_run_changes_nothing(given: Settings, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(make_run(given), GROUPS)
    again = make_run(given)
    ensure_with_needs(again, GROUPS)
    assert changes(again, GROUPS) == 0
    assert again.events.calls[GROUPS.key] <= 3


@pytest.mark.notices("SecurityGroups")
@pytest.mark.parametrize("purpose", ["balancer", "database", "default"])
def test_verify_notices_a_rule_that_nobody_asked_for_and_ensure_removes_it(
        purpose: str, run: Run, aws: Aws) -> None:
    ids = ensure_with_needs(run, GROUPS).ids
    aws[SITE.region].ec2.authorize_security_group_ingress(GroupId=ids[purpose], IpPermissions=[
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
    findings = [finding.text for finding in GROUPS.verify(run, stands(run))]
    assert len(findings) == 1
    assert "0.0.0.0/0, which nobody asked for" in findings[0]
    assert purpose in findings[0]
    ensure_with_needs(run, GROUPS)
    assert not list(GROUPS.verify(run, stands(run)))


def test_verify_notices_a_missing_rule_and_ensure_adds_only_that(run: Run, aws: Aws, make_run: Callable[..., Run]
                                                                 ) -> None:
    out = ensure_with_needs(run, GROUPS)
    aws[SITE.region].ec2.revoke_security_group_ingress(GroupId=out.database, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": out.app}]}])
    assert ["does not allow tcp 5432" in finding.text for finding in GROUPS.verify(run, stands(run))] == [True]
    again = make_run()
    ensure_with_needs(again, GROUPS)
    assert changes(again, GROUPS) == 1
    assert not list(GROUPS.verify(again, stands(again)))


def test_a_missing_group_is_made_again_and_named_by_the_others(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, GROUPS)
    ec2 = aws[SITE.region].ec2
    ec2.revoke_security_group_egress(GroupId=out.app, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": out.endpoints}]}])
    ec2.delete_security_group(GroupId=out.endpoints)
    assert run.refresh(GROUPS) is None
    ensure_with_needs(run, GROUPS)
    assert stands(run).endpoints != out.endpoints
    assert not list(GROUPS.verify(run, stands(run)))


def test_a_group_of_our_name_without_our_tags_is_refused(run: Run, aws: Aws) -> None:
    vpc_id = ensure_with_needs(run, NETWORK).vpc_id
    aws[SITE.region].ec2.create_security_group(GroupName=run.name("security-group", "app", SITE), Description="theirs",
                                               VpcId=vpc_id)
    with pytest.raises(Refused, match="has not our tags"):
        ensure_with_needs(run, GROUPS)


def test_destroy_undoes_groups_that_name_each_other_leaves_foreign_ones_and_twice_is_fine(run: Run, aws: Aws) -> None:
    vpc_id = ensure_with_needs(run, GROUPS) and run.output(NETWORK).vpc_id
    ec2 = aws[SITE.region].ec2
    foreign = ec2.create_security_group(GroupName="theirs", Description="theirs", VpcId=vpc_id)["GroupId"]
    GROUPS.destroy(run)
    GROUPS.destroy(run)
    left = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["SecurityGroups"]
    assert {group["GroupId"] for group in left if group["GroupName"] != "default"} == {foreign}
    assert run.refresh(GROUPS) is None
