"""Hosted zones are unknown for a moment when they are new, and take one change at a time."""

from __future__ import annotations

import pytest

from drctl.aws.clients import Aws, Credentials, Door
from drctl.aws.durations import seconds
from drctl.engine.clock import Clock
from drctl.engine.events import Events
from drctl.lab.clock import LabClock
from drctl.lab.server import Lab
from tests.lab.test_balancing import refusal
from tests.lab.test_records import Zone, text

NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def once(lab: Lab) -> Aws:
    """Clients that ask once: the SDK repeats PriorRequestNotComplete by itself."""
    return Aws(Door(lab.endpoint, Credentials("lab", "lab"), attempts=1), Events(Clock(1)))


@pytest.mark.rule("zone-visible")
def test_a_new_zone_is_unknown_for_some_seconds(aws: Aws, clock: LabClock) -> None:
    zone = Zone(aws)
    assert zone.refused(("CREATE", text()))[0] == "NoSuchHostedZone"
    assert refusal(zone.dns.get_hosted_zone, Id=zone.id) == "NoSuchHostedZone"
    assert not zone.dns.list_hosted_zones()["HostedZones"]
    assert not zone.dns.list_hosted_zones_by_name(DNSName="example.org")["HostedZones"]
    clock.skip(seconds("zone-visible"))
    zone.change(("CREATE", text()))
    assert zone.dns.list_hosted_zones_by_name(DNSName="example.org")["HostedZones"]


@pytest.mark.rule("zone-busy")
def test_a_zone_takes_one_change_at_a_time(once: Aws, clock: LabClock) -> None:
    zone = Zone(once)
    clock.skip(seconds("zone-visible"))
    zone.change(("UPSERT", text()))
    assert zone.refused(("DELETE", text()))[0] == "PriorRequestNotComplete"
    clock.skip(seconds("zone-write"))
    zone.change(("DELETE", text()))
    assert refusal(zone.dns.delete_hosted_zone, Id=zone.id) == "PriorRequestNotComplete"


@pytest.mark.rule("zone-listing")
def test_the_listing_by_name_goes_on_behind_the_name(aws: Aws) -> None:
    dns = aws["us-east-1"].route53
    for name in ("example.org", "a.example.org", "example.com", "zebra.net"):
        dns.create_hosted_zone(Name=name, CallerReference=name)
    listed = [zone["Name"] for zone in dns.list_hosted_zones_by_name(DNSName="example.org")["HostedZones"]]
    assert listed == ["example.org.", "a.example.org."]


@pytest.mark.rule("route53-tags")
def test_what_is_not_there_takes_no_tags(aws: Aws) -> None:
    dns = aws["us-east-1"].route53
    for kind, name, code in (("healthcheck", NOBODY, "NoSuchHealthCheck"), ("hostedzone", "Z0", "NoSuchHostedZone")):
        assert refusal(dns.change_tags_for_resource, ResourceType=kind, ResourceId=name,
                       AddTags=[{"Key": "a", "Value": "b"}]) == code
