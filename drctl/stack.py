"""The whole two-region stack on one page: which step feeds which. Making it calls nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from drctl.engine.run import Run
from drctl.engine.step import Step, dependencies
from drctl.settings import Both, Settings, Site, both
from drctl.steps import backup as backups
from drctl.steps import event_forwarding, flow_logs, function_role, latch, replication, trail, trail_name
from drctl.steps.alarms import Alarms
from drctl.steps.backup import Backup
from drctl.steps.backup_vault import BackupVault
from drctl.steps.balancer import Balancer
from drctl.steps.canary_queue import CanaryQueue
from drctl.steps.certificate import Certificate
from drctl.steps.control_bucket import ControlBucket
from drctl.steps.dashboard import Dashboard
from drctl.steps.data_bucket import DataBucket
from drctl.steps.database_groups import DatabaseGroups
from drctl.steps.database_instances import DatabaseInstances
from drctl.steps.dead_letters import DeadLetters
from drctl.steps.endpoints import Endpoints
from drctl.steps.engine_version import EngineVersion
from drctl.steps.event_bus import EventBus
from drctl.steps.event_forwarding import EventForwarding
from drctl.steps.event_rule import FORWARDING_ROLE
from drctl.steps.flow_logs import FlowLogs
from drctl.steps.function import Function
from drctl.steps.given_certificate import GivenCertificate
from drctl.steps.global_cluster import GlobalCluster
from drctl.steps.health_alarms import HealthAlarms
from drctl.steps.health_checks import HealthChecks
from drctl.steps.key import Key
from drctl.steps.latch import Latch
from drctl.steps.latch_schedule import LatchSchedule
from drctl.steps.listeners import Listeners
from drctl.steps.log_bucket import LogBucket
from drctl.steps.nat import Nat
from drctl.steps.network import Network
from drctl.steps.parameters import Parameters
from drctl.steps.parts import Database, Front, Ground, Wires
from drctl.steps.peering import Peering
from drctl.steps.peering_routes import PeeringRoutes
from drctl.steps.primary_cluster import PrimaryCluster
from drctl.steps.probe_schedule import ProbeSchedule
from drctl.steps.records import FailoverRecords
from drctl.steps.release import Release
from drctl.steps.replication import Replication
from drctl.steps.rescue_snapshot import RESCUE, RescueSnapshots
from drctl.steps.role import Role
from drctl.steps.route_tables import RouteTables
from drctl.steps.secret import DatabaseSecret
from drctl.steps.security_groups import SecurityGroups
from drctl.steps.standby_cluster import StandbyCluster
from drctl.steps.subnets import Subnets
from drctl.steps.switch_bucket import SwitchBucket
from drctl.steps.temporary_copy import ISOLATED, Beside, TemporaryCopy, copy_in, snapshot_in
from drctl.steps.topic import Topic
from drctl.steps.trail import Trail
from drctl.steps.trail_alarms import TrailAlarms
from drctl.steps.trail_bucket import TrailBucket
from drctl.steps.trail_filters import TrailFilters
from drctl.steps.trail_key import TrailKey
from drctl.steps.waf import Waf
from drctl.steps.zone import Zone


@dataclass(frozen=True)
class Stack:
    """Every step of the stack, and the parts that runbooks speak of."""

    settings: Settings
    steps: tuple[Step[Any], ...]
    #: What a teardown looks for too: what the settings may have chosen before, and what a drill that died left.
    retired: tuple[Step[Any], ...]
    #: Lease and journals: made before everything else and removed after it, so not in the order of the rest.
    control: Both[ControlBucket]
    ground: Both[Ground]
    database: Database
    wires: Wires
    front: Front
    app: Both[Function]
    probe: Both[Function]
    peering: Peering
    dashboard: Dashboard

    @property
    def under_lease(self) -> tuple[Step[Any], ...]:
        """What is built and removed by whoever holds the lease: everything but what the lease lies in."""
        return tuple(step for step in self.steps if step not in self.control.all)

    def outputs(self, run: Run) -> dict[str, Any]:
        """The endpoints and identifiers a user needs, as AWS shows them."""
        scheme = "http" if self.settings.tls.mode == "off" else "https"
        return {
            "app_url": f"{scheme}://{self.settings.dns.name}",
            "standby_url": f"{scheme}://{run.output(self.front.balancer.standby).dns_name}",
            "primary_url": f"{scheme}://{run.output(self.front.balancer.primary).dns_name}",
            "name_servers": list(run.output(self.front.zone).name_servers),
            "active_region": run.output(self.database.global_cluster).writer,
            "global_cluster_id": run.output(self.database.global_cluster).id,
            "primary_bucket": run.output(self.wires.data.primary).name,
            "standby_bucket": run.output(self.wires.data.standby).name,
            "peering_id": run.output(self.peering).id,
            "dashboard_url": run.output(self.dashboard).url,
        }

    def copy_in(self, site: Site, origin: Literal["clone", "snapshot"] | Step[Any] = "snapshot",
                label: str = ISOLATED) -> TemporaryCopy:
        """The steps of a temporary copy of the database in `site`: cloned, by a snapshot, or of a snapshot given."""
        beside = _beside(site, self.ground.at(site), self.database)
        made: Step[Any] = beside.instances if origin == "clone" else snapshot_in(site, label, beside)
        return copy_in(site, label, beside, made if isinstance(origin, str) else origin)

    def rescued_in(self, site: Site) -> TemporaryCopy:
        """The steps of a copy of what the old volume in `site` held; its origin are the rescue snapshots."""
        return self.copy_in(site, self.database.rescue.at(site), RESCUE)

    def count_resources(self, run: Run) -> int:
        """How many AWS resources stand."""
        return sum(len(list(step.resources(run.output(step)))) for step in self.steps)


def stack_of(settings: Settings) -> Stack:
    """The stack that `settings` describe."""
    primary, standby = settings.sites
    ground = both(settings, _ground)
    peering = Peering(primary, ground.primary.network, ground.standby.network, standby)
    database = _database(settings, ground)
    wires = _wires(settings, ground)
    roles = both(settings, lambda site: _function_roles(site, ground.at(site), database))
    app = both(settings, lambda site: _function(site, "app", ground.at(site), database, roles.at(site)))
    probe = both(settings, lambda site: _function(site, "probe", ground.at(site), database, roles.at(site)))
    front = _front(settings, ground, app)
    dashboard = Dashboard(primary, database.cluster.all, front.balancer.all, (*app.all, *probe.all, *front.latch.all),
                          wires.replication.all, wires.dead_letters.all, front.checks)
    control = both(settings, ControlBucket)
    topics = both(settings, lambda site: Topic(site, ground.at(site).key))
    leaves: list[Step[Any]] = [
        *control.all, dashboard, Release(primary, app.all, front.listeners.all, database.global_cluster),
        EngineVersion(primary, database.cluster.all, database.instances.all, database.global_cluster),
        *(LatchSchedule(site, front.latch.at(site), front.records) for site in settings.sites),
        *(ProbeSchedule(site, probe.at(site)) for site in settings.sites),
        *wires.canaries.all, *wires.forwarding.all, *database.instances.all,
        *(ground.at(site).flow_logs for site in settings.sites),
        *(PeeringRoutes(site, ground.at(site).tables, peering, settings.other(site)) for site in settings.sites),
        *(Waf(site, front.balancer.at(site), ground.at(site).key) for site in settings.sites),
        *(Parameters(site, database.cluster.at(site), database.secret, wires.data.at(site), wires.bus.at(site),
                     front.zone) for site in settings.sites),
        *_alarms(settings, topics, database, wires, front, app, probe),
        *(_backups(settings, ground, database) if settings.backup.enabled else ()),
        *([_trail(settings, ground, wires, topics)] if settings.trail.enabled else []),
    ]
    steps = with_needs(leaves)
    beside = {site: _beside(site, ground.at(site), database) for site in settings.sites}
    copies = [*(copy_in(site, ISOLATED, one, snapshot_in(site, ISOLATED, one)) for site, one in beside.items()),
              *(copy_in(site, RESCUE, one, database.rescue.at(site)) for site, one in beside.items())]
    retired = with_needs([*_backups(settings, ground, database), _trail(settings, ground, wires, topics),
                          *(Certificate(site, front.zone) for site in settings.sites if settings.tls.mode != "acm"),
                          *(step for copy in copies for step in copy.steps)])
    chosen = {step.key for step in steps}
    unchosen = tuple(step for step in retired if step.key not in chosen)
    return Stack(settings, steps, unchosen, control, ground, database, wires, front, app, probe, peering, dashboard)


def with_needs(leaves: Iterable[Step[Any]]) -> tuple[Step[Any], ...]:
    """The leaves and everything they stand on, each once, what is needed first."""
    found: dict[Step[Any], None] = {}

    def visit(step: Step[Any]) -> None:
        if step not in found:
            for need in dependencies(step):
                visit(need)
            found[step] = None

    for leaf in leaves:
        visit(leaf)
    return tuple(found)


def _ground(site: Site) -> Ground:
    key, network = Key(site), Network(site)
    subnets = Subnets(site, network)
    tables = RouteTables(site, network, subnets)
    groups = SecurityGroups(site, network)
    # Both stand in the graph whatever is chosen, so that a change of the choice takes the other one down.
    egress = (Endpoints(site, network, subnets, tables, groups), Nat(site, network, subnets, tables))
    role = Role(site, "flow-logs", "vpc-flow-logs", partial(flow_logs.policy, site=site),
                source=partial(flow_logs.source, site=site))
    return Ground(key, network, subnets, tables, groups, egress, FlowLogs(site, network, key, role), LogBucket(site))


def _database(settings: Settings, ground: Both[Ground]) -> Database:
    primary, standby = settings.sites
    here, there = ground.all
    secret = DatabaseSecret(primary, here.key, there.key)
    global_cluster = GlobalCluster(primary)
    groups = both(settings, lambda site: DatabaseGroups(site, ground.at(site).subnets))
    first = PrimaryCluster(primary, global_cluster, groups.primary, here.groups, here.key, secret)
    writer = DatabaseInstances(primary, first, global_cluster, here.key)
    second = StandbyCluster(standby, global_cluster, first, writer, groups.standby, there.groups, there.key)
    reader = DatabaseInstances(standby, second, global_cluster, there.key)
    return Database(secret, global_cluster, Both(first, second), Both(writer, reader),
                    Both(RescueSnapshots(primary, first), RescueSnapshots(standby, second)))


def _function_roles(site: Site, ground: Ground, database: Database) -> dict[str, Role]:
    needs = (ground.key, database.secret)
    return {label: Role(site, label, "lambda", partial(
        function_role.policy, site=site, label=label, key=ground.key, secret=database.secret), needs)
        for label in ("app", "probe")}


def _function(site: Site, label: str, ground: Ground, database: Database, roles: dict[str, Role]) -> Function:
    """The functions share Lambda's interfaces, which it takes down with either's role: both outlive both functions."""
    return Function(site, label, ground.key, roles[label], ground.subnets, ground.groups, database.secret,
                    database.cluster.at(site), ground.egress, sharing=tuple(roles.values()))


def _beside(site: Site, ground: Ground, database: Database) -> Beside:
    return Beside(ground.network, ground.subnets, database.cluster.at(site), database.instances.at(site),
                  database.secret)


def _wires(settings: Settings, ground: Both[Ground]) -> Wires:
    data = both(settings, lambda site: DataBucket(site, ground.at(site).key, ground.at(site).logs))
    bus = both(settings, lambda site: EventBus(site, settings.other(site)))
    dead_letters = both(settings, lambda site: DeadLetters(site, ground.at(site).key))

    def replicate(site: Site) -> Replication:
        keys = (ground.at(site).key, ground.beside(site).key)
        role = Role(site, "replication", "s3", partial(
            replication.policy, site=site, source_key=keys[0], target_key=keys[1]), keys)
        return Replication(site, data.at(site), data.beside(site), *keys, role)

    def forward(site: Site) -> EventForwarding:
        role = Role(site, FORWARDING_ROLE, "events", partial(event_forwarding.policy, site=site),
                    source=partial(event_forwarding.source, site=site))
        return EventForwarding(site, bus.at(site), bus.beside(site), role, dead_letters.at(site))

    return Wires(data, both(settings, replicate), bus, dead_letters, both(settings, forward),
                 both(settings, lambda site: CanaryQueue(site, ground.at(site).key, bus.at(site))))


def _front(settings: Settings, ground: Both[Ground], app: Both[Function]) -> Front:
    primary = settings.primary
    zone = Zone(primary)
    make: dict[str, Callable[[Site], Certificate | GivenCertificate | None]] = {
        "acm": lambda site: Certificate(site, zone), "given": GivenCertificate, "off": lambda _: None}
    certificate = both(settings, make[settings.tls.mode])
    balancer = both(settings, lambda site: Balancer(
        site, ground.at(site).network, ground.at(site).subnets, ground.at(site).groups, ground.at(site).logs))
    listeners = both(settings, lambda site: Listeners(site, balancer.at(site), app.at(site), certificate.at(site)))
    switches = both(settings, SwitchBucket)
    checks = HealthChecks(primary, *balancer.all, *listeners.all, switches.standby, switches.primary)
    latches = both(settings, lambda site: _latch(site, ground.at(site), zone, balancer.at(site), switches))
    return Front(zone, certificate, balancer, listeners, switches, checks,
                 FailoverRecords(primary, zone, checks, *balancer.all), latches)


def _latch(site: Site, ground: Ground, zone: Zone, balancer: Balancer, switches: Both[SwitchBucket]) -> Latch:
    own, other = switches.at(site), switches.beside(site)
    role = Role(site, latch.LABEL, "lambda", partial(latch.policy, site=site, key=ground.key, own=own, other=other),
                (ground.key, own, other))
    return Latch(site, latch.LABEL, ground.key, role, zone, balancer, own, other)


def _alarms(settings: Settings, topics: Both[Topic], database: Database, wires: Wires, front: Front,
            app: Both[Function], probe: Both[Function]) -> Iterable[Step[Any]]:
    for site in settings.sites:
        topic = topics.at(site)
        yield Alarms(site, topic, front.balancer.at(site), front.listeners.at(site), database.cluster.at(site),
                     app.at(site), probe.at(site), front.latch.at(site), wires.dead_letters.at(site),
                     wires.replication.at(site), front.certificate.at(site))
        if site.region == "us-east-1":  # Route 53's metrics exist there only (Route 53 Developer Guide, monitoring)
            yield HealthAlarms(site, topic, front.checks)


def _backups(settings: Settings, ground: Both[Ground], database: Database) -> Iterable[Step[Any]]:
    vaults = both(settings, lambda site: BackupVault(site, ground.at(site).key))
    for site in settings.sites:
        keys = (ground.at(site).key, ground.beside(site).key)
        role = Role(site, "backup", "backup", partial(backups.policy, site=site, key=keys[0], other_key=keys[1]), keys)
        yield Backup(site, vaults.at(site), vaults.beside(site), role, database.cluster.at(site))


def _trail(settings: Settings, ground: Both[Ground], wires: Wires, topics: Both[Topic]) -> TrailAlarms:
    """Its home is where global services tell what they do; its files lie in the other region."""
    home, away = settings.sites
    bucket = TrailBucket(away, TrailKey(away), ground.standby.logs)
    role = Role(home, trail_name.LABEL, "cloudtrail", partial(trail.policy, site=home),
                source=trail_name.trail_arn)
    record = Trail(home, bucket, ground.primary.key, role, wires.data.all)
    return TrailAlarms(home, topics.primary, TrailFilters(home, record))
