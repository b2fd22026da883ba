"""Gray failures: a database that is slow, a health path that lies, a zone that is gone."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab import aurora, extensions, gray, outages
from drctl.lab.clock import CLOCK, LabClock
from drctl.lab.databases import DATABASES
from drctl.lab.front_doors import NO_CONNECTION, front_door
from drctl.lab.lost_zones import WITHDRAWN_AFTER_S
from drctl.lab.server import Lab
from drctl.lab.visits import Reply
from drctl.lambdas.database import tls
from tests.lab.aurora_world import EAST, WEST, build, cluster, make_instance, pair, pass_an_hour
from tests.lab.conftest import settle
from tests.lab.front_door_world import Balancer, balancer
from tests.lab.test_aurora_outage import host, role
from tests.lab.test_dns import Zone
from tests.lab.test_outages import ask


def test_gray_failures_are_told_among_the_outages_and_ended_by_region_or_kind(lab: Lab) -> None:
    begun = ask(lab, "POST", "outages", region=EAST, gray="slow-database", delay_s=2)[1]
    assert (begun["started"], begun["gray"], begun["delay_s"]) == (True, "slow-database", 2.0)
    assert ask(lab, "POST", "outages", region=EAST, gray="slow-database")[1]["started"] is False
    ask(lab, "POST", "outages", region=EAST, gray="lying-health")
    ask(lab, "POST", "outages", region=EAST, service="rds")
    told = ask(lab, "GET", "status")[1]["outages"]
    assert [(one["mode"], one.get("gray")) for one in told] == [
        ("refuse", None), ("gray", "slow-database"), ("gray", "lying-health")]
    ended = ask(lab, "DELETE", "outages", gray="slow-database")[1]["ended"]
    assert [one["gray"] for one in ended] == ["slow-database"]
    assert len(ask(lab, "DELETE", "outages", region=EAST, service="rds")[1]["ended"]) == 1
    assert [one["gray"] for one in ask(lab, "DELETE", "outages", region=EAST)[1]["ended"]] == ["lying-health"]


@pytest.mark.parametrize(("asked", "words"), [
    ({"region": "mars", "gray": "one-zone"}, "region 'mars' is unknown"),
    ({"region": EAST, "gray": "tired"}, "gray failure 'tired' is unknown: slow-database, lying-health, one-zone"),
    ({"region": EAST, "gray": "one-zone", "delay_s": 1}, "a delay is of slow-database, not of one-zone"),
    ({"region": EAST, "gray": "slow-database", "delay_s": -1}, "a delay of -1 s cannot be: 60 s at most"),
    ({"region": EAST, "gray": "slow-database", "delay_s": 61}, "a delay of 61 s cannot be: 60 s at most")])
def test_a_gray_failure_that_cannot_be_is_refused(lab: Lab, asked: dict[str, object], words: str) -> None:
    assert ask(lab, "POST", "outages", **asked) == (400, {"error": words})
    assert not gray.present()


def test_an_empty_lab_has_no_gray_failures(lab: Lab) -> None:
    gray.start(EAST, gray.ZONE)
    extensions.reset()
    assert not gray.present()


# The database ---------------------------------------------------------------------------------------------------------


def login(port: int) -> Any:
    """A client's connection to the database behind a port."""
    import pg8000.native

    return pg8000.native.Connection("dradmin", host="127.0.0.1", port=port, database="postgres",
                                    password="long-enough-1", ssl_context=tls.context(Path(DATABASES.ca_bundle)))


def takes(region: str) -> float:
    """Seconds in which a client has logged in there and has an answer."""
    port = DATABASES.port_of(host(region))
    assert port
    began = time.monotonic()
    link = login(port)
    assert link.run("SELECT 1") == [[1]]
    link.close()
    return time.monotonic() - began


def test_every_answer_of_a_slow_database_is_late_and_the_other_regions_are_not(aws: Aws, clock: LabClock) -> None:
    pair(aws, clock)
    takes(EAST)
    takes(WEST)
    gray.start(EAST, gray.SLOW, 0.4)
    slow, other = takes(EAST), takes(WEST)
    assert slow > 4 * 0.4
    assert other < slow
    gray.end(EAST)
    assert takes(EAST) < 4 * 0.4


# The lie --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def door(aws: Aws) -> Balancer:
    made = balancer(aws, EAST)
    aws[EAST].elbv2.modify_target_group(TargetGroupArn=made.target_group, HealthCheckPath="/health")
    return made


def answer(aws: Aws, door: Balancer, path: str) -> Reply:
    found = front_door(door.host, secure=False, port=80, path=path)
    assert found
    return found.answer(aws[EAST].route53.get_checker_ip_ranges()["CheckerIpRanges"][0])


