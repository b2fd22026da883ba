"""Users leave a lost region by themselves and come back only by an operator, whichever region it is, and however often
it comes and goes: played with everything that decides about it, at a minute in a tenth of a second.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from drctl.actions.dns_switch import ProveDns, TurnDns, is_turned
from drctl.aws.clients import Aws
from drctl.aws.dns import answers
from drctl.engine.run import Run
from drctl.engine.runbook import perform
from drctl.lab import outages
from drctl.lab.health import is_healthy
from drctl.lab.server import Lab
from drctl.settings import Dns, Settings, Site, Tls, both
from drctl.steps import latch
from drctl.steps.health_checks import HealthChecks
from drctl.steps.key import Key
from drctl.steps.latch import Latch
from drctl.steps.latch_schedule import LatchSchedule
from drctl.steps.records import FailoverRecords
from drctl.steps.role import Role
from drctl.steps.switch_bucket import SwitchBucket
from drctl.steps.zone import Zone
from tests.conftest import ensure_with_needs
from tests.steps.edge import Edge
from tests.steps.lifecycle import lagging

LIMIT = 4
SETTINGS = Settings(tls=Tls(mode="off"), dns=Dns(latch_minutes=LIMIT))
SITES = EAST, WEST = SETTINGS.sites
#: AWS seconds in a second: health checks need 0.05 s, a latch looks twice a second (the pace of scheduled rules).
SPEED = 600.0


@dataclass
class World:
    """The DNS half of the stack, with apps that only say that they are well."""

    run: Run
    aws: Aws
    switches: Any = field(default_factory=lambda: both(SETTINGS, SwitchBucket))

    def __post_init__(self) -> None:
        zone = Zone(EAST)
        self.edges = {site: Edge(site, zone, tls=False) for site in SITES}
        here, there = self.edges.values()
        checks = HealthChecks(EAST, here.balancer, there.balancer, here.listeners, there.listeners,
                              self.switches.standby, self.switches.primary)
        records = FailoverRecords(EAST, zone, checks, here.balancer, there.balancer)
        for site in SITES:
            ensure_with_needs(self.run, LatchSchedule(site, self._latch(site, zone), records))
            self.aws[site.region].ssm.put_parameter(Name="/drctl/lab/name-servers", Value="ns-1.example", Type="String")
        self.checks = self.run.output(checks)
        self.hosts = {site: self.run.output(self.edges[site].balancer).dns_name for site in SITES}

    def _latch(self, site: Site, zone: Zone) -> Latch:
        key, own, other = Key(site), self.switches.at(site), self.switches.beside(site)
        role = Role(site, "latch", "lambda", partial(latch.policy, site=site, key=key, own=own, other=other),
                    (key, own, other))
        return Latch(site, "latch", key, role, zone, self.edges[site].balancer, own, other)

    def users_are_in(self, site: Site) -> bool:
        """Whether the name is answered with the balancer of a region."""
        assert self.run.name_server is not None
        told, addresses = (answers(name, self.run.name_server, 2) for name in (SETTINGS.dns.name, self.hosts[site]))
        return bool(set(told) & set(addresses))

    def is_turned(self, site: Site) -> bool:
        """Whether the switch object of a region is there."""
        return is_turned(self.run, self.switches.at(site))

    def counts(self, site: Site) -> bool:
        """Whether health checks have seen that the switch object of a region is there."""
        if site == EAST:
            return is_healthy(self.checks.pin, looking=False)
        return not is_healthy(self.checks.switch, looking=False)

    def remembered(self, site: Site) -> dict[str, Any]:
        """What the latch of a region has written down."""
        s3 = self.aws[site.region].s3
        try:
            kept = s3.get_object(Bucket=self.switches.at(site).name(self.run), Key=latch.STATE_KEY)
        except s3.exceptions.NoSuchKey:
            return {"astray": 0, "back": 0, "other": {"since": None}}
        return dict(json.loads(kept["Body"].read()))

    def turn(self, to: Site, lost: str = "") -> None:
        """As an operator does, with the proof."""
        self.run.lost = lost
        perform(self.run, TurnDns(self.switches, to))
        perform(self.run, ProveDns(self.edges[to].balancer, to))
        self.run.lost = ""

    def stay_in(self, site: Site, seconds: float = 4.0) -> None:
        """Look for longer than health checks and latches need."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.users_are_in(site)
            time_passes()


def time_passes() -> None:
    """A moment in which the lab goes on."""
    threading.Event().wait(0.05)


