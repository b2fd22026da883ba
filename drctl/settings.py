"""The configuration: what a stack looks like, checked in full before anything is called.

`load` (in `drctl.configuration`) reads a file into these models and reports every problem at once with path and line.
Durations are plain numbers whose unit is in the field's name; sizes likewise. Each key's meaning is the text below it,
for whoever reads the code and for docs/configuration.md; a key that holds others means what its model's docstring says.
Nothing reads these texts when drctl runs: pydantic's own way of taking them would double the time this module needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field

from drctl.settings_operation import Alarms, Backup, Estimate, Failover, Iam, Lab, Logs, Model, Trail

T = TypeVar("T")
Role = Literal["primary", "standby"]
Target = Literal["lab", "aws"]
Cidr = IPv4Network
#: Account id that the simulated AWS answers for.
LAB_ACCOUNT = "123456789012"


class Regions(Model):
    """Home of the stack by design; which region is active in a run is observed, never read from here."""

    primary: str = "us-east-1"
    """The region that is active by design."""
    standby: str = "us-west-2"
    """The region that waits by design."""


class Objectives(Model):
    """What the business was promised; drills are judged against it."""

    rto_minutes: Annotated[float, Field(gt=0)] = 15
    """Longest time without an acknowledged write."""
    rpo_minutes: Annotated[float, Field(ge=0)] = 15
    """Most time of acknowledged writes that may be lost; the alarm on the lag takes it too."""


class Network(Model):
    """Address plan and ways in and out."""

    primary_cidr: Cidr = IPv4Network("10.0.0.0/16")
    """Addresses of the primary region's VPC: private, /16 to /22."""
    standby_cidr: Cidr = IPv4Network("10.1.0.0/16")
    """Addresses of the standby region's VPC; they must not overlap, for the regions are peered."""
    availability_zones: Annotated[int, Field(ge=2, le=6)] = 3
    """Zones of each region with public, private and database subnets."""
    egress: Literal["endpoints", "nat", "nat-per-az"] = "endpoints"
    """How functions reach AWS: interface endpoints, one NAT gateway a region, or one a zone."""
    admit_cidrs: tuple[Cidr, ...] = ()
    """Who may reach the balancers: 25 ranges at most."""
    admit_cloudfront: bool = False
    """Whether CloudFront's managed prefix list is admitted too; it weighs 55 of a security group's 60 rules."""
    open_to_the_world: bool = False
    """Says in words that 0.0.0.0/0 is meant; the balancers admit it only then."""


class Dns(Model):
    """The hosted zone and the name users type."""

    zone: str = "dr.example.com"
    """The hosted zone: a domain name in lower case, without final dot."""
    zone_id: str | None = None
    """An existing zone's id: used as it is, never deleted. Without it the zone is made, and has to be delegated by the
    parent's owner."""
    record: str = "app"
    """The label that makes the name users type, in front of the zone."""
    health_interval_s: Literal[10, 30] = 10
    """How often each of Route 53's checkers asks."""
    health_threshold: Annotated[int, Field(ge=1, le=10)] = 3
    """Failed looks in a row before a check turns."""
    latch_minutes: Annotated[int, Field(ge=1, le=60)] = 5
    """How long users have to be away from their region before the switch there is set, so that they stay. As seconds it
    must be more than interval x (threshold + 1) + 120, else the latch would undo an operator's turn."""

    @property
    def name(self) -> str:
        """The name users type, without final dot."""
        return f"{self.record}.{self.zone}"


class Tls(Model):
    """Where the balancers' certificates come from: requested from ACM, given by ARN, or off for development only."""

    mode: Literal["acm", "given", "off"] = "acm"
    """Requested from ACM and validated by drctl, given by ARN, or off for development only."""
    primary_certificate_arn: str | None = None
    """With `given`: a certificate of the primary region, issued, that covers the users' name."""
    standby_certificate_arn: str | None = None
    """The same for the standby region."""
    policy: str = "ELBSecurityPolicy-TLS13-1-2-2021-06"
    """Security policy of the balancers' listeners, by its name in Elastic Load Balancing."""


