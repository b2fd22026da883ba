"""The steps of the stack in groups, as those speak of them who build and move it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drctl.engine.step import Step
from drctl.settings import Both
from drctl.steps.balancer import Balancer
from drctl.steps.canary_queue import CanaryQueue
from drctl.steps.certificate import Certificate
from drctl.steps.data_bucket import DataBucket
from drctl.steps.database_instances import DatabaseInstances
from drctl.steps.dead_letters import DeadLetters
from drctl.steps.event_bus import EventBus
from drctl.steps.event_forwarding import EventForwarding
from drctl.steps.flow_logs import FlowLogs
from drctl.steps.given_certificate import GivenCertificate
from drctl.steps.global_cluster import GlobalCluster
from drctl.steps.health_checks import HealthChecks
from drctl.steps.key import Key
from drctl.steps.latch import Latch
from drctl.steps.listeners import Listeners
from drctl.steps.log_bucket import LogBucket
from drctl.steps.network import Network
from drctl.steps.primary_cluster import PrimaryCluster
from drctl.steps.records import FailoverRecords
from drctl.steps.replication import Replication
from drctl.steps.rescue_snapshot import RescueSnapshots
from drctl.steps.route_tables import RouteTables
from drctl.steps.secret import DatabaseSecret
from drctl.steps.security_groups import SecurityGroups
from drctl.steps.standby_cluster import StandbyCluster
from drctl.steps.subnets import Subnets
from drctl.steps.switch_bucket import SwitchBucket
from drctl.steps.zone import Zone


@dataclass(frozen=True)
class Ground:
    """What everything else in a region stands on."""

    key: Key
    network: Network
    subnets: Subnets
    tables: RouteTables
    groups: SecurityGroups
    egress: tuple[Step[Any], ...]
    flow_logs: FlowLogs
    logs: LogBucket


@dataclass(frozen=True)
class Database:
    """The global database with a cluster and its instances in each region."""

    secret: DatabaseSecret
    global_cluster: GlobalCluster
    cluster: Both[PrimaryCluster | StandbyCluster]
    instances: Both[DatabaseInstances]
    #: What was kept of volumes that a failover has left behind; not built, removed with the stack.
    rescue: Both[RescueSnapshots]


@dataclass(frozen=True)
class Wires:
    """What carries data and events between the regions."""

    data: Both[DataBucket]
    replication: Both[Replication]
    bus: Both[EventBus]
    dead_letters: Both[DeadLetters]
    forwarding: Both[EventForwarding]
    canaries: Both[CanaryQueue]


@dataclass(frozen=True)
class Front:
    """What users reach: name, balancers, listeners, and what decides which region they are sent to."""

    zone: Zone
    certificate: Both[Certificate | GivenCertificate | None]
    balancer: Both[Balancer]
    listeners: Both[Listeners]
    switches: Both[SwitchBucket]
    checks: HealthChecks
    records: FailoverRecords
    latch: Both[Latch]
