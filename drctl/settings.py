"""The configuration: what a stack looks like, checked in full before anything is called.

`load` (in `drctl.configuration`) reads a file into these models and reports every problem at once with path and line.
Durations are plain numbers whose unit is in the field's name; sizes likewise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue

T = TypeVar("T")
Role = Literal["primary", "standby"]
Target = Literal["lab", "aws"]
Cidr = IPv4Network
#: Account id that the simulated AWS answers for.
LAB_ACCOUNT = "123456789012"


class Model(BaseModel):
    """A part of the configuration: closed (unknown keys are refused) and frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Regions(Model):
    """Home of the stack by design; which region is active in a run is observed, never read from here."""

    primary: str = "us-east-1"
    standby: str = "us-west-2"


class Objectives(Model):
    """What the business was promised; drills are judged against it."""

    rto_minutes: Annotated[float, Field(gt=0)] = 15
    rpo_minutes: Annotated[float, Field(ge=0)] = 15


class Network(Model):
    """Address plan and ways in and out."""

    primary_cidr: Cidr = IPv4Network("10.0.0.0/16")
    standby_cidr: Cidr = IPv4Network("10.1.0.0/16")
    availability_zones: Annotated[int, Field(ge=2, le=6)] = 3
    egress: Literal["endpoints", "nat", "nat-per-az"] = "endpoints"
    admit_cidrs: tuple[Cidr, ...] = ()
    admit_cloudfront: bool = False
    #: The balancer admits 0.0.0.0/0 only when this is said in words.
    open_to_the_world: bool = False


class Dns(Model):
    """The hosted zone and the name users type."""

    zone: str = "dr.example.com"
    #: An existing zone's id; without it the zone is made (and has to be delegated by the parent's owner).
    zone_id: str | None = None
    record: str = "app"
    health_interval_s: Literal[10, 30] = 10
    health_threshold: Annotated[int, Field(ge=1, le=10)] = 3
    #: Minutes that users have to be away from their region before the switch there is set, so that they stay.
    latch_minutes: Annotated[int, Field(ge=1, le=60)] = 5

    @property
    def name(self) -> str:
        """The name users type, without final dot."""
        return f"{self.record}.{self.zone}"


class Tls(Model):
    """Where the balancers' certificates come from: requested from ACM, given by ARN, or off for development only."""

    mode: Literal["acm", "given", "off"] = "acm"
    primary_certificate_arn: str | None = None
    standby_certificate_arn: str | None = None
    policy: str = "ELBSecurityPolicy-TLS13-1-2-2021-06"


class Database(Model):
    """The Aurora PostgreSQL global database."""

    engine_version: str = "16.6"
    instance_class: str = "db.serverless"
    instances: Annotated[int, Field(ge=1, le=15)] = 1
    min_acu: Annotated[float, Field(ge=0.5, le=256)] = 0.5
    max_acu: Annotated[float, Field(ge=1, le=256)] = 4
    name: str = "app"
    username: str = "dradmin"
    backup_retention_days: Annotated[int, Field(ge=1, le=35)] = 7
    #: `rds.global_db_rpo` in seconds; None leaves it unset, which is advised with two regions.
    rpo_limit_s: Annotated[int, Field(ge=20)] | None = None


class App(Model):
    """The function behind the balancer: drctl's sample application, or a package of the user's own."""

    #: Directory or zip file with the user's package; None deploys the sample application.
    package: str | None = None
    entry_point: str = "app.main.handler"
    memory_mb: Annotated[int, Field(ge=128, le=10240)] = 512
    timeout_s: Annotated[int, Field(ge=1, le=900)] = 10
    health_path: str = "/health"


class Storage(Model):
    """Lifetimes in the replicated data buckets, in days."""

    noncurrent_days: Annotated[int, Field(ge=1)] = 90
    access_log_days: Annotated[int, Field(ge=1)] = 365


class EventBuses(Model):
    """The event buses of both regions."""

    source: str = "drctl.app"
    archive_days: Annotated[int, Field(ge=1)] = 30


class Waf(Model):
    """Web ACL in front of each balancer; requests per five minutes and address before it blocks."""

    rate_limit: Annotated[int, Field(ge=100, le=20_000_000)] = 2000


class Alarms(Model):
    """Thresholds, and who hears."""

    email: str | None = None
    database_cpu_percent: Annotated[float, Field(gt=0, le=100)] = 80
    database_connections: Annotated[int, Field(ge=1)] = 200
    replication_lag_s: Annotated[float, Field(gt=0)] = 60
    error_percent: Annotated[float, Field(gt=0, le=100)] = 5
    certificate_days: Annotated[int, Field(ge=1)] = 30


class Logs(Model):
    """Retention of every log group in days (a value CloudWatch Logs accepts)."""

    retention_days: int = 90


class Failover(Model):
    """How requests are made while a region is lost, when no one may wait for what does not answer, and the order."""

    #: Whether users are sent to the other region while its database is promoted, or once it takes writes.
    order: Literal["side-by-side", "database-first"] = "side-by-side"
    connect_timeout_s: Annotated[float, Field(gt=0, le=60)] = 2
    read_timeout_s: Annotated[float, Field(gt=0, le=60)] = 5
    attempts: Annotated[int, Field(ge=1, le=8)] = 2


