"""ACM: a certificate waits for its record in DNS, is issued some time later, and cannot go while a balancer uses it."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from moto.acm.models import AWSCertificateManagerBackend, CertBundle, CertificateNotFound
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.exceptions import AWSError
from moto.elbv2.models import ELBv2Backend, FakeListener, elbv2_backends
from moto.route53.models import route53_backends

from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK
from drctl.lab.rules import hide, is_due, rule, take

#: How long a token makes the same certificate (ACM API Reference, RequestCertificate).
TOKEN_LASTS = 3600.0
#: A domain name, or the wildcard of one (ACM API Reference, RequestCertificate).
DOMAIN = re.compile(r"(\*\.)?(((?!-)[A-Za-z0-9-]{0,62}[A-Za-z0-9])\.)+((?!-)[A-Za-z0-9-]{1,62}[A-Za-z0-9])")


def validation_record(name: str) -> tuple[str, str]:
    """Name and value of the CNAME that proves a domain to ACM: the same in every region and for its wildcard."""
    domain = name.removeprefix("*.").lower()
    owner, value = (hashlib.md5(f"{part}:{domain}".encode(), usedforsecurity=False).hexdigest()
                    for part in ("name", "value"))
    return f"_{owner}.{domain}.", f"_{value}.jkddzztszm.acm-validations.aws."


def _names(certificate: CertBundle) -> list[str]:
    """All names of a certificate, its domain first."""
    others = sorted(name for name in certificate.sans if name != certificate.common_name)
    return [str(certificate.common_name), *others]


def _proved_at(name: str) -> float | None:
    """When the record that proves a name was on all DNS servers; None while no public zone has it."""
    owner, value = validation_record(name)
    for zone in list(route53_backends[DEFAULT_ACCOUNT_ID]["aws"].zones.values()):
        for record in zone.rrsets:
            wanted = record.name == owner and record.type == "CNAME" and not zone.private_zone
            if wanted and [text.rstrip(".") + "." for text in record.records] == [value]:
                return float(record.__dict__.get("_lab_due_at", 0.0))
    return None


def is_proved(certificate: CertBundle) -> bool:
    """Whether the records of all its names are in DNS."""
    return all(_proved_at(name) is not None for name in _names(certificate))


@rule("certificate-validation", CertBundle, "check")
def certificate_validation(proceed: Any, self: CertBundle) -> Any:
    """A certificate is PENDING_VALIDATION until every name is proved in DNS, and for minutes after that.

    Source: ACM User Guide, DNS validation.
    """
    if self.type != "AMAZON_ISSUED" or self.status != "PENDING_VALIDATION":
        return proceed()
    proved = [_proved_at(name) for name in _names(self)]
    if all(moment is not None and CLOCK.now() >= moment + seconds("certificate-issue") for moment in proved):
        self.status = "ISSUED"
    return None


@rule("certificate-known-late", CertBundle, "check")
def certificate_known_late(proceed: Any, self: CertBundle) -> Any:
    """Balancers do not know a certificate for some seconds after it was issued: CertificateNotFound.

    Source: Terraform provider: listener, creation is retried on CertificateNotFound for five minutes.
    """
    before = self.status
    proceed()
    if before == "PENDING_VALIDATION" and self.status == "ISSUED":
        proved = [moment for moment in map(_proved_at, _names(self)) if moment is not None]
        known_at = max(proved, default=CLOCK.now()) + seconds("certificate-issue") + seconds("certificate-known")
        hide(self, known_at - CLOCK.now())


@rule("certificate-described", CertBundle, "describe")
def certificate_described(proceed: Any, self: CertBundle) -> Any:
    """The record to make is told a few seconds after the request; dates when the certificate is issued.

    InUseBy holds the balancers. Source: ACM API Reference, CertificateDetail.
    """
    described = proceed()["Certificate"]
    described["InUseBy"] = used_by(self.arn)
    if self.type == "AMAZON_ISSUED":
        described["DomainValidationOptions"] = [validation_of(self, name) for name in _names(self)]
    if self.status == "PENDING_VALIDATION":
        for key in ("NotAfter", "NotBefore", "IssuedAt", "Serial"):
            described.pop(key, None)
    else:
        described["RenewalEligibility"] = "ELIGIBLE" if described["InUseBy"] else "INELIGIBLE"
    return {"Certificate": described}


def validation_of(certificate: CertBundle, name: str) -> dict[str, Any]:
    """How far the proof of one name is."""
    owner, value = validation_record(name)
    record = {"ResourceRecord": {"Name": owner, "Type": "CNAME", "Value": value}} if is_due(certificate) else {}
    status = "SUCCESS" if certificate.status == "ISSUED" else certificate.status
    return {"DomainName": name, "ValidationDomain": name, "ValidationMethod": "DNS", "ValidationStatus": status,
            **record}


@rule("certificate-token", AWSCertificateManagerBackend, "request_certificate")
def certificate_token(proceed: Any, self: AWSCertificateManagerBackend, domain_name: str, idempotency_token: str | None,
                      *args: Any, **kwargs: Any) -> Any:
    """Within an hour the same token and domain give the same certificate, be it deleted since.

    Source: ACM API Reference, RequestCertificate.
    """
    tokens: dict[tuple[str, str], tuple[str, float]] = self.__dict__.setdefault("_lab_tokens", {})
    arn, until = tokens.get((idempotency_token or "", domain_name), ("", 0.0))
    if arn and CLOCK.now() < until:
        return arn
    arn = proceed(domain_name, None, *args, **kwargs)
    if idempotency_token:
        tokens[idempotency_token, domain_name] = arn, CLOCK.now() + TOKEN_LASTS
    return arn


@rule("certificate-record-late", AWSCertificateManagerBackend, "request_certificate")
def certificate_record_late(proceed: Any, self: AWSCertificateManagerBackend, *args: Any, **kwargs: Any) -> Any:
    """The record to make for a new certificate is told some seconds after the request.

    Source: ACM API Reference, RequestCertificate and DescribeCertificate.
    """
    known = set(self._certificates)
    arn = proceed(*args, **kwargs)
    if arn in self._certificates and arn not in known:
        take(self._certificates[arn], seconds("certificate-record"))
    return arn


@rule("certificate-domain", AWSCertificateManagerBackend, "request_certificate")
def certificate_domain(proceed: Any, _self: AWSCertificateManagerBackend, domain_name: str, *args: Any,
                       **kwargs: Any) -> Any:
    """A certificate's first name is a domain of 64 octets at most, a further one of 253: ValidationException.

    Source: ACM API Reference, RequestCertificate: DomainName and SubjectAlternativeNames.
    """
    others = kwargs.get("subject_alt_names") or (args[1] if len(args) > 1 else None) or []
    for name in (domain_name, *others):
        if not DOMAIN.fullmatch(name) or len(name) > 253:
            raise AWSError(f"Value '{name}' failed to satisfy constraint: Member must satisfy regular expression "
                           f"pattern: {DOMAIN.pattern}", exception_type="ValidationException")
    if len(domain_name) > 64:
        raise AWSError("The first domain name can be no longer than 64 characters.",
                       exception_type="ValidationException")
    return proceed(domain_name, *args, **kwargs)


@rule("certificate-visible", AWSCertificateManagerBackend, "request_certificate", "describe_certificate")
def certificate_visible(proceed: Any, self: AWSCertificateManagerBackend, *args: Any, **kwargs: Any) -> Any:
    """A certificate just asked for is unknown for some seconds: ResourceNotFoundException.

    Source: Terraform provider: ACM certificate, ResourceNotFoundException is retried after the request.
    """
    known = set(self._certificates)
    answer = proceed(*args, **kwargs)
    if isinstance(answer, CertBundle):
        if CLOCK.now() < answer.__dict__.get("_lab_visible_at", 0.0):
            raise CertificateNotFound(arn=answer.arn, account_id=self.account_id)
    elif answer in self._certificates and answer not in known:
        self._certificates[answer].__dict__["_lab_visible_at"] = CLOCK.now() + seconds("certificate-visible")
    return answer


@rule("certificate-listed-late", AWSCertificateManagerBackend, "request_certificate", "list_certificates")
def certificate_listed_late(proceed: Any, self: AWSCertificateManagerBackend, *args: Any, **kwargs: Any) -> Any:
    """The listing lacks a certificate just asked for, for some seconds.

    Source: Terraform provider: ACM is eventually consistent.
    """
    known = set(self._certificates)
    answer = proceed(*args, **kwargs)
    if isinstance(answer, str):
        if answer in self._certificates and answer not in known:
            self._certificates[answer].__dict__["_lab_listed_at"] = CLOCK.now() + seconds("certificate-listed")
        return answer
    return [one for one in answer if CLOCK.now() >= one.__dict__.get("_lab_listed_at", 0.0)]


def used_by(arn: str) -> list[str]:
    """ARNs of the balancers whose listeners have the certificate."""
    region = arn.split(":")[3]
    balancers = list(elbv2_backends[DEFAULT_ACCOUNT_ID][region].load_balancers.values())
    return [str(balancer.arn) for balancer in balancers
            if any(arn in listener.certificates for listener in list(balancer.listeners.values()))]


@rule("certificate-released", ELBv2Backend, "delete_listener", "delete_load_balancer")
def certificate_released(proceed: Any, self: ELBv2Backend, arn: str) -> Any:
    """A certificate stays in use for a while after its listener has gone.

    Source: Terraform provider: ACM certificate, deletion is retried on ResourceInUseException.
    """
    listeners: list[FakeListener] = [listener for balancer in self.load_balancers.values()
                                     for listener in balancer.listeners.values() if arn in {balancer.arn, listener.arn}]
    released: dict[str, float] = self.__dict__.setdefault("_lab_released", {})
    for listener in listeners:
        released |= dict.fromkeys(listener.certificates, CLOCK.now() + seconds("certificate-release"))
    return proceed(arn)


@rule("certificate-in-use", AWSCertificateManagerBackend, "delete_certificate")
def certificate_in_use(proceed: Any, self: AWSCertificateManagerBackend, arn: str) -> Any:
    """A certificate that a balancer uses, or used a moment ago, stays: ResourceInUseException.

    Source: ACM API Reference, DeleteCertificate.
    """
    balancers = elbv2_backends[self.account_id][self.region_name]
    released: dict[str, float] = balancers.__dict__.get("_lab_released", {})
    if used_by(arn) or CLOCK.now() < released.get(arn, 0.0):
        raise AWSError(f"Certificate {arn} is in use.", exception_type="ResourceInUseException")
    return proceed(arn)


@rule("certificate-still-listed", AWSCertificateManagerBackend, "delete_certificate")
def certificate_still_listed(proceed: Any, self: AWSCertificateManagerBackend, arn: str) -> Any:
    """A deleted certificate is unknown at once, but listed for a while.

    Source: ACM API Reference, ListCertificates; Terraform provider: ACM is eventually consistent.
    """
    certificate = self._certificates.get(arn)
    proceed(arn)
    listed: dict[str, tuple[CertBundle, float]] = self.__dict__.setdefault("_lab_still_listed", {})
    if certificate is not None:
        listed[arn] = certificate, CLOCK.now() + seconds("certificate-still-listed")


@rule("certificate-listing", AWSCertificateManagerBackend, "list_certificates")
def certificate_listing(proceed: Any, self: AWSCertificateManagerBackend, *args: Any, **kwargs: Any) -> Any:
    """The listing goes on with certificates that were deleted a moment ago.

    Source: Terraform provider: ACM is eventually consistent.
    """
    late: dict[str, tuple[CertBundle, float]] = self.__dict__.get("_lab_still_listed", {})
    return [*proceed(*args, **kwargs), *(one for one, until in late.values() if CLOCK.now() < until)]
