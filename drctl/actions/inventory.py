"""The inventory: everything of the stack that stands in both regions, asked of AWS independently of the steps.

The verdict of a teardown comes from here: by tag; where a listing does not tell tags, the stack's names choose whom to
ask for them, and names alone count only where AWS has no tags.
The tagging API alone proves nothing: it lags by minutes, and some kinds are missing from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from drctl.actions.listings import DEAD, EC2, ONCE, REGIONAL, Listing
from drctl.actions.ownership import UNTAGGED, carries_our_tag, is_log_of_our_cluster, is_stack_name
from drctl.aws.errors import code_of, is_gone, or_none
from drctl.aws.tags import STACK_TAG, as_map, is_ours, ours
from drctl.engine.run import Run
from drctl.engine.runbook import Action
from drctl.engine.step import Resource
from drctl.engine.waiting import minutes
from drctl.errors import ChecksFailed
from drctl.names import GLOBAL
from drctl.steps import health_checks, zone
from drctl.steps.bucket import Bucket

#: A look at some kinds in one region: kind and id of everything found.
Look = Callable[[], Iterable[tuple[str, str]]]
#: Whether a thing of a kind and an id is known already.
Known = Callable[[str, str], bool]


def nothing(_kind: str, _id: str) -> bool:
    """Nothing is known already."""
    return False


def inventory(run: Run, known: Known = nothing) -> list[Resource]:
    """Every resource of the stack that stands, in both regions; keys that wait for their deletion are not counted.

    What is `known` by kind and id is neither asked for its tags nor told.
    """
    looks = _listings(run, known=known)
    for site in run.settings.sites:
        looks += [(site.region, partial(networks, run, site.region, known)),
                  (site.region, partial(keys, run, site.region, known)),
                  (site.region, partial(certificates, run, site.region, known)),
                  (site.region, partial(parameters, run, site.region))]
    return [one for one in _asked([*looks, (GLOBAL, partial(route53, run, known))]) if not known(one.kind, one.id)]


def copy_inventory(run: Run, label: str) -> list[Resource]:
    """What stands in both regions of a temporary copy that is called `label`, known by tag and name as the rest is."""
    return _asked(_listings(run, label, also=EC2))


def _listings(run: Run, label: str = "", known: Known = nothing, also: tuple[Listing, ...] = ()) -> list[
        tuple[str, Look]]:
    regions = [site.region for site in run.settings.sites]
    places = [*((region, region, one) for region in regions for one in (*also, *REGIONAL)),
              *((GLOBAL, regions[0], one) for one in ONCE)]
    return [(place, partial(_listed, run, one, region, label, known)) for place, region, one in places]


def _asked(looks: list[tuple[str, Look]]) -> list[Resource]:
    with ThreadPoolExecutor(max_workers=8) as pool:
        asked = [(region, pool.submit(copy_context().run, _all, look)) for region, look in looks]
    found = {Resource(kind, name, region) for region, answer in asked for kind, name in answer.result()}
    return sorted(found, key=lambda one: (one.region, one.kind, one.id))


def _all(look: Look) -> list[tuple[str, str]]:
    return list(look())


def _pages(client: Any, operation: str, arguments: dict[str, Any]) -> Iterator[Any]:
    if client.can_paginate(operation):
        yield from client.get_paginator(operation).paginate(**arguments)
    else:
        yield getattr(client, operation)(**arguments)


def _listed(run: Run, listing: Listing, region: str, label: str, known: Known) -> list[tuple[str, str]]:
    client: Any = getattr(run.at(region), listing.service)
    arguments = dict(listing.arguments)
    if listing.service == "ec2":
        arguments["Filters"] = ours(run.settings.environment)
    return [(listing.kind, item if isinstance(item, str) else item[listing.id])
            for page in _pages(client, listing.operation, arguments) for item in page.get(listing.items, [])
            if (isinstance(item, str) or listing.state(item) not in DEAD) and _is_called(run, listing, item, label)
            and not known(listing.kind, item if isinstance(item, str) else item[listing.id])
            and _is_owned(run, listing, client, item)]


def _is_called(run: Run, listing: Listing, item: Any, label: str) -> bool:
    """Whether an item's name, its id or its Name tag, is one of the copy `label`; everything is without a label."""
    if not label:
        return True
    words = [item] if isinstance(item, str) else [
        str(item[listing.id]), str(item.get(listing.name, "")), as_map(item.get(listing.tags)).get("Name", "")]
    regions = "|".join(re.escape(site.region) for site in run.settings.sites)
    return any(re.search(rf"-{re.escape(label)}(?:-[a-z]+)?-(?:{regions})-", word) for word in words)


def _is_owned(run: Run, listing: Listing, client: Any, item: Any) -> bool:
    if listing.tags:
        return is_ours(as_map(item.get(listing.tags)), run.settings.environment)
    name, item_id = (item, item) if isinstance(item, str) else (item[listing.name], item[listing.id])
    if listing.service == "logs" and is_log_of_our_cluster(run, name):
        return True
    return is_stack_name(run, name) and (
        listing.kind in UNTAGGED or carries_our_tag(run, listing.service, client, item_id))


