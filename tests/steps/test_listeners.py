"""Visitors reach the app's live version over HTTPS; plain HTTP leads there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from moto.elbv2.models import elbv2_backends

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.lab.clock import CLOCK
from drctl.settings import App, Settings, Tls
from drctl.steps.listeners import ListenersOut
from drctl.steps.zone import Zone
from tests.conftest import changes, ensure_with_needs
from tests.steps.edge import Edge

SITE = Settings().primary
EDGE = Edge(SITE, Zone(SITE))
PLAIN = Edge(SITE, Zone(SITE), tls=False)
LISTENERS = EDGE.listeners


def found(run: Run) -> ListenersOut:
    out = run.refresh(LISTENERS)
    assert out is not None
    return out


def findings(run: Run) -> list[str]:
    return [finding.text for finding in LISTENERS.verify(run, found(run))]


def test_trap_1_https_serves_the_app_with_an_issued_certificate_and_http_leads_to_it(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, LISTENERS)
    assert findings(run) == []
    assert EDGE.certificate is not None
    assert out.by_port[443].certificate == run.output(EDGE.certificate).arn
    assert out.by_port[443].policy == run.settings.tls.policy
    assert out.by_port[80].action == "redirect"
    assert (out.protocol, out.port) == ("HTTPS", 443)
    status = aws[SITE.region].acm.describe_certificate(CertificateArn=out.by_port[443].certificate)["Certificate"]
    assert status["Status"] == "ISSUED"


def test_trap_2_the_target_group_asks_the_path_that_the_app_serves(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, LISTENERS)
    elbv2 = aws[SITE.region].elbv2
    group = elbv2.describe_target_groups(TargetGroupArns=[out.target_group_arn])["TargetGroups"][0]
    assert group["HealthCheckEnabled"]
    assert group["HealthCheckPath"] == run.settings.app.health_path
    assert group["HealthCheckIntervalSeconds"] > group["HealthCheckTimeoutSeconds"]


def test_without_tls_there_is_http_alone(make_run: Callable[..., Run]) -> None:
    run = make_run(Settings(tls=Tls(mode="off")))
    out = ensure_with_needs(run, PLAIN.listeners)
    assert list(PLAIN.listeners.verify(run, out)) == []
    assert list(out.by_port) == [80]
    assert (out.protocol, out.port) == ("HTTP", 80)


def test_tls_can_be_switched_off_and_on(run: Run) -> None:
    ensure_with_needs(run, LISTENERS)
    assert list(ensure_with_needs(run, PLAIN.listeners).by_port) == [80]
    assert sorted(ensure_with_needs(run, LISTENERS).by_port) == [80, 443]
    assert findings(run) == []


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, LISTENERS)
    again = make_run()
    ensure_with_needs(again, LISTENERS)
    assert changes(again, LISTENERS) == 0


def test_another_health_path_is_changed_in_place(run: Run, make_run: Callable[..., Run]) -> None:
    arn = ensure_with_needs(run, LISTENERS).target_group_arn
    other = make_run(Settings(app=App(health_path="/alive")))
    out = ensure_with_needs(other, LISTENERS)
    assert out.target_group_arn == arn
    assert out.group.check["HealthCheckPath"] == "/alive"
    assert findings(other) == []


def test_a_former_target_that_drains_is_no_target(run: Run) -> None:
    arn = ensure_with_needs(run, LISTENERS).target_group_arn
    groups: Any = elbv2_backends[run.settings.account_id][SITE.region].target_groups
    groups[arn].__dict__["_lab_draining"] = {run.output(EDGE.app).arn: CLOCK.now() + 3e9}
    assert findings(run) == []


def forget_permission(at: Any, run: Run, out: ListenersOut) -> None:
    at.lambda_.remove_permission(FunctionName=run.output(EDGE.app).name, Qualifier="live", StatementId="balancer")


DAMAGE: dict[str, Callable[[Any, Run, ListenersOut], Any]] = {
    "port 80": lambda at, run, out: at.elbv2.delete_listener(ListenerArn=out.listener_arns[0]),
    "port 443": lambda at, run, out: at.elbv2.modify_listener(
        ListenerArn=out.listener_arns[1], SslPolicy="ELBSecurityPolicy-2016-08"),
    "health check": lambda at, run, out: at.elbv2.modify_target_group(
        TargetGroupArn=out.target_group_arn, HealthCheckPath="/elsewhere"),
    "live version": lambda at, run, out: at.elbv2.deregister_targets(
        TargetGroupArn=out.target_group_arn, Targets=[{"Id": run.output(EDGE.app).alias_arn}]),
    "invoke": forget_permission,
}


@pytest.mark.notices("Listeners")
@pytest.mark.parametrize("word", DAMAGE)
def test_verify_notices_damage_and_ensure_mends_it(run: Run, aws: Aws, word: str) -> None:
    out = ensure_with_needs(run, LISTENERS)
    DAMAGE[word](aws[SITE.region], run, out)
    seen = findings(run)
    assert len(seen) == 1
    assert word in seen[0]
    ensure_with_needs(run, LISTENERS)
    assert findings(run) == []


def test_destroy_removes_listeners_group_and_permission_and_twice_is_fine(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, LISTENERS)
    LISTENERS.destroy(run)
    LISTENERS.destroy(run)
    elbv2 = aws[SITE.region].elbv2
    assert elbv2.describe_target_groups()["TargetGroups"] == []
    assert elbv2.describe_listeners(LoadBalancerArn=run.output(EDGE.balancer).arn)["Listeners"] == []


def test_destroy_works_when_balancer_and_function_are_gone(run: Run, make_run: Callable[..., Run], aws: Aws) -> None:
    ensure_with_needs(run, LISTENERS)
    EDGE.balancer.destroy(run)
    EDGE.app.destroy(run)
    later = make_run()
    LISTENERS.destroy(later)
    assert aws[SITE.region].elbv2.describe_target_groups()["TargetGroups"] == []


def test_a_foreign_target_group_of_our_name_is_not_touched(run: Run, aws: Aws) -> None:
    aws[SITE.region].elbv2.create_target_group(Name=run.name("tg", "app", SITE), TargetType="lambda")
    with pytest.raises(Refused, match="does not carry"):
        LISTENERS.destroy(run)
    with pytest.raises(Refused, match="does not carry"):
        ensure_with_needs(run, LISTENERS)


def test_a_foreign_balancer_of_our_name_keeps_its_listeners(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, LISTENERS)
    elbv2, arn = aws[SITE.region].elbv2, run.output(EDGE.balancer).arn
    elbv2.remove_tags(ResourceArns=[arn], TagKeys=["drctl:stack"])
    with pytest.raises(Refused, match="does not belong"):
        LISTENERS.destroy(run)
    assert len(elbv2.describe_listeners(LoadBalancerArn=arn)["Listeners"]) == 2


def test_a_foreign_target_group_keeps_its_target(run: Run, aws: Aws) -> None:
    out, elbv2 = ensure_with_needs(run, LISTENERS), aws[SITE.region].elbv2
    elbv2.remove_tags(ResourceArns=[out.target_group_arn], TagKeys=["drctl:stack"])
    elbv2.deregister_targets(TargetGroupArn=out.target_group_arn, Targets=[{"Id": run.output(EDGE.app).alias_arn}])
    with pytest.raises(Refused, match="does not belong"):
        ensure_with_needs(run, LISTENERS)


def test_a_foreign_function_of_our_name_keeps_its_permissions(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, LISTENERS)
    client, app = aws[SITE.region].lambda_, run.output(EDGE.app)
    client.untag_resource(Resource=app.arn, TagKeys=["drctl:stack"])
    with pytest.raises(Refused, match="does not belong"):
        LISTENERS.destroy(run)
    assert "balancer" in client.get_policy(FunctionName=app.name, Qualifier="live")["Policy"]
