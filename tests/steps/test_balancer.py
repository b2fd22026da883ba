"""The balancer stands in the public subnets with its logs on, and is protected exactly when the settings say so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.lab.clock import CLOCK
from drctl.settings import Settings
from drctl.steps.balancer import Balancer
from drctl.steps.log_bucket import LogBucket
from drctl.steps.network import Network
from drctl.steps.security_groups import SecurityGroups
from drctl.steps.subnets import Subnets
from tests.conftest import changes, ensure_with_needs

SITE = Settings().standby
NETWORK = Network(SITE)
SUBNETS = Subnets(SITE, NETWORK)
GROUPS = SecurityGroups(SITE, NETWORK)
BALANCER = Balancer(SITE, NETWORK, SUBNETS, GROUPS, LogBucket(SITE))


def findings(run: Run) -> list[str]:
    out = run.refresh(BALANCER)
    assert out is not None
    return [finding.text for finding in BALANCER.verify(run, out)]


def test_a_balancer_is_active_in_the_public_subnets_with_its_logs_on(run: Run) -> None:
    ensure_with_needs(run, BALANCER)
    out = run.refresh(BALANCER) or run.output(BALANCER)
    assert findings(run) == []
    assert out.subnets == set(run.output(SUBNETS).public)
    assert out.groups == set(run.output(GROUPS).of_balancer)
    assert out.attributes["client_keep_alive.seconds"] == "60"
    assert out.attributes["access_logs.s3.bucket"] == BALANCER.logs.name(run)


def test_a_second_run_changes_nothing_and_looks_twice(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, BALANCER)
    again = make_run()
    ensure_with_needs(again, BALANCER)
    assert changes(again, BALANCER) == 0
    assert again.events.calls[BALANCER.key] == 2


DAMAGE: dict[str, Callable[[Any, Any, Run], Any]] = {
    "client_keep_alive": lambda elbv2, out, _: elbv2.modify_load_balancer_attributes(
        LoadBalancerArn=out.arn, Attributes=[{"Key": "client_keep_alive.seconds", "Value": "3600"}]),
    "access_logs": lambda elbv2, out, _: elbv2.modify_load_balancer_attributes(
        LoadBalancerArn=out.arn, Attributes=[{"Key": "access_logs.s3.enabled", "Value": "false"}]),
    "security groups": lambda elbv2, out, run: elbv2.set_security_groups(
        LoadBalancerArn=out.arn, SecurityGroups=[run.output(GROUPS).app]),
    "public subnets": lambda elbv2, out, run: elbv2.set_subnets(
        LoadBalancerArn=out.arn, Subnets=list(run.output(SUBNETS).private)),
}


@pytest.mark.notices("Balancer")
@pytest.mark.parametrize("word", DAMAGE)
def test_verify_notices_damage_and_ensure_mends_it(run: Run, aws: Aws, word: str) -> None:
    out = ensure_with_needs(run, BALANCER)
    DAMAGE[word](aws[SITE.region].elbv2, out, run)
    found = findings(run)
    assert len(found) == 1
    assert word in found[0]
    ensure_with_needs(run, BALANCER)
    assert findings(run) == []


def test_destroy_removes_it_and_twice_is_fine(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, BALANCER)
    BALANCER.destroy(run)
    BALANCER.destroy(run)
    assert aws[SITE.region].elbv2.describe_load_balancers()["LoadBalancers"] == []


def test_a_protected_balancer_stays_until_the_settings_lift_the_protection(make_run: Callable[..., Run]) -> None:
    run = make_run(Settings(deletion_protection=True))
    ensure_with_needs(run, BALANCER)
    with pytest.raises(Refused, match="protected from deletion"):
        BALANCER.destroy(run)
    BALANCER.destroy(make_run())
    assert BALANCER.find(make_run()) is None


def test_a_foreign_balancer_of_our_name_is_not_touched(run: Run, aws: Aws) -> None:
    subnets = ensure_with_needs(run, SUBNETS)
    aws[SITE.region].elbv2.create_load_balancer(
        Name=run.name("alb", "app", SITE), Subnets=list(subnets.public), Scheme="internet-facing")
    with pytest.raises(Refused, match="does not carry"):
        BALANCER.destroy(run)
    with pytest.raises(Refused, match="does not carry"):
        ensure_with_needs(run, BALANCER)


def test_a_balancer_that_goes_while_its_tags_are_asked_for_is_gone(run: Run, aws: Aws) -> None:
    """A deletion whose answer was lost goes on; the balancer is described until it has come to its end."""
    out = ensure_with_needs(run, BALANCER)
    CLOCK.hold()
    try:
        aws[SITE.region].elbv2.delete_load_balancer(LoadBalancerArn=out.arn)
        run.events.guard = lambda call: CLOCK.skip(600) if call.operation == "DescribeTags" else None
        BALANCER.destroy(run)
    finally:
        CLOCK.release()
    assert BALANCER.find(run) is None