def networks(run: Run, region: str, known: Known) -> Iterator[tuple[str, str]]:
    """What EC2 holds. Where all that it knows by our tag is known already, one call has told so; what else there is,
    and whether it is still alive, tell only the listings of each kind."""
    tagged = [{"Name": "key", "Values": [STACK_TAG]}, {"Name": "value", "Values": [run.settings.environment]}]
    if known is not nothing and all(
            any(known(one.kind, tag["ResourceId"]) for one in EC2)
            for page in _pages(run.at(region).ec2, "describe_tags", {"Filters": tagged}) for tag in page["Tags"]):
        return
    for one in EC2:
        yield from _listed(run, one, region, "", known)


def keys(run: Run, region: str, known: Known = nothing) -> Iterator[tuple[str, str]]:
    """Keys have no name: those that are not waiting for deletion are looked at by their tags."""
    kms = run.at(region).kms
    for page in _pages(kms, "list_keys", {}):
        for key in page["Keys"]:
            if not known("kms:key", key["KeyArn"]) and _is_key_of_ours(run, kms, key["KeyId"]):
                yield "kms:key", key["KeyArn"]


def _is_key_of_ours(run: Run, kms: Any, key_id: str) -> bool:
    """A key whose policy does not let us ask about it is somebody else's (KMS Developer Guide, "Key policies")."""
    try:
        data = kms.describe_key(KeyId=key_id)["KeyMetadata"]
        if data["KeyManager"] != "CUSTOMER" or "Deletion" in data["KeyState"]:
            return False
        return is_ours(as_map(kms.list_resource_tags(KeyId=key_id).get("Tags")), run.settings.environment)
    except kms.exceptions.ClientError as error:
        if is_gone(error) or code_of(error) == "AccessDeniedException":
            return False
        raise


def certificates(run: Run, region: str, known: Known) -> Iterator[tuple[str, str]]:
    """Certificates have no name either; only those of the stack's domain are asked for their tags.

    A deleted one is listed for a while and has none (Terraform provider: ACM is eventually consistent).
    """
    acm = run.at(region).acm
    for page in _pages(acm, "list_certificates", {}):
        for one in page["CertificateSummaryList"]:
            if known("acm:certificate", one["CertificateArn"]) or not one["DomainName"].endswith(
                    run.settings.dns.zone):
                continue
            tags: Any = or_none(partial(acm.list_tags_for_certificate, CertificateArn=one["CertificateArn"])) or {}
            if is_ours(as_map(tags.get("Tags")), run.settings.environment):
                yield "acm:certificate", one["CertificateArn"]


def parameters(run: Run, region: str) -> Iterator[tuple[str, str]]:
    """Everything below the stack's own path."""
    arguments = {"Path": f"/drctl/{run.settings.environment}", "Recursive": True}
    for page in _pages(run.at(region).ssm, "get_parameters_by_path", arguments):
        for parameter in page["Parameters"]:
            yield "ssm:parameter", parameter["ARN"]


def route53(run: Run, known: Known) -> Iterator[tuple[str, str]]:
    """Route 53 allows five requests a second: tags are asked for ten resources at a time.

    It takes no tags in its create calls: what was made by a run that died then is known by its caller reference.
    """
    client: Any = run.at(run.settings.primary).route53
    zones = {one["Id"].rpartition("/")[2]: one["CallerReference"] for page in _pages(client, "list_hosted_zones", {})
             for one in page["HostedZones"] if one["Name"].rstrip(".") == run.settings.dns.zone}
    checks = {check["Id"]: check["CallerReference"] for page in _pages(client, "list_health_checks", {})
              for check in page["HealthChecks"]}
    for kind, references, mark in (("hostedzone", zones, zone.reference_prefix(run)),
                                   ("healthcheck", checks, health_checks.reference_prefix(run))):
        ids = [name for name, reference in references.items() if not reference.startswith(f"{mark}-")]
        yield from ((f"route53:{kind}", name) for name in references if name not in ids)
        ids = [name for name in ids if not known(f"route53:{kind}", name)]
        for start in range(0, len(ids), 10):
            answer = client.list_tags_for_resources(ResourceType=kind, ResourceIds=ids[start: start + 10])
            for tags in answer["ResourceTagSets"]:
                if is_ours(as_map(tags["Tags"]), run.settings.environment):
                    yield f"route53:{kind}", tags["ResourceId"]


@dataclass(frozen=True, eq=False)
class ProveEmpty(Action):
    """Nothing of the stack stands in either region; ChecksFailed with the list otherwise."""

    #: Buckets that are still needed, and removed when nothing else is left.
    besides: tuple[Bucket, ...] = ()
    why = "a delete that was accepted is not yet a thing that is gone"
    typical_minutes = 0.5
    if_stuck = "drctl teardown again; what is listed twice has something of somebody else in it"
    phase: ClassVar[str] = "inventory"

    @property
    def title(self) -> str:
        return "prove that nothing is left"

    def do(self, run: Run) -> None:
        left = self._left(run)
        for _ in range(3):
            if not left:
                break
            run.clock.sleep(minutes(1))  # listings lag behind deletes
            left = self._left(run)
        lines = tuple(_lines(left))
        run.measure("left", list(lines))
        if lines:
            raise ChecksFailed(f"{len(lines)} resource(s) are left", findings=lines, next_step="drctl teardown")

    def _left(self, run: Run) -> list[Resource]:
        kept = {bucket.name(run) for bucket in self.besides}
        return [one for one in inventory(run) if one.id not in kept]


def _lines(resources: Iterable[Resource]) -> Iterator[str]:
    for one in resources:
        yield f"{one.kind} {one.id} ({one.region})"
