"""The public hosted zone of the application's name: the user's own, used as it is, or one that drctl makes.

Route 53 takes no tags when it makes a zone. The caller reference, which it keeps and lists, says whose the zone is
from its first moment; tags follow for inventories.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from drctl.aws.errors import Refusal, absent_is_fine, already, is_gone, is_one_of, or_none
from drctl.aws.tags import STACK_TAG, as_list, as_map, is_ours
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.usage import Use
from drctl.engine.waiting import minutes
from drctl.errors import NotOurs, Refused, WaitTimeout
from drctl.steps.generation import Generation
from drctl.steps.record_changes import await_sync, change, delete, plain

#: ACM lists only the oldest kinds of keys unless told otherwise (ACM API Reference, ListCertificates).
ALL_KEYS: Any = {"keyTypes": ["RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1",
                              "EC_secp521r1"]}
#: Certificates of CloudFront distributions are all here (CloudFront Developer Guide, "Requirements for certificates").
CLOUDFRONT = "us-east-1"
#: A zone takes one change at a time (Route 53 API Reference, DeleteHostedZone).
BUSY = (Refusal("PriorRequestNotComplete"),)
#: A new zone is unknown to some hosts for a minute (Terraform provider).
TAGS_NOT_YET = (Refusal("NoSuchHostedZone"), Refusal("PriorRequestNotComplete"))
GIVE_ID = "set dns.zone_id to its id, or dns.zone to a name of your own"


@dataclass(frozen=True)
class ZoneOut:
    """The zone as it stands; `tagged` is not asked of a given zone, which is never tagged."""

    id: str
    name: str
    name_servers: tuple[str, ...]
    given: bool
    tagged: bool


def reference_prefix(run: Run) -> str:
    """How the caller references of this stack's zone begin."""
    return f"drctl-{run.names.token('zone', run.settings.dns.zone)[:16]}"