class Database(Model):
    """The Aurora PostgreSQL global database."""

    engine_version: str = "16.6"
    """Full version, in quotes; asked of AWS in both regions before anything is made. A higher one of the same major
    version is an upgrade: the cluster that only reads first, then the writer, with a restart of each."""
    instance_class: str = "db.serverless"
    """`db.serverless`, or a memory-optimized class (db.r5 or newer); global databases refuse burstable ones."""
    instances: Annotated[int, Field(ge=1, le=15)] = 1
    """Instances in each region; two give a region a reader in another zone."""
    min_acu: Annotated[float, Field(ge=0.5, le=256)] = 0.5
    """With `db.serverless`: the least capacity of an instance, in steps of 0.5."""
    max_acu: Annotated[float, Field(ge=1, le=256)] = 4
    """With `db.serverless`: the most."""
    name: str = "app"
    """The database's name: lower-case letters, digits and underscores, no reserved word."""
    username: str = "dradmin"
    """The master user's name: 16 characters at most, no reserved word."""
    password_generation: Annotated[int, Field(ge=1)] = 1
    """Raised by one, the next provision gives the database a new password, and the secret with its copy; an earlier
    password does not come back."""
    backup_retention_days: Annotated[int, Field(ge=1, le=35)] = 7
    """How long Aurora keeps backups for point-in-time recovery."""
    rpo_limit_s: Annotated[int, Field(ge=20)] | None = None
    """`rds.global_db_rpo`: commits wait while the lag is over it. Unset is advised with two regions."""


class App(Model):
    """The function behind the balancer: drctl's sample application, or a package of the user's own."""

    package: str | None = None
    """Directory or zip file with your package; without it the sample application is deployed."""
    entry_point: str = "app.main.handler"
    """Module and function that Lambda calls."""
    memory_mb: Annotated[int, Field(ge=128, le=10240)] = 512
    """Memory of the function, which its share of CPU goes by."""
    timeout_s: Annotated[int, Field(ge=1, le=900)] = 10
    """How long an invocation may take."""
    health_path: str = "/health"
    """Path that balancers and Route 53 ask; it should answer without the database."""


class Storage(Model):
    """Lifetimes in the replicated data buckets, in days."""

    noncurrent_days: Annotated[int, Field(ge=1)] = 90
    """How long a version is kept after it was overwritten or deleted."""
    access_log_days: Annotated[int, Field(ge=1)] = 365
    """How long the balancers' access logs are kept."""


class EventBuses(Model):
    """The event buses of both regions."""

    source: str = "drctl.app"
    """Events with this source are forwarded to the other region."""
    archive_days: Annotated[int, Field(ge=1)] = 30
    """How long each bus's archive keeps events."""


class Waf(Model):
    """Web ACL in front of each balancer; requests per five minutes and address before it blocks."""

    rate_limit: Annotated[int, Field(ge=100, le=20_000_000)] = 2000
    """Requests of one address in five minutes before it is blocked."""


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
    """Where drctl works; without a configuration it can touch the lab only."""
    environment: str = "lab"
    """Part of every name and tag: lower-case letters, digits and hyphens, 20 characters at most."""
    account_id: str = LAB_ACCOUNT
    """The only account drctl may touch; required for `target: aws`."""
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
    trail: Trail = Trail()
    failover: Failover = Failover()
    estimate: Estimate = Estimate()
    iam: Iam = Iam()
    lab: Lab = Lab()
    deletion_protection: bool = False
    """Deletion protection of database and balancers, at every level that has it; teardown refuses until it is false."""
    tags: dict[str, str] = {}
    """Extra tags on everything that can carry them, put on when it is made: 40 at most. What stands keeps its own."""

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