def until(done: Callable[[], bool], what: str) -> None:
    """Wait for the lab."""
    end = time.monotonic() + 30
    while not done():
        assert time.monotonic() < end, f"it did not come about that {what}"
        time_passes()


@pytest.fixture
def world(make_run: Callable[..., Run], aws: Aws, lab: Lab) -> Iterator[World]:
    """Everything stands, and users are at home."""
    run = make_run(SETTINGS)
    run.name_server = ("127.0.0.1", lab.dns_port)
    made = World(run, aws)
    with lagging(SPEED):
        until(lambda: made.users_are_in(EAST), "users are at home")
        yield made
        outages.end()


def test_users_leave_a_lost_primary_are_latched_and_come_back_only_by_the_operator(world: World) -> None:
    outages.start(EAST.region, "", "refuse")
    until(lambda: world.users_are_in(WEST), "users leave without anyone")
    until(lambda: world.is_turned(WEST), "the latch turns the switch")
    until(lambda: world.counts(WEST), "health checks see it")
    outages.end()
    world.stay_in(WEST)
    world.turn(EAST)
    world.stay_in(EAST)
    assert (world.is_turned(WEST), world.is_turned(EAST)) == (False, False)


def test_a_short_outage_is_over_without_a_trace(world: World) -> None:
    outages.start(EAST.region, "", "refuse")
    until(lambda: world.users_are_in(WEST), "users leave without anyone")
    outages.end()
    until(lambda: world.users_are_in(EAST), "users come back by health check")
    until(lambda: world.remembered(WEST)["astray"] == 0, "the count is forgotten")
    world.stay_in(EAST)
    assert not world.is_turned(WEST)


def test_a_region_that_comes_and_goes_loses_its_users_for_good(world: World) -> None:
    seen = []
    for _ in range(LIMIT):
        before = world.remembered(WEST)["astray"]
        outages.start(EAST.region, "", "refuse")
        until(lambda before=before: world.is_turned(WEST)  # type: ignore[misc]  # the loop's value is bound on purpose
              or world.remembered(WEST)["astray"] > before, "another minute is counted")
        outages.end()
        seen.append(world.remembered(WEST)["astray"] - before)
        if world.is_turned(WEST):
            break
        until(lambda: world.users_are_in(EAST), "users come back by health check")
        until(lambda: world.remembered(WEST)["back"] > 0, "a minute at home is counted")
    assert len(seen) > 1
    assert max(seen[:-1]) < LIMIT, "one outage alone was long enough"
    until(lambda: world.counts(WEST), "health checks see the switch that the latch has turned")
    until(lambda: world.users_are_in(WEST), "users are kept in the standby region")
    world.stay_in(WEST)


def test_users_leave_a_lost_standby_are_pinned_and_stay_although_the_switch_returns(world: World) -> None:
    world.turn(WEST)
    until(lambda: world.remembered(EAST)["other"]["since"] is not None, "the primary's latch has seen the switch")
    outages.start(WEST.region, "", "refuse")
    until(lambda: world.users_are_in(EAST), "users leave without anyone")
    until(lambda: world.is_turned(EAST), "the latch puts the pin")
    until(lambda: world.counts(EAST), "health checks see it")
    outages.end()
    assert world.is_turned(WEST)
    world.stay_in(EAST)
    # once an operator has taken the switch away the pin goes by itself, and nobody moves
    world.aws[WEST.region].s3.delete_object(Bucket=world.switches.standby.name(world.run),
                                            Key=world.switches.standby.object_key)
    until(lambda: not world.is_turned(EAST), "the latch takes the pin away")
    world.stay_in(EAST)


def test_an_operator_who_knows_the_standby_lost_does_not_wait_for_the_latch(world: World) -> None:
    world.turn(WEST)
    outages.start(WEST.region, "", "refuse")
    world.turn(EAST, lost=WEST.region)
    until(lambda: world.counts(EAST), "health checks see the pin")
    outages.end()
    assert (world.is_turned(WEST), world.is_turned(EAST)) == (True, True)
    world.stay_in(EAST)
    # and back to the standby, past a pin that the operator takes away
    world.turn(WEST)
    assert (world.is_turned(WEST), world.is_turned(EAST)) == (True, False)
    world.stay_in(WEST)


def test_without_an_app_in_the_active_standby_users_go_to_the_primary(world: World) -> None:
    world.turn(WEST)
    outages.start(WEST.region, "elb", "refuse")
    until(lambda: world.users_are_in(EAST), "users leave a region without an app, turned switch or not")
