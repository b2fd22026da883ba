"""A certificate grows old in AWS time; ACM renews it while it is needed and proved, and ends it otherwise."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from tests.lab.test_balancing import Site
from tests.lab.test_certificates import Requests, issued
from tests.lab.test_records import Zone

A_DAY = 86_400.0


World = tuple[Requests, Zone, str]


@pytest.fixture
def site(aws: Aws) -> Site:
    """Where a balancer can be."""
    return Site(aws)


@pytest.fixture
def world(aws: Aws, site: Site, clock: LabClock) -> World:  # the site is made while time flies
    """Certificates, the zone that proves them, and one that has just been issued."""
    requests, zone = Requests(aws), Zone(aws)
    return requests, zone, issued(requests, zone, clock)


@pytest.fixture
def days_left(world: World) -> Callable[[], int]:
    """How long ACM says that the certificate is still valid."""
    requests, _, arn = world
    return lambda: round((requests.described(arn)["NotAfter"] - datetime.now(UTC)).total_seconds() / A_DAY)


def use(site: Site, clock: LabClock, arn: str) -> None:
    """Let a balancer use the certificate."""
    clock.skip(seconds("certificate-known"))
    site.listen(site.balancer()["LoadBalancerArn"], site.targets(), Protocol="HTTPS", Port=443,
                Certificates=[{"CertificateArn": arn}])


def take_the_proof_away(world: World, clock: LabClock) -> None:
    """No record proves the name any more."""
    requests, zone, arn = world
    record = requests.records(arn)[0]
    zone.change(("DELETE", {"Name": record["Name"], "Type": "CNAME", "TTL": 60,
                            "ResourceRecords": [{"Value": record["Value"]}]}))
    clock.skip(seconds("record-change"))


@pytest.mark.rule("certificate-ages")
def test_a_certificate_that_nobody_uses_ends(world: World, clock: LabClock, days_left: Callable[[], int]) -> None:
    requests, _, arn = world
    assert days_left() == 365
    clock.skip(300 * A_DAY)
    assert (days_left(), requests.described(arn)["Status"]) == (65, "ISSUED")
    clock.skip(66 * A_DAY)
    assert (days_left(), requests.described(arn)["Status"]) == (-1, "EXPIRED")


@pytest.mark.rule("certificate-ages")
def test_one_that_a_balancer_uses_is_renewed_sixty_days_before(
        world: World, site: Site, clock: LabClock, days_left: Callable[[], int]) -> None:
    requests, _, arn = world
    use(site, clock, arn)
    clock.skip(304 * A_DAY)
    assert days_left() == 61
    clock.skip(2 * A_DAY)
    assert days_left() == 364
    clock.skip(3 * 365 * A_DAY)
    assert requests.described(arn)["Status"] == "ISSUED"
    assert days_left() > 60


@pytest.mark.rule("certificate-ages")
def test_one_whose_proof_is_gone_ends_although_it_is_in_use(
        world: World, site: Site, clock: LabClock, days_left: Callable[[], int]) -> None:
    requests, _, arn = world
    use(site, clock, arn)
    take_the_proof_away(world, clock)
    clock.skip(366 * A_DAY)
    assert (days_left(), requests.described(arn)["Status"]) == (-1, "EXPIRED")
