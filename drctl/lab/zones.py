"""Hosted zones: unknown for a moment when they are new, and busy for a moment with each change."""

from __future__ import annotations

from typing import Any

from moto.route53.exceptions import NoSuchHealthCheck, NoSuchHostedZone, Route53ClientError
from moto.route53.models import FakeZone, Route53Backend
from moto.route53.responses import Route53

from drctl.aws.durations import seconds
from drctl.lab import dns_answers, records  # noqa: F401  # their rules come first, so that these are asked before them
from drctl.lab.clock import CLOCK
from drctl.lab.rules import hide, is_hidden, rule

_WRITING = "_lab_writing_until"


@rule("zone-visible", Route53Backend, "create_hosted_zone", "get_hosted_zone", "list_hosted_zones",
      "list_hosted_zones_by_name")
def zone_visible(proceed: Any, self: Route53Backend, *args: Any, **kwargs: Any) -> Any:
    """A zone just made is missing in the listings for some seconds, and NoSuchHostedZone by its id.

    Source: Terraform provider: Route 53 record, NoSuchHostedZone is retried after a create.
    """
    known = set(self.zones)
    answer = proceed(*args, **kwargs)
    if isinstance(answer, tuple):
        return tuple([one for one in part if not is_hidden(one)] if isinstance(part, list) else part for part in answer)
    if answer.resource_id not in known:
        hide(answer, seconds("zone-visible"))
    elif is_hidden(answer):
        raise NoSuchHostedZone(answer.resource_id)
    return answer


@rule("zone-listing", Route53Backend, "list_hosted_zones_by_name")
def zone_listing(proceed: Any, self: Route53Backend, dnsname: str | None) -> Any:
    """The listing by name goes on from the name, its labels in reverse order: it does not end with it.

    Source: Route 53 API Reference, ListHostedZonesByName.
    """
    if not dnsname:
        return proceed(dnsname)
    name, (_, every) = dnsname.rstrip(".") + ".", self.list_hosted_zones_by_name(None)
    ordered: list[FakeZone] = sorted(every, key=lambda zone: _labels(zone.name))
    return name, [zone for zone in ordered if _labels(zone.name) >= _labels(name)]


def _labels(name: str) -> list[str]:
    return list(reversed(name.lower().rstrip(".").split(".")))


@rule("zone-busy", Route53, "change_resource_record_sets", "delete_hosted_zone")
def zone_busy(proceed: Any, self: Route53) -> Any:
    """A zone with a change still being written takes no other one: PriorRequestNotComplete.

    Source: Route 53 API Reference, ChangeResourceRecordSets and DeleteHostedZone.
    """
    zone = self.backend.zones.get(str(self._get_param("HostedZoneId") or self._get_param("Id")).split("/")[-1])
    if zone is not None and CLOCK.now() < zone.__dict__.get(_WRITING, 0.0):
        raise Route53ClientError("PriorRequestNotComplete", "The request was rejected because Route 53 was still "
                                 "processing a prior request.")
    answer = proceed()
    if zone is not None:
        zone.__dict__[_WRITING] = CLOCK.now() + seconds("zone-write")
    return answer


@rule("route53-tags", Route53, "change_tags_for_resource", "list_tags_for_resource")
def route53_tags(proceed: Any, self: Route53) -> Any:
    """What is not there, or not visible yet, has no tags and takes none: NoSuchHealthCheck, NoSuchHostedZone.

    Source: Route 53 API Reference, ChangeTagsForResource.
    """
    kind, name = self._get_param("ResourceType"), str(self._get_param("ResourceId"))
    there: dict[str, Any] = self.backend.health_checks if kind == "healthcheck" else self.backend.zones
    if name not in there or is_hidden(there[name]):
        raise NoSuchHealthCheck(name) if kind == "healthcheck" else NoSuchHostedZone(name)
    return proceed()
