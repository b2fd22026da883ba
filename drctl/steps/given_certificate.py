"""A TLS certificate that the user gives by ARN: checked, used, never made, changed or removed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from botocore.exceptions import ClientError

from drctl.aws.errors import Refusal, is_gone, is_one_of
from drctl.engine.run import Run
from drctl.engine.step import Finding, Step
from drctl.errors import ConfigurationError, Refused
from drctl.steps.certificate import CertificateOut, describe


@dataclass(frozen=True, eq=False)
class GivenCertificate(Step[CertificateOut]):
    """The certificate of `tls.primary_certificate_arn` or `tls.standby_certificate_arn`."""

    def setting(self) -> str:
        """Name of the setting that gives this site's certificate."""
        return f"tls.{self.site.role}_certificate_arn"

    def _arn(self, run: Run) -> str:
        """Raises ConfigurationError for a missing ARN, and for one of another region: balancers take only their own."""
        tls = run.settings.tls
        arn = tls.primary_certificate_arn if self.site.role == "primary" else tls.standby_certificate_arn
        if not arn:
            raise ConfigurationError(f"{self.setting()} is missing", next_step=(
                f"give the ARN of a certificate in {self.region}, or set tls.mode to acm"))
        if not arn.startswith(f"arn:aws:acm:{self.region}:{run.settings.account_id}:certificate/"):
            raise ConfigurationError(
                f"{self.setting()} is {arn}: not a certificate of account {run.settings.account_id} in {self.region}",
                next_step="ACM certificates belong to one region; give one of this region")
        return arn

    def find(self, run: Run) -> CertificateOut | None:
        try:
            return describe(run, self.region, self._arn(run))
        except ClientError as error:
            if is_gone(error) or is_one_of(error, Refusal("ValidationException")):
                return None
            raise

    def ensure(self, run: Run) -> CertificateOut:
        out = run.found(self)
        if out is None:
            raise Refused(f"{self.setting()}: there is no certificate {self._arn(run)}",
                          next_step="give an existing certificate, or set tls.mode to acm")
        if findings := list(self.verify(run, out)):
            raise Refused(f"{self.setting()}: {findings[0].text}", next_step=findings[0].mend,
                          findings=tuple(finding.text for finding in findings))
        return out

    def verify(self, run: Run, out: CertificateOut) -> Iterable[Finding]:
        name, limit = run.settings.dns.name, run.settings.alarms.certificate_days
        if out.status != "ISSUED":
            yield Finding(f"certificate {out.arn} is {out.status}, not ISSUED", "give an issued certificate")
        if not any(covers(pattern, name) for pattern in out.names):
            yield Finding(f"certificate {out.arn} is for {', '.join(out.names)}, not for {name}",
                          f"give a certificate that covers {name}")
        if out.days_left is not None and out.days_left < limit:
            yield Finding(f"certificate {out.arn} ends in {out.days_left} days, less than alarms.certificate_days "
                          f"({limit})", "renew it")

    def destroy(self, run: Run) -> None:
        """It belongs to the user."""


def covers(pattern: str, name: str) -> bool:
    """Whether a certificate's name covers `name`; an asterisk stands for exactly one label (RFC 6125)."""
    if pattern.startswith("*."):
        return name.lower().partition(".")[2] == pattern[2:].lower()
    return name.lower() == pattern.lower()
