"""The TLS certificate of a region's balancer, requested from ACM and proven through the zone.

It covers the one name the balancer answers to: a wildcard would let its holder speak for every name of the zone. Both
regions' certificates are proven by one CNAME, which also renews them, so the zone removes it and no certificate does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, or_none
from drctl.aws.tags import as_list, as_map, is_ours
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.waiting import minutes
from drctl.errors import Refused
from drctl.steps.record_changes import change, plain, upsert
from drctl.steps.zone import Zone

#: States that a certificate does not leave (ACM API Reference, CertificateDetail).
DEAD = frozenset({"EXPIRED", "FAILED", "INACTIVE", "REVOKED", "VALIDATION_TIMED_OUT"})
#: Certificates deleted within the hour that their tokens are taken to lead to, one after the other.
REMEMBERED = 4


@dataclass(frozen=True)
class CertificateOut:
    """The certificate as it stands; `days_left` is None until it is issued."""

    arn: str
    days_left: int | None
    status: str
    names: tuple[str, ...]
    #: The CNAME that proves the name, for certificates of ACM's own.
    proof: dict[str, Any] | None = None


def describe(run: Run, region: str, arn: str) -> CertificateOut:
    """What ACM says of a certificate; raises ResourceNotFoundException as ACM does."""
    seen = run.at(region).acm.describe_certificate(CertificateArn=arn)["Certificate"]
    ends, options = seen.get("NotAfter"), seen.get("DomainValidationOptions", [])
    left = None if ends is None or seen["Status"] != "ISSUED" else (ends - datetime.now(UTC)).days
    proof: Any = options[0].get("ResourceRecord") if options else None
    reason = f" ({seen['FailureReason']})" if "FailureReason" in seen else ""
    return CertificateOut(arn, left, seen["Status"] + reason, tuple(seen.get("SubjectAlternativeNames", ())), proof)


@dataclass(frozen=True, eq=False)
class Certificate(Step[CertificateOut]):
    """Found by its domain name and our tag."""

    waits = ("record-change", "certificate-issue")
    waits_to_change = ("record-change",)

    zone: Zone

    def find(self, run: Run) -> CertificateOut | None:
        arn = next((one["CertificateArn"] for one in self._own(run) if one["Status"] not in DEAD), None)
        return or_none(lambda: describe(run, self.region, arn)) if arn else None

    def _own(self, run: Run) -> Iterator[Any]:
        """Our certificates of the name, dead ones too. Deleted ones, which ACM lists for a while, have no tags."""
        acm = run.at(self.region).acm
        for page in acm.get_paginator("list_certificates").paginate():
            for one in page["CertificateSummaryList"]:
                if one["DomainName"] != run.settings.dns.name:
                    continue
                tags: Any = or_none(partial(acm.list_tags_for_certificate, CertificateArn=one["CertificateArn"])) or {}
                if is_ours(as_map(tags.get("Tags")), run.settings.environment):
                    yield one

    def ensure(self, run: Run) -> CertificateOut:
        out = run.found(self)
        arn = out.arn if out else self._request(run)
        if out is None or out.days_left is None:
            self._prove(run, arn)
            out = self._issued(run, arn)
        elif self._proof_is_missing(run, out):
            self._prove(run, arn)
        return out

    def _request(self, run: Run, *gone: str) -> str:
        """The certificate asked for. ACM remembers the token for an hour, also of one that was deleted since: the
        successor of a dead or deleted certificate needs another token."""
        own, name = list(self._own(run)), run.settings.dns.name
        living = [str(one["CertificateArn"]) for one in own if one["Status"] not in DEAD]
        if asked := set(living) - set(gone):
            return asked.pop()  # listed by now: a run that ended, or a call whose answer was lost, asked for it
        dead = sorted({*gone, *(one["CertificateArn"] for one in own)})
        arn = run.at(self.region).acm.request_certificate(
            DomainName=name, ValidationMethod="DNS",
            IdempotencyToken=run.names.token("certificate", self.region, name, *dead),
            Tags=as_list(run.tags(self.site, run.name("acm", "app", self.site))))["CertificateArn"]
        if len(gone) >= REMEMBERED:  # not that many were deleted: ACM shows none of what it makes
            self._known(run, arn)
            return arn
        known = arn not in gone and or_none(lambda: self._known(run, arn)) is not None
        return arn if known else self._request(run, *gone, arn)

    def _known(self, run: Run, arn: str) -> CertificateOut:
        """A new certificate is known within seconds; a deleted one never again."""
        return run.retry("the new certificate is known", partial(describe, run, self.region, arn),
                         (Refusal("ResourceNotFoundException"),), within=60)

    def _prove(self, run: Run, arn: str) -> None:
        """The record to make is told some seconds after the request; UPSERT, since the other region makes the same."""
        seen = run.wait_until(
            "ACM tells the record that proves the name", lambda: self._known(run, arn),
            lambda one: one.proof is not None, within=minutes(5), every=5, show=lambda one: one.status)
        if seen.proof is not None:
            change(run, self.region, run.output(self.zone).id, [upsert(_cname(seen.proof))])

    def _issued(self, run: Run, arn: str) -> CertificateOut:
        """Minutes, once public DNS leads to the zone; Terraform provider: 75 min at most."""
        zone = run.output(self.zone)
        return run.wait_until(
            f"the certificate for {run.settings.dns.name} is issued, which needs zone {zone.name} to be delegated to "
            f"{', '.join(zone.name_servers)}", partial(describe, run, self.region, arn),
            lambda one: one.status == "ISSUED", within=minutes(75), every=30, show=lambda one: one.status,
            failed=lambda one: f"ACM ended it as {one.status}" if one.status.split()[0] in DEAD else None)

    def _proof_is_missing(self, run: Run, out: CertificateOut) -> bool:
        if out.proof is None:
            return False
        answer = run.at(self.region).route53.list_resource_record_sets(
            HostedZoneId=run.output(self.zone).id, StartRecordName=out.proof["Name"], StartRecordType="CNAME",
            MaxItems="1")
        return not any(plain(one["Name"]) == plain(out.proof["Name"]) for one in answer["ResourceRecordSets"])

    def verify(self, run: Run, out: CertificateOut) -> Iterable[Finding]:
        if out.status != "ISSUED":
            yield Finding(f"certificate {out.arn} is {out.status}, not ISSUED")
        elif out.days_left is not None and out.days_left < run.settings.alarms.certificate_days:
            yield Finding(f"certificate {out.arn} ends in {out.days_left} days: ACM did not renew it",
                          "see that the zone is delegated and holds the validation record, then drctl provision")
        if self._proof_is_missing(run, out):
            yield Finding(f"the record that renews certificate {out.arn} is gone from the zone")

    def destroy(self, run: Run) -> None:
        """A certificate counts as in use for minutes after its listener went (Terraform provider: 20 min)."""
        acm = run.at(self.region).acm
        for one in list(self._own(run)):
            arn = one["CertificateArn"]
            with absent_is_fine():
                run.retry(f"certificate {arn} is free", partial(acm.delete_certificate, CertificateArn=arn),
                          (Refusal("ResourceInUseException"),), within=minutes(20), every=30)

    def resources(self, out: CertificateOut) -> Iterable[Resource]:
        yield Resource("acm:certificate", out.arn, self.region)


def _cname(proof: dict[str, Any]) -> dict[str, Any]:
    if proof["Type"] != "CNAME":
        raise Refused(f"ACM asks for a {proof['Type']} record to prove the name; only CNAME is known")
    return {"Name": proof["Name"], "Type": "CNAME", "TTL": 300, "ResourceRecords": [{"Value": proof["Value"]}]}
