"""A certificate is requested once, proven, issued before anybody uses it, and goes when its listener has gone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from moto.acm.models import acm_backends

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import ConfigurationError, Refused
from drctl.lab.clock import CLOCK
from drctl.settings import Settings, Tls
from drctl.settings_operation import Alarms
from drctl.steps.certificate import Certificate
from drctl.steps.given_certificate import GivenCertificate, covers
from drctl.steps.zone import Zone
from tests.conftest import changes, ensure_with_needs

SITES = Settings().sites
ZONE = Zone(SITES[0])
CERTIFICATES = [Certificate(site, ZONE) for site in SITES]
CERTIFICATE = CERTIFICATES[1]


def request(aws: Aws, name: str, region: str = "us-east-1") -> str:
    return aws[region].acm.request_certificate(DomainName=name, ValidationMethod="DNS")["CertificateArn"]


def brought_along(aws: Aws, name: str, region: str = "us-east-1") -> str:
    """A certificate of the user's own, imported: ISSUED at once."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    today = datetime.now(UTC)
    signed = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
              .serial_number(x509.random_serial_number()).not_valid_before(today - timedelta(days=1))
              .not_valid_after(today + timedelta(days=90))
              .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
              .sign(key, hashes.SHA256()))
    return aws[region].acm.import_certificate(
        Certificate=signed.public_bytes(serialization.Encoding.PEM), PrivateKey=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption()))["CertificateArn"]


def findings(run: Run) -> list[str]:
    out = run.refresh(CERTIFICATE)
    assert out is not None
    return [finding.text for finding in CERTIFICATE.verify(run, out)]


def test_trap_1_the_certificate_is_real_issued_and_of_the_balancers_region(run: Run) -> None:
    for certificate in CERTIFICATES:
        out = ensure_with_needs(run, certificate)
        assert out.arn.split(":")[3] == certificate.region
        assert out.status == "ISSUED"
        assert out.days_left is not None
        assert out.days_left > 30
        assert list(certificate.verify(run, out)) == []


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, CERTIFICATE)
    again = make_run()
    ensure_with_needs(again, CERTIFICATE)
    assert changes(again, CERTIFICATE) == 0


@pytest.mark.notices("Certificate")
def test_verify_notices_that_the_record_that_renews_is_gone_and_ensure_puts_it_back(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, CERTIFICATE)
    route53 = aws["us-east-1"].route53
    zone_id = run.output(ZONE).id
    record = next(one for one in route53.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]
                  if one["Name"] == out.proof["Name"])
    route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Changes": [
        {"Action": "DELETE", "ResourceRecordSet": record}]})
    assert "renews" in findings(run)[0]
    ensure_with_needs(run, CERTIFICATE)
    assert findings(run) == []


def test_a_token_that_still_leads_to_a_deleted_certificate_is_given_up(
        run: Run, make_run: Callable[..., Run]) -> None:
    first = ensure_with_needs(run, CERTIFICATE)
    CERTIFICATE.destroy(run)
    tokens = acm_backends[run.settings.account_id][CERTIFICATE.region].__dict__["_lab_tokens"]
    for key in tokens:
        tokens[key] = first.arn, CLOCK.now() + 3e9  # within the hour, however slow this machine is
    again = make_run()
    again.clock.patience_s = 0.3
    second = ensure_with_needs(again, CERTIFICATE)
    assert second.arn != first.arn
    assert second.status == "ISSUED"


def test_a_certificate_near_its_end_is_a_finding(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, CERTIFICATE)
    strict = make_run(Settings(alarms=Alarms(certificate_days=5000)))
    out = strict.output(CERTIFICATE)
    assert "did not renew" in next(iter(CERTIFICATE.verify(strict, out))).text


def test_destroy_removes_ours_alone_and_twice_is_fine(run: Run, aws: Aws) -> None:
    foreign = request(aws, run.settings.dns.name, CERTIFICATE.region)
    ensure_with_needs(run, CERTIFICATE)
    CERTIFICATE.destroy(run)
    CERTIFICATE.destroy(run)
    left = aws[CERTIFICATE.region].acm.list_certificates()["CertificateSummaryList"]
    assert [one["CertificateArn"] for one in left] == [foreign]


def given(arn: str | None, **more: Alarms) -> Settings:
    return Settings(tls=Tls(mode="given", primary_certificate_arn=arn), **more)  # type: ignore[arg-type]  # alarms only


GIVEN = GivenCertificate(SITES[0])


def test_a_given_certificate_is_used_and_never_removed(make_run: Callable[..., Run], aws: Aws) -> None:
    run = make_run(given(brought_along(aws, "*.dr.example.com")))
    out = ensure_with_needs(run, GIVEN)
    GIVEN.destroy(run)
    assert GIVEN.find(run) == out
    assert changes(run, GIVEN) == 0


def test_a_given_certificate_that_is_not_issued_is_refused(make_run: Callable[..., Run], aws: Aws) -> None:
    with pytest.raises(Refused, match="not ISSUED"):
        GIVEN.ensure(make_run(given(request(aws, "app.dr.example.com"))))


def test_a_given_certificate_of_another_name_is_refused(make_run: Callable[..., Run], aws: Aws) -> None:
    with pytest.raises(Refused, match=r"not for app\.dr\.example\.com"):
        GIVEN.ensure(make_run(given(brought_along(aws, "other.example.com"))))


@pytest.mark.notices("GivenCertificate")
def test_a_given_certificate_near_its_end_is_refused(make_run: Callable[..., Run], aws: Aws) -> None:
    arn = brought_along(aws, "app.dr.example.com")
    with pytest.raises(Refused, match="ends in"):
        GIVEN.ensure(make_run(given(arn, alarms=Alarms(certificate_days=5000))))


def test_a_given_certificate_of_another_region_or_none_is_a_configuration_error(make_run: Callable[..., Run],
                                                                               aws: Aws) -> None:
    with pytest.raises(ConfigurationError, match="not a certificate of account"):
        GIVEN.ensure(make_run(given(brought_along(aws, "app.dr.example.com", "us-west-2"))))
    with pytest.raises(ConfigurationError, match="is missing"):
        GIVEN.ensure(make_run(given(None)))


def test_a_given_certificate_that_does_not_exist_is_refused(make_run: Callable[..., Run]) -> None:
    with pytest.raises(Refused, match="there is no certificate"):
        GIVEN.ensure(make_run(given(
            "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000")))


@pytest.mark.parametrize(("pattern", "name", "expected"), [
    ("app.example.com", "APP.example.com", True), ("*.example.com", "app.example.com", True),
    ("*.example.com", "a.app.example.com", False), ("*.example.com", "example.com", False),
    ("example.com", "app.example.com", False)])
def test_an_asterisk_covers_exactly_one_label(pattern: str, name: str, expected: bool) -> None:
    assert covers(pattern, name) is expected