class Backup(Model):
    """AWS Backup plan with a copy to the other region."""

    enabled: bool = False
    schedule: str = "cron(0 5 ? * * *)"
    retention_days: Annotated[int, Field(ge=1)] = 35


class Estimate(Model):
    """What a month is taken to bring; nothing but `plan` and `prices` reads it, to tell what the stack costs."""

    requests_millions: Annotated[float, Field(ge=0)] = 0
    #: Request and answer together, in thousands of bytes.
    request_kb: Annotated[float, Field(ge=0)] = 16
    #: Milliseconds that the app's function works on a request.
    request_ms: Annotated[float, Field(ge=0)] = 5
    database_gb: Annotated[float, Field(ge=0)] = 10
    database_writes_millions: Annotated[float, Field(ge=0)] = 2.5
    object_gb: Annotated[float, Field(ge=0)] = 1
    #: Of the objects, what is new in a month and so replicated.
    object_gb_new: Annotated[float, Field(ge=0)] = 0.1
    events_millions: Annotated[float, Field(ge=0)] = 0.05
    logs_gb: Annotated[float, Field(ge=0)] = 2
    #: What the functions send and fetch through endpoints or NAT.
    egress_gb: Annotated[float, Field(ge=0)] = 5


class Iam(Model):
    """What every role of the stack carries beside its own policy."""

    #: ARN of a managed policy that no role of the stack may go beyond; None asks for no boundary.
    permissions_boundary: str | None = None


class TrafficWrite(Model):
    """The request that writes a numbered row; `{row}` in the path and in any text of the JSON body becomes the row."""

    method: Literal["POST", "PUT", "PATCH"] = "POST"
    path: str = "/patients"
    body: dict[str, JsonValue] = {"name": "{row}", "birth_date": "1980-02-29"}


class TrafficRead(Model):
    """The request that reads a row back, whose answer has to contain it; the path holds `{id}`, `{row}`, or both."""

    path: str = "/patients/{id}"


class Traffic(Model):
    """How the lab's clients use the app behind the name; as it stands, drctl's sample application."""

    write: TrafficWrite = TrafficWrite()
    read: TrafficRead = TrafficRead()
    #: Where the JSON answer to a write says what the app calls the row: a key, or keys with dots between them.
    id_field: str = "id"


class Lab(Model):
    """What the lab does with this stack; AWS never sees it."""

    traffic: Traffic = Traffic()


@dataclass(frozen=True)
class Site:
    """One of the two regions in its design-time role."""

    role: Role
    region: str
    cidr: IPv4Network

    @property
    def tag_role(self) -> str:
        """Value of the `DR-Role` tag."""
        return "primary" if self.role == "primary" else "secondary"


class Settings(Model):
    """One stack."""

    target: Target = "lab"
    environment: str = "lab"
    #: The only account drctl may touch; required for `target: aws`.
    account_id: str = LAB_ACCOUNT
    regions: Regions = Regions()
    objectives: Objectives = Objectives()
    network: Network = Network()
    dns: Dns = Dns()
    tls: Tls = Tls()
    database: Database = Database()
    app: App = App()
    storage: Storage = Storage()
    events: EventBuses = EventBuses()
    waf: Waf = Waf()
    alarms: Alarms = Alarms()
    logs: Logs = Logs()
    backup: Backup = Backup()
    failover: Failover = Failover()
    estimate: Estimate = Estimate()
    iam: Iam = Iam()
    lab: Lab = Lab()
    #: Deletion protection of database and balancers, at every level that has it.
    deletion_protection: bool = False
    #: Extra tags on everything that can carry them.
    tags: dict[str, str] = {}

    @property
    def primary(self) -> Site:
        """The region that is active by design."""
        return Site("primary", self.regions.primary, self.network.primary_cidr)

    @property
    def standby(self) -> Site:
        """The region that waits by design."""
        return Site("standby", self.regions.standby, self.network.standby_cidr)

    @property
    def sites(self) -> tuple[Site, Site]:
        """Both regions, primary first."""
        return (self.primary, self.standby)

    def other(self, site: Site) -> Site:
        """The peer of `site`."""
        return self.standby if site.role == "primary" else self.primary


@dataclass(frozen=True)
class Both(Generic[T]):
    """The same thing in both regions."""

    primary: T
    standby: T

    def at(self, site: Site) -> T:
        """The one in a region."""
        return self.primary if site.role == "primary" else self.standby

    def beside(self, site: Site) -> T:
        """The one in the other region."""
        return self.standby if site.role == "primary" else self.primary

    @property
    def all(self) -> tuple[T, T]:
        """Primary first."""
        return (self.primary, self.standby)


def both(settings: Settings, make: Callable[[Site], T]) -> Both[T]:
    """Make one in each region."""
    return Both(make(settings.primary), make(settings.standby))