def test_a_lying_health_path_answers_as_it_did_when_all_was_well(aws: Aws, door: Balancer) -> None:
    assert answer(aws, door, "/health").body == b"fine"
    assert answer(aws, door, "/health/deep").status == 200
    outages.start(EAST, "lambda", "refuse")
    assert answer(aws, door, "/health").status == 502
    gray.start(EAST, gray.LYING)
    assert answer(aws, door, "/health") == Reply(200, "OK", b"fine")
    assert answer(aws, door, "/health/deep") == Reply(200, "OK", b"fine")
    assert answer(aws, door, "/patients").status == 502
    assert answer(aws, door, "/healthy").status == 502
    gray.end(EAST)
    assert answer(aws, door, "/health").status == 502


def test_a_balancer_that_is_out_does_not_even_lie(aws: Aws, door: Balancer) -> None:
    gray.start(EAST, gray.LYING)
    outages.start(EAST, "elasticloadbalancing", "refuse")
    assert answer(aws, door, "/health") == NO_CONNECTION


# The zone -------------------------------------------------------------------------------------------------------------


def instances(aws: Aws) -> dict[str, tuple[str, str]]:
    """Status and zone of the instances in the east, by the end of their names."""
    found = aws[EAST].rds.describe_db_instances()["DBInstances"]
    return {one["DBInstanceIdentifier"][-1]: (one["DBInstanceStatus"], one["AvailabilityZone"]) for one in found}


def writing_instance(aws: Aws) -> str:
    return str(next(one["DBInstanceIdentifier"] for one in cluster(aws, EAST)["DBClusterMembers"]
                    if one["IsClusterWriter"]))


def test_a_database_with_a_reader_in_another_zone_writes_again_after_half_a_minute(aws: Aws, clock: LabClock) -> None:
    build(aws, clock)
    make_instance(aws, EAST, 2)
    pass_an_hour(clock)
    first, zone = writing_instance(aws), instances(aws)["1"][1]
    lost, _ = gray.start(EAST, gray.ZONE)
    assert lost.zone == zone
    assert instances(aws)["1"] == ("rebooting", zone)
    assert (cluster(aws, EAST)["Status"], role(EAST)) == ("failing-over", None)
    reader = aurora.endpoint_role(host(EAST).replace(".cluster-", ".cluster-ro-"))
    assert reader
    assert reader[1] == "reader"
    clock.skip(seconds("instance-failover") + 1)
    settle(clock)
    assert (cluster(aws, EAST)["Status"], role(EAST)) == ("available", "writer")
    assert writing_instance(aws) != first
    pass_an_hour(clock)
    assert instances(aws)["1"][0] == "rebooting"
    gray.end(EAST)
    pass_an_hour(clock)
    assert instances(aws)["1"] == ("available", zone)


def test_a_database_with_one_instance_is_made_anew_in_another_zone(aws: Aws, clock: LabClock) -> None:
    build(aws, clock)
    takes(EAST)
    zone = instances(aws)["1"][1]
    gray.start(EAST, gray.ZONE)
    assert (role(EAST), DATABASES.port_of(host(EAST))) == (None, None)
    clock.skip(60)
    assert role(EAST) is None
    clock.skip(seconds("instance-recreate"))
    assert role(EAST) == "writer"
    status, moved_to = instances(aws)["1"]
    assert status == "available"
    assert moved_to != zone
    assert takes(EAST)


def test_connections_to_an_instance_in_the_zone_break(aws: Aws, clock: LabClock) -> None:
    import pg8000.exceptions

    build(aws, clock)
    port = DATABASES.port_of(host(EAST))
    assert port
    link = login(port)
    assert link.run("SELECT 1")
    gray.start(EAST, gray.ZONE)
    with pytest.raises(pg8000.exceptions.InterfaceError):
        link.run("SELECT 1")
    with suppress(pg8000.exceptions.InterfaceError):
        link.close()


def test_the_address_of_the_zone_leaves_the_balancers_name(lab: Lab, aws: Aws, clock: LabClock) -> None:
    CLOCK.set_speed(100_000.0)
    made = balancer(aws, EAST)
    clock.set_speed(1.0)
    zone = Zone(lab, aws)
    _, both = zone.ask(made.host)
    assert len(both) == 2
    gray.start(EAST, gray.ZONE)
    assert zone.ask(made.host)[1] == both
    clock.skip(WITHDRAWN_AFTER_S)
    left = zone.ask(made.host)[1]
    assert len(left) == 1
    assert left[0] in both
    gray.end(EAST)
    assert zone.ask(made.host)[1] == both
