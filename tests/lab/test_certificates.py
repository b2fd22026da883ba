"""Certificates wait for their record in DNS, and stay while a balancer uses them."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from tests.lab.conftest import eventually, settle
from tests.lab.test_balancing import Site, refusal
from tests.lab.test_records import Zone

REGION = "us-east-1"


class Requests:
    """Certificates asked for by hand."""

    def __init__(self, aws: Aws, region: str = REGION) -> None:
        self.acm: Any = aws[region].acm

    def ask(self, domain: str = "app.example.org", **more: Any) -> str:
        return str(self.acm.request_certificate(DomainName=domain, ValidationMethod="DNS", **more)["CertificateArn"])

    def described(self, arn: str) -> Any:
        return self.acm.describe_certificate(CertificateArn=arn)["Certificate"]

    def records(self, arn: str) -> list[Any]:
        return [option.get("ResourceRecord") for option in self.described(arn)["DomainValidationOptions"]]

    def prove(self, zone: Zone, arn: str) -> None:
        zone.change(*(("UPSERT", {"Name": record["Name"], "Type": "CNAME", "TTL": 60,
                                  "ResourceRecords": [{"Value": record["Value"]}]})
                      for record in {each["Name"]: each for each in self.records(arn)}.values()))


@pytest.fixture
def requests(aws: Aws) -> Requests:
    return Requests(aws)


@pytest.fixture
def site(aws: Aws) -> Site:
    return Site(aws)


@pytest.fixture
def zone(aws: Aws) -> Zone:
    return Zone(aws)


@pytest.mark.rule("certificate-record-late")
def test_the_record_to_make_is_told_some_seconds_later(requests: Requests, clock: LabClock) -> None:
    arn = requests.ask()
    clock.skip(seconds("certificate-visible"))
    assert requests.records(arn) == [None]
    clock.skip(seconds("certificate-record"))
    assert requests.records(arn)[0]["Name"].endswith(".app.example.org.")


@pytest.mark.rule("certificate-validation")
def test_a_certificate_is_issued_minutes_after_its_record_is_in_dns(
        requests: Requests, zone: Zone, clock: LabClock) -> None:
    arn = requests.ask()
    clock.skip(seconds("certificate-issue") * 10)
    assert requests.described(arn)["Status"] == "PENDING_VALIDATION"
    assert "NotAfter" not in requests.described(arn)
    requests.prove(zone, arn)
    clock.skip(seconds("certificate-issue"))
    assert requests.described(arn)["Status"] == "PENDING_VALIDATION"
    clock.skip(seconds("record-change"))
    assert requests.described(arn)["Status"] == "ISSUED"
    assert "NotAfter" in requests.described(arn)


@pytest.mark.rule("certificate-described")
def test_every_name_must_be_proved(requests: Requests, zone: Zone, clock: LabClock) -> None:
    arn = requests.ask(SubjectAlternativeNames=["*.app.example.org", "api.example.org"])
    clock.skip(seconds("certificate-record"))
    by_name = {option["DomainName"]: option["ResourceRecord"]
               for option in requests.described(arn)["DomainValidationOptions"]}
    assert by_name["app.example.org"] == by_name["*.app.example.org"] != by_name["api.example.org"]
    first = by_name["app.example.org"]
    zone.change(("UPSERT", {"Name": first["Name"], "Type": "CNAME", "TTL": 60,
                            "ResourceRecords": [{"Value": first["Value"]}]}))
    clock.skip(seconds("certificate-issue") * 10)
    assert requests.described(arn)["Status"] == "PENDING_VALIDATION"
    requests.prove(zone, arn)
    clock.skip(seconds("certificate-issue") + seconds("record-change"))
    assert requests.described(arn)["Status"] == "ISSUED"


def test_one_record_proves_a_domain_in_every_region(aws: Aws) -> None:
    here, there = Requests(aws), Requests(aws, "us-west-2")
    ours, theirs = here.ask(), there.ask()
    assert eventually(lambda: here.records(ours) == there.records(theirs) != [None])


@pytest.mark.rule("certificate-token")
def test_the_same_token_gives_the_same_certificate_for_an_hour(requests: Requests, clock: LabClock) -> None:
    first = requests.ask(IdempotencyToken="once")
    assert requests.ask(IdempotencyToken="once") == first
    assert requests.ask("other.example.org", IdempotencyToken="once") != first
    clock.skip(3600)
    assert requests.ask(IdempotencyToken="once") != first


def test_without_a_token_every_request_makes_a_certificate(requests: Requests) -> None:
    assert requests.ask() != requests.ask()


@pytest.mark.rule("certificate-in-use")
def test_a_certificate_stays_while_a_balancer_uses_it_and_a_while_longer(
        requests: Requests, zone: Zone, site: Site, clock: LabClock) -> None:
    arn = requests.ask()
    clock.skip(seconds("certificate-record"))
    requests.prove(zone, arn)
    clock.skip(seconds("certificate-issue") + seconds("record-change") + seconds("certificate-known"))
    balancer = site.balancer()["LoadBalancerArn"]
    listener = site.listen(balancer, site.targets(), Protocol="HTTPS", Port=443, Certificates=[{"CertificateArn": arn}])
    assert requests.described(arn)["InUseBy"] == [balancer]
    assert refusal(requests.acm.delete_certificate, CertificateArn=arn) == "ResourceInUseException"
    site.elb.delete_listener(ListenerArn=listener)
    assert requests.described(arn)["InUseBy"] == []
    assert refusal(requests.acm.delete_certificate, CertificateArn=arn) == "ResourceInUseException"
    clock.skip(seconds("certificate-release"))
    requests.acm.delete_certificate(CertificateArn=arn)
    with pytest.raises(ClientError) as gone:
        requests.described(arn)
    assert gone.value.response["Error"]["Code"] == "ResourceNotFoundException"


def issued(requests: Requests, zone: Zone, clock: LabClock) -> str:
    """A certificate that was issued a moment ago."""
    arn = requests.ask()
    clock.skip(seconds("certificate-record"))
    requests.prove(zone, arn)
    clock.skip(seconds("certificate-issue") + seconds("record-change"))
    assert requests.described(arn)["Status"] == "ISSUED"
    return arn


@pytest.mark.rule("certificate-known-late")
def test_balancers_know_a_certificate_some_seconds_after_it_was_issued(
        requests: Requests, zone: Zone, site: Site, clock: LabClock) -> None:
    arn = issued(requests, zone, clock)
    listen = partial(site.listen, site.balancer()["LoadBalancerArn"], site.targets(), Protocol="HTTPS", Port=443,
                     Certificates=[{"CertificateArn": arn}])
    assert refusal(listen) == "CertificateNotFound"
    clock.skip(seconds("certificate-known"))
    listen()


@pytest.mark.rule("certificate-released")
def test_a_certificate_counts_as_in_use_for_a_while_after_its_balancer_went(
        requests: Requests, zone: Zone, site: Site, clock: LabClock) -> None:
    arn = issued(requests, zone, clock)
    clock.skip(seconds("certificate-known"))
    balancer = site.balancer()["LoadBalancerArn"]
    site.listen(balancer, site.targets(), Protocol="HTTPS", Port=443, Certificates=[{"CertificateArn": arn}])
    site.elb.delete_load_balancer(LoadBalancerArn=balancer)
    clock.skip(seconds("balancer-delete"))
    settle(clock)
    assert refusal(requests.acm.delete_certificate, CertificateArn=arn) == "ResourceInUseException"
    clock.skip(seconds("certificate-release"))
    requests.acm.delete_certificate(CertificateArn=arn)


def listed(requests: Requests) -> list[str]:
    return [one["CertificateArn"] for one in requests.acm.list_certificates()["CertificateSummaryList"]]


@pytest.mark.rule("certificate-visible")
def test_a_new_certificate_is_unknown_for_some_seconds(requests: Requests, clock: LabClock) -> None:
    arn = requests.ask()
    assert refusal(requests.acm.describe_certificate, CertificateArn=arn) == "ResourceNotFoundException"
    clock.skip(seconds("certificate-visible"))
    assert requests.described(arn)["Status"] == "PENDING_VALIDATION"


@pytest.mark.rule("certificate-listed-late")
def test_a_new_certificate_is_listed_some_seconds_later(requests: Requests, clock: LabClock) -> None:
    arn = requests.ask()
    assert listed(requests) == []
    clock.skip(seconds("certificate-listed"))
    assert listed(requests) == [arn]


@pytest.mark.rule("certificate-still-listed")
def test_a_deleted_certificate_is_unknown_but_still_listed(requests: Requests, clock: LabClock) -> None:
    arn = requests.ask()
    clock.skip(seconds("certificate-listed"))
    requests.acm.delete_certificate(CertificateArn=arn)
    assert refusal(requests.acm.describe_certificate, CertificateArn=arn) == "ResourceNotFoundException"
    assert listed(requests) == [arn]
    clock.skip(seconds("certificate-still-listed"))
    assert listed(requests) == []


@pytest.mark.rule("certificate-listing")
def test_the_listing_goes_on_with_what_was_deleted_a_moment_ago(requests: Requests, clock: LabClock) -> None:
    first, second = requests.ask(), requests.ask()
    clock.skip(seconds("certificate-listed"))
    requests.acm.delete_certificate(CertificateArn=first)
    assert set(listed(requests)) == {first, second}


@pytest.mark.rule("certificate-domain")
@pytest.mark.parametrize("name", [f"{'a' * 53}.example.org", "no-dots", "under_score.example.org"])
def test_a_name_that_acm_does_not_take_is_refused(requests: Requests, name: str) -> None:
    assert refusal(requests.ask, domain=name) == "ValidationException"


def test_a_certificate_is_known_in_its_own_region_alone(requests: Requests, aws: Aws) -> None:
    arn = requests.ask()
    assert refusal(aws["us-west-2"].acm.describe_certificate, CertificateArn=arn) == "ResourceNotFoundException"
