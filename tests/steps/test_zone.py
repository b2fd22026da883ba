"""The zone is the user's own and left alone, or made once and removed whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from moto.acm.models import acm_backends

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.lab.clock import CLOCK
from drctl.settings import Dns, Regions, Settings
from drctl.steps.certificate import Certificate
from drctl.steps.zone import Zone
from tests.conftest import changes, ensure_with_needs

SITES = Settings().sites
ZONE = Zone(SITES[0])
CERTIFICATES = [Certificate(site, ZONE) for site in SITES]


def zones(aws: Aws) -> list[Any]:
    return aws["us-east-1"].route53.list_hosted_zones()["HostedZones"]


def foreign_zone(aws: Aws, name: str = "dr.example.com") -> str:
    made = aws["us-east-1"].route53.create_hosted_zone(Name=name, CallerReference="somebody")
    return made["HostedZone"]["Id"].removeprefix("/hostedzone/")


def given(zone_id: str) -> Settings:
    return Settings(dns=Dns(zone_id=zone_id))


def add(aws: Aws, zone_id: str, name: str, kind: str, value: str) -> None:
    record: Any = {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value}]}
    aws["us-east-1"].route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Changes": [
        {"Action": "CREATE", "ResourceRecordSet": record}]})


def test_a_zone_is_made_once_tagged_and_tells_its_name_servers(run: Run, aws: Aws, records: list[Any]) -> None:
    out = ensure_with_needs(run, ZONE)
    assert len(zones(aws)) == 1
    assert len(out.name_servers) == 4
    assert not list(ZONE.verify(run, run.refresh(ZONE) or out))
    assert any("delegate" in record.get("text", "") for record in records)


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, ZONE)
    again = make_run()
    ensure_with_needs(again, ZONE)
    assert changes(again, ZONE) == 0


def test_a_run_that_died_before_tagging_does_not_leave_a_second_zone(run: Run, aws: Aws) -> None:
    ZONE._create(run)
    out = run.refresh(ZONE)
    assert out is not None
    assert not out.tagged
    assert "tags" in next(iter(ZONE.verify(run, out))).text
    ensure_with_needs(run, ZONE)
    assert len(zones(aws)) == 1
    assert not list(ZONE.verify(run, run.refresh(ZONE) or out))


def test_a_zone_is_made_anew_after_it_was_removed(run: Run, aws: Aws) -> None:
    first = ensure_with_needs(run, ZONE)
    ZONE.destroy(run)
    ZONE.destroy(run)
    assert zones(aws) == []
    assert ensure_with_needs(run, ZONE).id != first.id


def test_a_second_zone_of_a_name_somebody_has_is_refused(run: Run, aws: Aws) -> None:
    foreign_zone(aws)
    with pytest.raises(Refused, match="exists already"):
        ZONE.ensure(run)
    ZONE.destroy(run)
    assert len(zones(aws)) == 1


def test_a_zone_below_the_name_in_the_listing_is_not_taken_for_it(run: Run, aws: Aws) -> None:
    foreign_zone(aws, "a.dr.example.com")
    ensure_with_needs(run, ZONE)
    assert len(zones(aws)) == 2


def test_a_given_zone_is_used_as_it_is_and_never_tagged_or_removed(make_run: Callable[..., Run], aws: Aws) -> None:
    zone_id = foreign_zone(aws)
    run = make_run(given(zone_id))
    out = ensure_with_needs(run, ZONE)
    assert out.given
    assert changes(run, ZONE) == 0
    ZONE.destroy(run)
    assert len(zones(aws)) == 1
    assert list(ZONE.resources(out)) == []


def test_a_given_zone_of_another_name_or_none_at_all_is_refused(make_run: Callable[..., Run], aws: Aws) -> None:
    with pytest.raises(Refused, match=r"is other\.example, not"):
        ZONE.ensure(make_run(given(foreign_zone(aws, "other.example"))))
    with pytest.raises(Refused, match="does not exist"):
        ZONE.ensure(make_run(given("Z0000000000000")))


def test_validation_records_go_with_the_zone_but_only_after_the_last_certificate(run: Run, aws: Aws) -> None:
    for certificate in CERTIFICATES:
        ensure_with_needs(run, certificate)
    CERTIFICATES[0].destroy(run)
    run.clock.patience_s = 0.3
    with pytest.raises(Refused, match=r"_.*CNAME"):
        ZONE.destroy(run)
    run.clock.patience_s = 10.0
    CERTIFICATES[1].destroy(run)
    ZONE.destroy(run)
    assert zones(aws) == []


def test_deleted_certificates_that_acm_still_lists_do_not_keep_the_zone(
        run: Run, make_run: Callable[..., Run], aws: Aws) -> None:
    ensure_with_needs(run, CERTIFICATES[0])
    CERTIFICATES[0].destroy(run)
    listed = acm_backends[run.settings.account_id][SITES[0].region].__dict__["_lab_still_listed"]
    for arn, (certificate, _) in listed.items():
        listed[arn] = certificate, CLOCK.now() + 3e9  # however slow this machine is
    again = make_run()
    assert CERTIFICATES[0].find(again) is None
    CERTIFICATES[0].destroy(again)
    ZONE.destroy(again)
    assert zones(aws) == []


def test_the_validation_record_stays_in_a_given_zone_while_any_certificate_renews_by_it(
        make_run: Callable[..., Run], aws: Aws, records: list[Any]) -> None:
    """A distribution's certificate, for one: those are in us-east-1 wherever the stack is."""
    stack = Settings(regions=Regions(primary="eu-west-1", standby="us-west-2"), dns=Dns(zone_id=foreign_zone(aws)))
    zone = Zone(stack.primary)
    certificate, run = Certificate(stack.primary, zone), make_run(stack)
    ensure_with_needs(run, certificate)
    aws["us-east-1"].acm.request_certificate(DomainName=stack.dns.name, ValidationMethod="DNS")
    certificate.destroy(run)
    zone.destroy(run)
    left = aws["us-east-1"].route53.list_resource_record_sets(HostedZoneId=str(stack.dns.zone_id))
    assert "CNAME" in {record["Type"] for record in left["ResourceRecordSets"]}
    assert any("renews itself by it" in record.get("text", "") for record in records)


def test_a_given_zone_loses_only_the_validation_record(make_run: Callable[..., Run], aws: Aws) -> None:
    run = make_run(given(foreign_zone(aws)))
    zone_id = str(run.settings.dns.zone_id)
    ensure_with_needs(run, CERTIFICATES[0])
    add(aws, zone_id, "_x.app.dr.example.com", "CNAME", "somewhere.example.")
    CERTIFICATES[0].destroy(run)
    ZONE.destroy(run)
    left = aws["us-east-1"].route53.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]
    assert [record["Name"] for record in left if record["Type"] == "CNAME"] == ["_x.app.dr.example.com."]


def test_records_of_others_keep_the_zone_and_are_named(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, ZONE)
    add(aws, out.id, "mail.dr.example.com", "A", "192.0.2.1")
    with pytest.raises(Refused, match=r"mail\.dr\.example\.com A"):
        ZONE.destroy(run)
    assert len(zones(aws)) == 1


def test_a_zone_of_another_stack_says_that_an_environment_is_not_renamed(make_run: Callable[..., Run]) -> None:
    ensure_with_needs(make_run(), ZONE)
    with pytest.raises(Refused, match="belongs to the stack lab: an environment that stands cannot be renamed") as no:
        ZONE.ensure(make_run(Settings(environment="renamed")))
    assert "set environment back to lab" in no.value.next_step
