"""Certificates wait for their record in DNS, and stay while a balancer uses them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from tests.lab.conftest import eventually
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
        for record in {each["Name"]: each for each in self.records(arn)}.values():
            zone.change(("UPSERT", {"Name": record["Name"], "Type": "CNAME", "TTL": 60,
                                    "ResourceRecords": [{"Value": record["Value"]}]}))


@pytest.fixture
def requests(aws: Aws) -> Requests:
    return Requests(aws)


@pytest.fixture
def zone(aws: Aws) -> Zone:
    return Zone(aws)


def test_the_record_to_make_is_told_some_seconds_later(requests: Requests, clock: LabClock) -> None:
    arn = requests.ask()
    assert requests.records(arn) == [None]
    clock.skip(seconds("certificate-record"))
    assert requests.records(arn)[0]["Name"].endswith(".app.example.org.")


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


def test_the_same_token_gives_the_same_certificate_for_an_hour(requests: Requests, clock: LabClock) -> None:
    first = requests.ask(IdempotencyToken="once")
    assert requests.ask(IdempotencyToken="once") == first
    assert requests.ask("other.example.org", IdempotencyToken="once") != first
    clock.skip(3600)
    assert requests.ask(IdempotencyToken="once") != first


def test_without_a_token_every_request_makes_a_certificate(requests: Requests) -> None:
    assert requests.ask() != requests.ask()


def test_a_certificate_stays_while_a_balancer_uses_it_and_a_while_longer(
        requests: Requests, zone: Zone, aws: Aws, clock: LabClock) -> None:
    site, arn = Site(aws), requests.ask()
    clock.skip(seconds("certificate-record"))
    requests.prove(zone, arn)
    clock.skip(seconds("certificate-issue") + seconds("record-change"))
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
