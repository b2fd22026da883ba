"""Health checks ask what visitors ask, the switch is inverted, and a check that cannot be changed is replaced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.engine.step import Step
from drctl.settings import App, Dns, Settings, Tls
from drctl.steps.health_checks import HealthChecks, HealthChecksOut
from drctl.steps.switch_bucket import PIN_KEY, SWITCH_KEY, SwitchBucket
from drctl.steps.zone import Zone
from tests.conftest import changes, ensure_with_needs
from tests.steps.edge import Edge

PRIMARY, STANDBY = Settings().sites
ZONE = Zone(PRIMARY)
#: TLS off keeps the tests quick; one test has it on.
PLAIN = Settings(tls=Tls(mode="off"))
EDGES = [Edge(site, ZONE, tls=False) for site in (PRIMARY, STANDBY)]
SWITCH, PIN = SwitchBucket(STANDBY), SwitchBucket(PRIMARY)


def checks_of(edges: list[Edge]) -> HealthChecks:
    here, there = edges
    return HealthChecks(PRIMARY, here.balancer, there.balancer, here.listeners, there.listeners, SWITCH, PIN)


CHECKS = checks_of(EDGES)


@pytest.fixture
def run(make_run: Callable[..., Run]) -> Run:
    return make_run(PLAIN)


def listed(aws: Aws) -> dict[str, Any]:
    return {check["Id"]: check for check in aws["us-east-1"].route53.list_health_checks()["HealthChecks"]}


def found(run: Run) -> HealthChecksOut:
    out = run.refresh(CHECKS)
    assert out is not None
    return out


def findings(run: Run) -> list[str]:
    return [finding.text for finding in CHECKS.verify(run, found(run))]


def test_trap_2_checks_ask_the_protocol_port_and_path_that_the_listeners_serve(make_run: Callable[..., Run]) -> None:
    run = make_run()
    edges = [Edge(site, ZONE) for site in (PRIMARY, STANDBY)]
    checks = checks_of(edges)
    out = ensure_with_needs(run, checks)
    assert list(checks.verify(run, out)) == []
    for label, edge in zip(("primary-app", "standby-app"), edges, strict=True):
        listeners, config = run.output(edge.listeners), out.configs[label]
        assert (config["Type"], config["Port"]) == (listeners.protocol, listeners.port)
        assert config["ResourcePath"] == listeners.group.check["HealthCheckPath"]
        assert config["FullyQualifiedDomainName"] == run.output(edge.balancer).dns_name
        assert config["FullyQualifiedDomainName"] != run.settings.dns.name


def test_trap_2_without_tls_the_checks_ask_http(run: Run) -> None:
    out = ensure_with_needs(run, CHECKS)
    assert (out.configs["primary-app"]["Type"], out.configs["primary-app"]["Port"]) == ("HTTP", 80)
    assert findings(run) == []


def test_the_combined_check_wants_two_of_app_unturned_switch_and_pin(run: Run) -> None:
    out = ensure_with_needs(run, CHECKS)
    combined, switch, pin = (out.configs[label] for label in ("combined", "switch", "pin"))
    assert sorted(combined["ChildHealthChecks"]) == sorted([out.primary_app, out.switch, out.pin])
    assert combined["HealthThreshold"] == 2
    assert switch["Inverted"]
    assert switch["FullyQualifiedDomainName"].endswith(f".s3.{STANDBY.region}.amazonaws.com")
    assert switch["ResourcePath"] == f"/{SWITCH_KEY}"
    assert not pin["Inverted"]
    assert pin["FullyQualifiedDomainName"].endswith(f".s3.{PRIMARY.region}.amazonaws.com")
    assert pin["ResourcePath"] == f"/{PIN_KEY}"


def test_a_second_run_changes_nothing_and_looks_at_all_checks_together(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, CHECKS)
    again = make_run(PLAIN)
    ensure_with_needs(again, CHECKS)
    assert changes(again, CHECKS) == 0
    assert again.events.calls[CHECKS.key] == 2


def test_another_path_and_threshold_are_changed_in_place(run: Run, make_run: Callable[..., Run], aws: Aws) -> None:
    before = ensure_with_needs(run, CHECKS)
    other = make_run(Settings(tls=Tls(mode="off"), app=App(health_path="/alive"), dns=Dns(health_threshold=5)))
    for need in (EDGES[0].listeners, EDGES[1].listeners):
        ensure_with_needs(other, need)
    after = ensure_with_needs(other, CHECKS)
    assert after.primary_app == before.primary_app
    assert after.configs["standby-app"]["ResourcePath"] == "/alive"
    assert after.configs["switch"]["FailureThreshold"] == 5
    assert len(listed(aws)) == 5


def test_another_interval_replaces_the_checks_and_removes_the_old_ones(run: Run, make_run: Callable[..., Run],
                                                                       aws: Aws) -> None:
    before = ensure_with_needs(run, CHECKS)
    other = make_run(Settings(tls=Tls(mode="off"), dns=Dns(health_interval_s=30)))
    after = ensure_with_needs(other, CHECKS)
    assert after.combined == before.combined
    assert {before.primary_app, before.standby_app, before.switch, before.pin}.isdisjoint(listed(aws))
    assert sorted(after.configs["combined"]["ChildHealthChecks"]) == sorted(
        [after.primary_app, after.switch, after.pin])
    assert findings(other) == []
    assert len(listed(aws)) == 5


def test_a_run_that_died_before_tagging_leaves_no_second_check(run: Run, aws: Aws) -> None:
    needs: tuple[Step[Any], ...] = (EDGES[0].listeners, EDGES[1].listeners, SWITCH, PIN)
    for need in needs:
        ensure_with_needs(run, need)
    reference = f"{CHECKS._prefix(run, 'primary-app')}1"
    config: Any = CHECKS._wanted(run, "primary-app", {})
    orphan = aws["us-east-1"].route53.create_health_check(
        CallerReference=reference, HealthCheckConfig=config)["HealthCheck"]["Id"]
    assert ensure_with_needs(run, CHECKS).primary_app == orphan
    assert findings(run) == []
    assert len(listed(aws)) == 5


DAMAGE: dict[str, Callable[[Any, HealthChecksOut], Any]] = {
    "Disabled": lambda route53, out: route53.update_health_check(HealthCheckId=out.primary_app, Disabled=True),
    "Inverted": lambda route53, out: route53.update_health_check(HealthCheckId=out.switch, Inverted=False),
    "ResourcePath": lambda route53, out: route53.update_health_check(
        HealthCheckId=out.standby_app, ResourcePath="/elsewhere"),
    "HealthThreshold": lambda route53, out: route53.update_health_check(HealthCheckId=out.combined, HealthThreshold=1),
    "ChildHealthChecks": lambda route53, out: route53.update_health_check(
        HealthCheckId=out.combined, ChildHealthChecks=[out.primary_app]),
    "tags": lambda route53, out: route53.change_tags_for_resource(
        ResourceType="healthcheck", ResourceId=out.combined, RemoveTagKeys=["drctl:stack"]),
}


@pytest.mark.notices("HealthChecks")
@pytest.mark.parametrize("word", DAMAGE)
def test_verify_notices_damage_and_ensure_mends_it(run: Run, aws: Aws, word: str) -> None:
    out = ensure_with_needs(run, CHECKS)
    DAMAGE[word](aws["us-east-1"].route53, out)
    seen = findings(run)
    assert len(seen) == 1
    assert word in seen[0]
    ensure_with_needs(run, CHECKS)
    assert findings(run) == []


def test_a_lost_check_is_made_anew_and_combined(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, CHECKS)
    route53 = aws["us-east-1"].route53
    route53.update_health_check(HealthCheckId=out.combined, ChildHealthChecks=[out.primary_app])
    route53.delete_health_check(HealthCheckId=out.switch)
    assert run.refresh(CHECKS) is None
    after = ensure_with_needs(run, CHECKS)
    assert after.switch in after.configs["combined"]["ChildHealthChecks"]
    assert findings(run) == []


def test_destroy_removes_ours_alone_and_twice_is_fine(run: Run, aws: Aws) -> None:
    foreign = aws["us-east-1"].route53.create_health_check(CallerReference="somebody", HealthCheckConfig={
        "Type": "HTTP", "FullyQualifiedDomainName": "example.com", "Port": 80})["HealthCheck"]["Id"]
    ensure_with_needs(run, CHECKS)
    CHECKS.destroy(run)
    CHECKS.destroy(run)
    assert list(listed(aws)) == [foreign]
