"""A small stack in the lab, made once: what runbooks touch when they move writer and users, and nothing else.

Its time stands still but for `pass_time`, which is where every wait of every run sleeps. Each app's answer is one
word of its balancer's listener, because an invocation costs more than a schedule may; it is 502 where the lab would
say so: for a function that is stopped, ill, or whose Lambda is out (`tests/lab/test_function_concurrency.py`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from moto.awslambda.utils import get_backend
from moto.rds.models import rds_backends
from moto.s3.models import FakeKey, s3_backends

from drctl.aws.clients import Credentials, Door
from drctl.engine.clock import Clock
from drctl.engine.events import Events
from drctl.engine.run import Run
from drctl.engine.step import Step
from drctl.lab import (
    aurora,
    aurora_states,
    aurora_store,
    compute,
    dns_answers,
    entrances,
    extensions,
    front_doors,
    health,
    outages,
)
from drctl.lab.aurora_outage import is_reachable
from drctl.lab.clock import CLOCK
from drctl.lab.rules import RULES, SWITCHED_OFF
from drctl.lab.server import Lab
from drctl.settings import LAB_ACCOUNT, Dns, Settings, Site, Tls
from drctl.stack import Stack, stack_of
from drctl.steps.health_checks import HealthChecks
from drctl.steps.records import FailoverRecords
from drctl.steps.switch_bucket import PIN_KEY, SWITCH_KEY
from tests.conftest import SPEED, Relay, ensure_with_needs
from tests.invariants.rows import Rows
from tests.steps.database import ensure_all
from tests.steps.edge import Edge
from tests.straight import Straight

#: One look decides a health check, so that a move is proven within four looks instead of seven.
SETTINGS = Settings(tls=Tls(mode="off"), dns=Dns(health_threshold=1, latch_minutes=5))
HOME, AWAY = SETTINGS.sites
REGIONS = (HOME.region, AWAY.region)
#: AWS seconds that pass at once: while something changes, and while nothing does.
STEP_S, LONG_STEP_S = 5.0, 60.0
HOUR_S = 3600.0
#: AWS seconds after which health checks have noticed a change: interval x threshold, and an interval before and after.
NOTICED_S = SETTINGS.dns.health_interval_s * (SETTINGS.dns.health_threshold + 2) + 2 * STEP_S
#: AWS seconds that a client may go by an answer (ELB aliases: 60 s).
TTL_S = 60.0


class LabTime(Clock):
    """A run's clock: the lab's. A sleep of it lets the lab's time pass at once, and what waits beside keeps step."""

    def __init__(self, world: World, is_asleep: Callable[[], bool] = lambda: False) -> None:
        # The pace counts for one thing only: how far apart looks of a long wait may be (drctl/engine/waiting.py, CALM).
        super().__init__(speed=10_000.0)
        self._world, self._is_asleep, self._from = world, is_asleep, CLOCK.now()
        self.patience_s = 0.0

    def now(self) -> float:
        return CLOCK.now() - self._from

    def sleep(self, aws_seconds: float) -> None:
        if not self.stopped:
            self._world.pass_time(aws_seconds)

    def wait_for(self, event: threading.Event, aws_seconds: float) -> bool:
        self._world.pace.wait(event)
        while self._is_asleep() and not event.is_set():
            self._world.pace.wait(event)
        return event.is_set()


class Pace:
    """Threads beside the runbook, its heartbeats, in step with the lab's time: one turn of each at each sleep."""

    #: Real seconds after which one that waits looks whether it is to end, and those that a step waits for it at most.
    LOOK_S, STEP_S = 0.005, 30.0

    def __init__(self) -> None:
        self._told = threading.Condition()
        self._waits: dict[threading.Thread, bool] = {}

    def wait(self, event: threading.Event) -> None:
        """Wait for the next step, or until `event` is set."""
        me = threading.current_thread()
        with self._told:
            self._waits[me] = True
            self._told.notify_all()
            while self._waits[me] and not event.is_set():
                self._told.wait(self.LOOK_S)
            self._waits[me] = False

    def step(self) -> None:
        """Let each one that is alive have its turn, and wait until it has had it."""
        for thread in list(self._waits):
            with self._told:
                if self._comes_to_wait(thread):
                    self._waits[thread] = False
                    self._told.notify_all()
                    self._comes_to_wait(thread)
                else:
                    del self._waits[thread]

    def _comes_to_wait(self, thread: threading.Thread) -> bool:
        """Whether it does, and is not at its end; it may end without a word."""
        end = time.monotonic() + self.STEP_S
        while not self._waits[thread] and thread.is_alive() and time.monotonic() < end:
            self._told.wait(self.LOOK_S)
        return thread.is_alive()