@dataclass(frozen=True, eq=False)
class Zone(Step[ZoneOut]):
    """A given zone is neither made, tagged nor removed; our own is found by name and caller reference."""

    waits = ("record-change",)

    def find(self, run: Run) -> ZoneOut | None:
        given = self._given(run)
        zone_id = given or self._own(run)
        if zone_id is None:
            return None
        route53 = run.at(self.region).route53
        try:
            answer = route53.get_hosted_zone(Id=zone_id)
        except ClientError as error:
            if is_gone(error) or is_one_of(error, Refusal("InvalidInput")):
                return None
            raise
        return ZoneOut(zone_id, plain(answer["HostedZone"]["Name"]),
                       tuple(answer.get("DelegationSet", {}).get("NameServers", ())), given is not None,
                       given is not None or self._is_tagged(run, zone_id))

    def _given(self, run: Run) -> str | None:
        """The user's zone, however it was copied from a console or an API's answer."""
        given = run.settings.dns.zone_id
        return given.removeprefix("/hostedzone/") if given else None

    def _zones(self, run: Run) -> list[Any]:
        """All public zones of exactly this name: the listing only starts there."""
        wanted = plain(run.settings.dns.zone)
        answer = run.at(self.region).route53.list_hosted_zones_by_name(DNSName=wanted)
        return [zone for zone in answer["HostedZones"]
                if plain(zone["Name"]) == wanted and not zone.get("Config", {}).get("PrivateZone")]

    def _own(self, run: Run) -> str | None:
        prefix = reference_prefix(run)
        return next((zone["Id"].removeprefix("/hostedzone/") for zone in self._zones(run)
                     if zone["CallerReference"].startswith(prefix)), None)

    def _is_tagged(self, run: Run, zone_id: str) -> bool:
        answer = run.at(self.region).route53.list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone_id)
        return is_ours(as_map(answer["ResourceTagSet"]["Tags"]), run.settings.environment)

    def ensure(self, run: Run) -> ZoneOut:
        out = run.found(self)
        if run.settings.dns.zone_id is not None:
            return self._checked(run, out)
        if out is None:
            if not self.is_listed_by_now(run):
                self._create(run)
            out = self._listed(run)
        if not out.tagged:
            run.retry(f"zone {out.name} takes its tags", lambda: run.at(self.region).route53.change_tags_for_resource(
                ResourceType="hostedzone", ResourceId=out.id,
                AddTags=as_list(run.tags(None, run.name("zone", "public", "global")))), TAGS_NOT_YET, within=minutes(2))
        return out

    def _checked(self, run: Run, out: ZoneOut | None) -> ZoneOut:
        dns = run.settings.dns
        if out is None:
            raise Refused(f"hosted zone {dns.zone_id} does not exist in account {run.settings.account_id}",
                          next_step="correct dns.zone_id, or leave it out to have the zone made")
        if out.name != plain(dns.zone):
            raise Refused(f"hosted zone {dns.zone_id} is {out.name}, not {dns.zone}",
                          next_step="correct dns.zone or dns.zone_id")
        return out

    def is_listed_by_now(self, run: Run) -> bool:
        """Whether our own zone, made a moment ago, has come into view; Refused when the name is somebody else's.

        A second zone of one name gets other name servers, which nobody would ask.
        """
        zones = self._zones(run)
        own = any(zone["CallerReference"].startswith(reference_prefix(run)) for zone in zones)
        if zones and not own:
            self._refuse_another_stacks(run, zones[0]["Id"].removeprefix("/hostedzone/"))
            raise NotOurs(f"a hosted zone {run.settings.dns.zone} exists already ({zones[0]['Id']}) and is not this "
                          "stack's: a second one would not be asked by anybody", next_step=GIVE_ID)
        return own

    def _refuse_another_stacks(self, run: Run, zone_id: str) -> None:
        """A zone that another environment of drctl has made: either it was to be renamed, or there are to be two."""
        answer = run.at(self.region).route53.list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone_id)
        if owner := as_map(answer["ResourceTagSet"]["Tags"]).get(STACK_TAG):
            raise NotOurs(
                f"hosted zone {run.settings.dns.zone} ({zone_id}) belongs to the stack {owner}: an environment that "
                "stands cannot be renamed, for its name is in every name and tag",
                next_step=f"set environment back to {owner}; for a second stack beside it give dns.zone another name, "
                f"or dns.zone_id {zone_id} with another dns.record")

    def _create(self, run: Run) -> None:
        """A new zone is listed some seconds late: only the reference keeps a repeated request from making a second."""
        route53, name = run.at(self.region).route53, run.settings.dns.zone
        with already(Refusal("HostedZoneAlreadyExists")):  # a repeated request whose first answer was lost
            made = route53.create_hosted_zone(
                Name=name, CallerReference=f"{reference_prefix(run)}-{run.output(Generation(self.site, 'zone'))}",
                HostedZoneConfig={"Comment": f"drctl stack {run.settings.environment}"})
            await_sync(run, self.region, made["ChangeInfo"]["Id"])

    def _listed(self, run: Run) -> ZoneOut:
        """Usually within seconds (Terraform provider: 1 min)."""
        run.wait_until(f"zone {run.settings.dns.zone} is listed", lambda: run.refresh(self),
                       lambda zone: zone is not None, within=minutes(2))
        out = run.output(self)
        run.say(f"zone {out.name} is made; whoever owns its parent must delegate it to {', '.join(out.name_servers)}. "
                "Until then certificates stay unissued and the name unknown")
        return out

    def verify(self, run: Run, out: ZoneOut) -> Iterable[Finding]:
        if out.name != plain(run.settings.dns.zone):
            yield Finding(f"hosted zone {out.id} is {out.name}, not {run.settings.dns.zone}", "correct dns.zone_id")
        if not out.tagged:
            yield Finding(f"hosted zone {out.id} does not carry this stack's tags")

    def destroy(self, run: Run) -> None:
        given = self._given(run)
        zone_id = given or self._own(run)
        if zone_id is None:
            return
        with absent_is_fine():
            self._remove_validation(run, zone_id)
            if given is None:
                self._delete(run, zone_id)

    def _remove_validation(self, run: Run, zone_id: str) -> None:
        """Remove the CNAME that proved the name to ACM, unless a certificate still renews itself by it.

        ACM's CNAME is the same for all certificates of a name in an account, drctl's or not.
        """
        records = [record for record in self._records(run, zone_id) if is_validation(run, record)]
        if not records:
            return
        if arn := self._still_needed(run):
            run.say(f"the record {plain(records[0]['Name'])} stays in the zone: certificate {arn} renews itself by it")
        else:
            change(run, self.region, zone_id, [delete(record) for record in records])

    def _records(self, run: Run, zone_id: str) -> list[Any]:
        pages = run.at(self.region).route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone_id)
        return [record for page in pages for record in page["ResourceRecordSets"]]

    def _still_needed(self, run: Run) -> str | None:
        """A certificate of the name in the stack's regions or in CloudFront's."""
        return next((arn for region in dict.fromkeys((*(site.region for site in run.settings.sites), CLOUDFRONT))
                     for arn in self._certificates(run, region) if self._exists(run, region, arn)), None)

    def _certificates(self, run: Run, region: str) -> Iterable[str]:
        """ARNs of a region's certificates of the application's name or its wildcard."""
        for page in run.at(region).acm.get_paginator("list_certificates").paginate(Includes=ALL_KEYS):
            for one in page["CertificateSummaryList"]:
                names = (one["DomainName"], *one.get("SubjectAlternativeNameSummaries", ()))
                if run.settings.dns.name in {name.removeprefix("*.") for name in names}:
                    yield one["CertificateArn"]

    def _exists(self, run: Run, region: str, arn: str) -> bool:
        """ACM lists a certificate for a while after it was deleted, as the stack's own just were."""
        acm = run.at(region).acm

        def known() -> bool:
            return or_none(lambda: acm.describe_certificate(CertificateArn=arn)) is not None

        tags = or_none(lambda: acm.list_tags_for_certificate(CertificateArn=arn)) if known() else None
        if tags is None or not is_ours(as_map(tags.get("Tags")), run.settings.environment):
            return tags is not None
        try:
            return run.wait_until(f"certificate {arn} is gone", known, lambda seen: not seen, within=minutes(2))
        except WaitTimeout:
            return True

    def _delete(self, run: Run, zone_id: str) -> None:
        try:
            run.retry(f"zone {run.settings.dns.zone} can be deleted",
                      lambda: run.at(self.region).route53.delete_hosted_zone(Id=zone_id), BUSY, within=minutes(5))
            run.forget(Generation(self.site, "zone"))
        except ClientError as error:
            if not is_one_of(error, Refusal("HostedZoneNotEmpty")):
                raise
            left = sorted({f"{plain(record['Name'])} {record['Type']}" for record in self._records(run, zone_id)
                           if record["Type"] not in {"NS", "SOA"}})
            raise Refused(f"zone {run.settings.dns.zone} still has records that drctl did not make: {', '.join(left)}",
                          next_step="remove them, then drctl teardown") from error

    def uses(self, run: Run, out: ZoneOut | None) -> Iterable[Use]:
        """A zone that was given is on its owner's bill."""
        if run.settings.dns.zone_id is None:
            yield Use("DNS and health checks", "zone", 1)

    def resources(self, out: ZoneOut) -> Iterable[Resource]:
        if not out.given:
            yield Resource("route53:hostedzone", out.id, "global")


def is_validation(run: Run, record: Any) -> bool:
    """Whether a record is ACM's proof for the application's name."""
    values = [value["Value"] for value in record.get("ResourceRecords", [])]
    return bool(record["Type"] == "CNAME" and record["Name"].startswith("_")
                and plain(record["Name"]).endswith(f".{plain(run.settings.dns.name)}")
                and all(plain(value).endswith(".acm-validations.aws") for value in values))
