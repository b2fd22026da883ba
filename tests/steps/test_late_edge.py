"""The steps of the edge hold while reads lag behind writes, and make nothing twice when an answer was lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from drctl.actions.inventory import inventory
from drctl.aws.clients import Aws
from drctl.aws.tags import as_list
from drctl.engine.events import Record
from drctl.engine.run import Run
from drctl.engine.runner import build
from drctl.engine.step import Step, dependencies
from drctl.lab.clock import CLOCK
from drctl.settings import Settings
from drctl.steps import target_group
from drctl.steps.generation import Generation
from drctl.steps.zone import reference_prefix
from tests.conftest import SPEED, changes, ensure_with_needs
from tests.steps.lifecycle import slow_down
from tests.steps.test_balancer import BALANCER
from tests.steps.test_certificate import CERTIFICATE
from tests.steps.test_health_checks import CHECKS, PLAIN, PRIMARY, ZONE
from tests.steps.test_listeners import EDGE as TLS
from tests.steps.test_listeners import PLAIN as EDGE
from tests.steps.test_records import RECORDS
from tests.steps.test_waf import WAF

LISTENERS = EDGE.listeners


@contextmanager
def lagging(run: Run, speed: float = 30) -> Iterator[None]:
    """Three seconds of AWS are a tenth of ours, which is many calls: reads miss what was just made."""
    slow_down(speed)
    run.clock.speed = speed
    yield
    CLOCK.set_speed(SPEED)


@pytest.fixture
def run(make_run: Callable[..., Run]) -> Iterator[Run]:
    yield make_run(PLAIN)
    CLOCK.set_speed(SPEED)


def with_needs(run: Run, step: Step[Any]) -> None:
    for need in dependencies(step):
        if run._outputs.get(need) is None:
            ensure_with_needs(run, need)


#: Each as slow as its longest wait allows: minutes for a balancer and a certificate, most of a minute for DNS.
STEPS = {ZONE: 100, BALANCER: 250, LISTENERS: 30, WAF: 30, CERTIFICATE: 250, CHECKS: 30, RECORDS: 100}


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_a_step_is_built_while_reads_lag(run: Run, make_run: Callable[..., Run], step: Step[Any]) -> None:
    if step is CERTIFICATE:
        run = make_run(Settings())
    with_needs(run, step)
    with lagging(run, STEPS[step]):
        assert build(run, [step])[0].result == "created"
    again = make_run(run.settings)
    with_needs(again, step)
    assert build(again, [step])[0].result == "kept"
    assert changes(again, step) == 0


def test_a_zone_whose_answer_was_lost_is_not_made_twice(run: Run, aws: Aws) -> None:
    route53 = aws[PRIMARY.region].route53
    with lagging(run, 100):
        route53.create_hosted_zone(Name=run.settings.dns.zone, CallerReference=(
            f"{reference_prefix(run)}-{run.output(Generation(ZONE.site, 'zone'))}"))
        build(run, [ZONE])
    assert len(route53.list_hosted_zones()["HostedZones"]) == 1


def test_health_checks_whose_answers_were_lost_are_not_made_twice(run: Run, aws: Aws) -> None:
    with_needs(run, CHECKS)
    with lagging(run):
        made = [CHECKS._create_as(run, label, CHECKS._wanted(run, label, {})) for label in ("primary-app", "switch")]
        build(run, [CHECKS])
    out = run.output(CHECKS)
    assert [out.primary_app, out.switch] == made
    assert len(aws[PRIMARY.region].route53.list_health_checks()["HealthChecks"]) == 5


def test_a_target_group_whose_answer_was_lost_is_not_made_twice(run: Run, aws: Aws) -> None:
    with_needs(run, LISTENERS)
    app: Any = run.output(EDGE.app)
    with lagging(run):
        made = target_group.ensure(run, LISTENERS.site, app)
        build(run, [LISTENERS])
    assert run.output(LISTENERS).target_group_arn == made.arn


def test_a_listener_whose_answer_was_lost_is_not_made_twice(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, LISTENERS)
    elbv2: Any = aws[LISTENERS.region].elbv2
    elbv2.delete_listener(ListenerArn=out.listener_arns[0])
    run.forget(LISTENERS)
    with lagging(run, 10):
        made = elbv2.create_listener(
            LoadBalancerArn=run.output(EDGE.balancer).arn, Port=80, Protocol="HTTP", DefaultActions=[
                {"Type": "forward", "TargetGroupArn": out.target_group_arn}])["Listeners"][0]["ListenerArn"]
        build(run, [LISTENERS])
    assert run.output(LISTENERS).listener_arns == (made,)


def test_a_web_acl_whose_answer_was_lost_is_found_under_its_name(run: Run, aws: Aws) -> None:
    with_needs(run, WAF)
    name, wafv2 = WAF._name(run), aws[WAF.region].wafv2
    with lagging(run):
        wafv2.create_ip_set(Name=name, Scope="REGIONAL", IPAddressVersion="IPV4", Addresses=[],
                            Tags=as_list(run.tags(WAF.site, name)))
        build(run, [WAF])
    assert len(wafv2.list_ip_sets(Scope="REGIONAL")["IPSets"]) == 1


def test_logs_are_switched_on_once_load_balancing_knows_the_buckets_policy(
        run: Run, make_run: Callable[..., Run], aws: Aws) -> None:
    arn, bucket = ensure_with_needs(run, BALANCER).arn, BALANCER.logs.name(run)
    s3 = aws[BALANCER.region].s3
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.delete_bucket_policy(Bucket=bucket)
    aws[BALANCER.region].elbv2.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[
        {"Key": "access_logs.s3.enabled", "Value": "false"}])
    again = make_run(PLAIN)
    with_needs(again, BALANCER)
    with lagging(again, 60):
        s3.put_bucket_policy(Bucket=bucket, Policy=policy)
        assert build(again, [BALANCER])[0].result == "changed"


def test_records_that_a_dead_run_left_pending_are_kept(run: Run, make_run: Callable[..., Run], aws: Aws) -> None:
    with_needs(run, RECORDS)
    upserts: Any = [{"Action": "UPSERT", "ResourceRecordSet": RECORDS._wanted(run, role)}
                    for role in ("primary", "standby")]
    again = make_run(PLAIN)
    with_needs(again, RECORDS)
    with lagging(again, 100):
        made = aws[PRIMARY.region].route53.change_resource_record_sets(
            HostedZoneId=run.output(ZONE).id, ChangeBatch={"Changes": upserts[:1]})["ChangeInfo"]
        assert made["Status"] == "PENDING"
        build(again, [RECORDS])
    assert changes(again, RECORDS) == 1
    assert list(RECORDS.verify(again, again.output(RECORDS))) == []


def test_what_a_dead_run_left_untagged_is_in_the_inventory_and_goes_with_the_stack(run: Run, aws: Aws) -> None:
    route53 = aws[PRIMARY.region].route53
    switch: Any = {"Type": "HTTPS", "FullyQualifiedDomainName": "switch.example.com", "Port": 443}
    check = route53.create_health_check(CallerReference=f"{CHECKS._prefix(run, 'switch')}1", HealthCheckConfig=switch)
    zone = route53.create_hosted_zone(Name=run.settings.dns.zone, CallerReference=f"{reference_prefix(run)}-1")
    assert {(one.kind, one.id) for one in inventory(run)} == {
        ("route53:healthcheck", check["HealthCheck"]["Id"]),
        ("route53:hostedzone", zone["HostedZone"]["Id"].rpartition("/")[2])}
    CHECKS.destroy(run)
    ZONE.destroy(run)
    assert inventory(run) == []


MADE_WITH_TAGS = {"CreateLoadBalancer", "CreateTargetGroup", "CreateListener", "CreateWebACL", "CreateIPSet",
                  "RequestCertificate"}


def test_balancers_certificates_and_web_acls_carry_tags_from_their_first_moment(
        make_run: Callable[..., Run], records: list[Record]) -> None:
    run = make_run(Settings())
    for step in (WAF, TLS.listeners):
        ensure_with_needs(run, step)
    made = {record["operation"]: record["params"] for record in records
            if record["event"] == "call" and record["operation"] in MADE_WITH_TAGS}
    assert set(made) == MADE_WITH_TAGS
    assert all({"Key": "drctl:stack", "Value": run.settings.environment} in params["Tags"] for params in made.values())