@dataclass
class Pulse:
    """Something that goes on once every so many AWS seconds while time passes."""

    every: float
    beat: Callable[[], None]
    last: float = field(default_factory=CLOCK.now)

    def go_on(self) -> None:
        """Beat, when it is time."""
        if CLOCK.now() - self.last >= self.every:
            self.last = CLOCK.now()
            self.beat()


@dataclass
class World:
    """The stack, its users, and everything that is known of it outside of drctl."""

    lab: Lab
    stack: Stack = field(default_factory=lambda: stack_of(SETTINGS))
    rows: Rows = field(default_factory=Rows)
    #: Regions whose app is ill although everything around it works.
    ill: set[str] = field(default_factory=set)
    pace: Pace = field(default_factory=Pace)
    on_role_change: Callable[[str], None] = lambda _: None
    #: Called after each step of time.
    watches: list[Callable[[], None]] = field(default_factory=list)
    #: What goes on while time passes: leases that are renewed, latches.
    pulses: list[Pulse] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._relay = Relay()
        self._by_wire = Straight(self.lab.counting, Door(self.lab.endpoint, Credentials("lab", "lab"), speed=SPEED),
                                 self._relay)
        self._looked: tuple[Any, float, float, str] = (None, 0.0, 0.0, "")

    # Made once -------------------------------------------------------------------------------------------------------

    def build(self) -> None:
        """Everything stands, and time stands still."""
        extensions.reset()
        run = self.run_by_wire()
        zone = self.stack.front.zone
        self.edges = {site: Edge(site, zone, tls=False) for site in SETTINGS.sites}
        here, there = self.edges.values()
        switches = self.stack.front.switches
        self.checks = HealthChecks(HOME, here.balancer, there.balancer, here.listeners, there.listeners,
                                   switches.standby, switches.primary)
        self.records = FailoverRecords(HOME, zone, self.checks, here.balancer, there.balancer)
        ensure_with_needs(run, self.records)
        for bucket in self.stack.control.all:
            ensure_with_needs(run, bucket)
        ensure_all(run)
        servers = ",".join(run.output(zone).name_servers)
        for region in REGIONS:
            run.aws[region].ssm.put_parameter(Name="/drctl/lab/name-servers", Value=servers, Type="String")
        known: list[Step[Any]] = [zone, *(edge.balancer for edge in self.edges.values()),
                                  *(edge.listeners for edge in self.edges.values())]
        self._known_outputs = {step: run.output(step) for step in known}
        SWITCHED_OFF.update(name for name in RULES if name.startswith("throttling-"))
        CLOCK.skip(24 * 3600)
        CLOCK.hold()
        health.WATCH.stop()
        compute.stop()
        self._functions = {site.region: get_backend(LAB_ACCOUNT, site.region).get_function(
            run.name("lambda", "app", site)) for site in SETTINGS.sites}
        self._listen(run)
        self.known = aurora_store.GLOBALS[run.name("aurora", "database", "global")]
        self._keys = {name: set(bucket.keys) for name, bucket in self._buckets().items()}
        self.pass_time(2 * NOTICED_S)
        self._tracks = {name: track.status for name, track in health._TRACKS.items()}

    def _listen(self, run: Run) -> None:
        """The balancers answer by themselves; their addresses tell regions."""
        self._doors: dict[str, dict[str, Any]] = {}
        self._region_of: dict[str, str] = {}
        for balancer in front_doors.balancers():
            region = entrances.region_of(balancer.arn)
            listener = next(iter(balancer.listeners.values()))
            run.aws[region].elbv2.modify_listener(ListenerArn=listener.arn, DefaultActions=[{
                "Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "ContentType": "text/plain"}}])
            default = next(one for one in listener.rules.values() if one.priority == "default")
            self._doors[region] = default.actions[-1].data["FixedResponseConfig"]
            self._region_of |= dict.fromkeys(dns_answers.addresses(balancer), region)

    def leave(self) -> None:
        """The lab's time goes on."""
        SWITCHED_OFF.clear()
        CLOCK.release()
        CLOCK.set_speed(SPEED)

    def run_by_wire(self) -> Run:
        """A run of somebody who builds; its calls are rendered, routed and parsed. Clients are made once."""
        clock = Clock(SPEED) if CLOCK._held is None else LabTime(self)
        self._relay.to = events = Events(clock)
        return Run("builder", SETTINGS, self._by_wire, clock, events)

    def converge(self) -> int:
        """What provision does about health checks and records; how many changes that were."""
        run = self.run_by_wire()
        for step, out in self._known_outputs.items():
            run.remember(step, out)
        self.checks.ensure(run)
        self.records.ensure(run)
        return sum(run.events.changes.values())

    @contextmanager
    def without_check_of_the_secondary(self) -> Iterator[None]:
        """The secondary record is answered whether or not its app serves."""
        zone = dns_answers.zone_of(SETTINGS.dns.name)
        assert zone is not None
        record = next(one for one in zone.rrsets if one.failover == "SECONDARY")
        check, record.health_check_id = record.health_check_id, None
        yield
        record.health_check_id = check

    def reset(self) -> None:
        """As it was when it was built, in no time."""
        outages.reset()
        CLOCK.forget_all()
        CLOCK.skip(HOUR_S - CLOCK.now() % HOUR_S)  # S3 and leases know whole seconds only
        aurora_states.forget()
        aurora_store.LOST.clear()
        aurora.set_lag_ms(80.0)
        self.known.change = None
        for member in self.known.members:
            member.is_writer, member.has_tail = member.region == HOME.region, False
            member.connected_at = member.reader_since = 0.0
        for region in REGIONS:
            rds_backends[LAB_ACCOUNT][region].cluster_snapshots.clear()
            self._functions[region].reserved_concurrency = None
        for name, bucket in self._buckets().items():
            for key in [key for key in bucket.keys if key not in self._keys[name]]:
                dict.pop(bucket.keys, key)
        self.ill.clear()
        self.watches.clear()
        self.pulses.clear()
        self.rows = Rows()
        for name, status in self._tracks.items():
            track = health._TRACKS[name]
            track.status, track.since, track.looked_at = status, None, None
            track.history.clear()
        self._looked = (None, 0.0, 0.0, "")
        self._tick()

    @staticmethod
    def _buckets() -> Any:
        return s3_backends[LAB_ACCOUNT]["aws"].buckets

    # Time ------------------------------------------------------------------------------------------------------------

    def pass_time(self, aws_seconds: float) -> None:
        """Let the lab's time pass step by step, with its users, and whoever watches."""
        with self._lock:
            end = CLOCK.now() + aws_seconds
            while (left := end - CLOCK.now()) > 1e-6:
                quick = self.known.change is not None or not self.is_noticed
                CLOCK.skip(min(left, STEP_S if quick else LONG_STEP_S))
                self._tick()
                for pulse in list(self.pulses):
                    pulse.go_on()
        self.pace.step()

    def _tick(self) -> None:
        self._open_doors()
        self._look()
        self.rows.go_on(self.writer, self.replicates)
        for watch in list(self.watches):
            watch()

    # Users -----------------------------------------------------------------------------------------------------------

    def is_stopped(self, region: str) -> bool:
        """Whether the app's function is fenced."""
        reserved = self._functions[region].reserved_concurrency
        return reserved is not None and int(reserved) == 0

    def serves(self, region: str) -> bool:
        """Whether users who come to a region are served by its app, database or not."""
        return (region not in self.ill and not self.is_stopped(region)
                and not outages.is_down(region, "lambda") and not outages.is_down(region, "elasticloadbalancing"))

    def _open_doors(self) -> None:
        for region, door in self._doors.items():
            well = region not in self.ill and not self.is_stopped(region) and not outages.is_down(region, "lambda")
            door["StatusCode"] = "200" if well else "502"

    def is_turned(self, region: str) -> bool:
        """Whether the region's switch object lies there."""
        bucket, key = self.switch(region)
        return isinstance(self._buckets()[bucket].keys.get(key), FakeKey)

    @staticmethod
    def switch(region: str) -> tuple[str, str]:
        """Bucket and key of the region's switch object."""
        key = PIN_KEY if region == HOME.region else SWITCH_KEY
        return f"s3-switch-{region}-{SETTINGS.environment}-{LAB_ACCOUNT}", key

    @staticmethod
    def delete(bucket: str, key: str) -> None:
        """Delete an object, whoever does it."""
        s3_backends[LAB_ACCOUNT]["aws"].delete_object(bucket, key)

    def _signature(self) -> Any:
        """Everything that health checks see."""
        return tuple((self._doors[region]["StatusCode"], outages.is_down(region, "elasticloadbalancing"),
                      outages.is_down(region, "s3"), self.is_turned(region)) for region in REGIONS)

    def _look(self) -> None:
        """Ask the name while checks may be changing their mind; else the answer is the one before."""
        signature, now = self._signature(), CLOCK.now()
        seen, since, asked, told = self._looked
        if seen != signature:
            since, asked = now, 0.0
        if now - asked >= SETTINGS.dns.health_interval_s and (now - since <= NOTICED_S or not told):
            told, asked = self._ask(), now
        self._looked = (signature, since, asked, told)

    def _ask(self) -> str:
        for check in health.checks():  # every one, as checkers do, whether or not the answer needs it
            health.is_healthy(check.id)
        lines = dns_answers.answer(SETTINGS.dns.name, "A").lines
        return next((self._region_of[line.value] for line in lines), "")

    @property
    def users_are_sent_to(self) -> str:
        """The region that the lab's name servers answer with; empty without an answer."""
        return self._looked[3]

    @property
    def is_noticed(self) -> bool:
        """Whether health checks have had the time to notice everything that is so."""
        signature, now = self._signature(), CLOCK.now()
        return self._looked[0] == signature and now - self._looked[1] > NOTICED_S

    # The database ----------------------------------------------------------------------------------------------------

    def member(self, region: str) -> Any:
        """The member of the global cluster in a region."""
        return next(member for member in self.known.members if member.region == region)

    @property
    def writer(self) -> str:
        """The region whose cluster takes writes by its role and can be reached, empty when none does."""
        found = self.known.writer
        fenced = self.known.change is not None and self.known.change.fenced
        cluster = aurora_store.cluster_of(found.arn) if found else None
        return found.region if found and cluster and is_reachable(cluster) and not fenced else ""

    @property
    def role(self) -> str:
        """The region that has the writer's role, whether or not it can be reached."""
        return str(self.known.writer.region) if self.known.writer else ""

    def takes_writes(self, region: str) -> bool:
        """Whether the database of a region may take writes of the app beside it, reachable from elsewhere or not.

        It is the writer by its role; or it was, lost it to a failover, and is not being rebuilt yet: Aurora's own
        fencing is best effort (Aurora User Guide), so nobody counts on it.
        """
        member, change = self.member(region), self.known.change
        return bool(member.has_tail or (member.is_writer and not (change is not None and change.fenced)))

    def role_changed(self, kind: str, *_: Any) -> None:
        """What `aurora.ON_ROLE_CHANGE` calls."""
        self.rows.change(kind)
        self.on_role_change(kind)

    @property
    def replicates(self) -> bool:
        """Whether rows go from the writer to the copy."""
        return not aurora_store.LOST and all(member.is_connected for member in self.known.members)

    def other(self, region: str) -> Site:
        """The other region."""
        return AWAY if region == HOME.region else HOME
