"""ACM in the long run: a certificate grows old in AWS time, is renewed while somebody needs it and proves it, or ends.

The dates that ACM shows are told by the calendar of this machine, which clients go by: a day of AWS time that has
passed is a day less.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from moto.acm.models import CertBundle, acm_backends
from moto.core import DEFAULT_ACCOUNT_ID

from drctl.lab.certificates import is_proved, used_by
from drctl.lab.clock import CLOCK
from drctl.lab.rules import is_on, rule

#: How long before its end ACM renews a certificate (ACM User Guide, "Managed certificate renewal").
RENEWED_BEFORE = timedelta(days=60)
_ISSUED_AT = "_lab_issued_at"


def validity(certificate: CertBundle) -> tuple[datetime, datetime]:
    """From when to when a certificate is valid, as ACM shows it."""
    plain: Any = certificate._cert
    begins, ends = plain.not_valid_before_utc, plain.not_valid_after_utc
    if certificate.type != "AMAZON_ISSUED" or not is_on("certificate-ages"):
        return begins, ends
    _renew_or_end(certificate, ends - begins)
    age = timedelta(seconds=CLOCK.now() - certificate.__dict__.get(_ISSUED_AT, CLOCK.now()))
    now = datetime.now(UTC)
    return now - age, now - age + (ends - begins)


def _renew_or_end(certificate: CertBundle, lasts: timedelta) -> None:
    if certificate.status != "ISSUED":
        return
    issued: float = certificate.__dict__.setdefault(_ISSUED_AT, CLOCK.now())
    age, renewed_at = CLOCK.now() - issued, (lasts - RENEWED_BEFORE).total_seconds()
    if age >= renewed_at and used_by(certificate.arn) and is_proved(certificate):
        certificate.__dict__[_ISSUED_AT] = issued + age - age % renewed_at
    elif age >= lasts.total_seconds():
        certificate.status = "EXPIRED"


def expire(region: str) -> list[str]:
    """Let the certificates of a region that are in use have ended a day ago, unrenewed; their ARNs."""
    ended = []
    for certificate in list(acm_backends[DEFAULT_ACCOUNT_ID][region]._certificates.values()):
        if certificate.status == "ISSUED" and used_by(certificate.arn):
            begins, ends = validity(certificate)
            certificate.__dict__[_ISSUED_AT] = CLOCK.now() - (ends - begins + timedelta(days=1)).total_seconds()
            certificate.status = "EXPIRED"
            ended.append(str(certificate.arn))
    return ended


@rule("certificate-ages", CertBundle, "check", "describe")
def certificate_ages(proceed: Any, self: CertBundle) -> Any:
    """ACM renews its certificate 60 days before its end if a balancer uses it and DNS proves it; else it is EXPIRED.

    Source: ACM User Guide, "Managed certificate renewal in AWS Certificate Manager" and "Renewal for domains validated
    by DNS"; ACM API Reference, CertificateDetail: Status.
    """
    answer = proceed()
    begins, ends = validity(self)
    if answer is not None and "NotAfter" in answer["Certificate"]:
        answer["Certificate"] |= {"NotBefore": begins.timestamp(), "NotAfter": ends.timestamp(),
                                          "Status": self.status}
    return answer
