"""Every change of a configuration, one key at a time: what it touches, or why it is refused and what to do instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from drctl.settings import Settings
from tests.actions.plan_world import EAST, WEST, Planned
from tests.steps.test_certificate import brought_along

Parts = Mapping[str, Any]
#: What the parts of a change are where they are known only once something stands in the lab.
Told = Callable[[Planned, Path], Parts]


@dataclass(frozen=True)
class Change:
    """A change that provision makes in place, the steps that it touches in either direction, without their regions."""

    name: str
    parts: Parts | Told
    touches: frozenset[str]
    #: What stands chosen before it.
    before: Parts | Told = field(default_factory=dict)
    #: What the way back touches, where it is not the same.
    back: frozenset[str] | None = None
    #: What a plan may name besides, although another step's work makes it needless.
    may_touch: frozenset[str] = frozenset()
    #: Other steps in whose output the change is to be seen.
    shown_by: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class OneWay(Change):
    """A change that AWS lets nobody take back: the way back is refused in these words, with this way."""

    words: str = ""
    way: str = ""


@dataclass(frozen=True)
class Refusal:
    """A change that is refused, with the reason and the way, by plan and by provision, before anything is changed."""

    name: str
    parts: Parts
    words: str
    way: str

    def __str__(self) -> str:
        return self.name


def keys(parts: Parts) -> Iterator[str]:
    """The configuration's keys that `parts` speak of."""
    for part, values in parts.items():
        yield from (f"{part}.{key}" for key in values) if isinstance(values, Mapping) and part != "tags" else (part,)


def every_key(model: type[BaseModel] = Settings, above: str = "") -> Iterator[str]:
    """Every key of the configuration."""
    for name, one in model.model_fields.items():
        inner = one.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from every_key(inner, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def of(*steps: str) -> frozenset[str]:
    """Steps by their names without region."""
    return frozenset(steps)


def certificates(world: Planned, _: Path) -> Parts:
    """Two certificates that were issued elsewhere and brought along."""
    arns = {f"{role}_certificate_arn": brought_along(world.aws, "app.dr.example.com", region)
            for role, region in (("primary", EAST), ("standby", WEST))}
    return {"tls": {"mode": "given", **arns}}


def renewed(world: Planned, folder: Path) -> Parts:
    """The successor of the certificate of the primary region."""
    return {"tls": {"primary_certificate_arn": brought_along(world.aws, "app.dr.example.com", EAST)}}


def second_zone(world: Planned, _: Path) -> Parts:
    """A zone of the stack's domain that somebody else has made."""
    made = world.aws[EAST].route53.create_hosted_zone(Name="dr.example.com", CallerReference="by-hand")
    return {"dns": {"zone_id": made["HostedZone"]["Id"].removeprefix("/hostedzone/")}}


def own_app(folder: Path, answer: str) -> Parts:
    """A package of the user's own, which answers its health check."""
    place = folder / answer
    place.mkdir()
    code = f"def handler(event, context):\n    return {{'statusCode': 200, 'body': '{answer}'}}\n"
    (place / "clinic.py").write_text(f"{code}\n\nother = handler\n")
    return {"app": {"package": str(place), "entry_point": "clinic.handler"}}


#: What knows the name that users type (the old name keeps its certificate and records), and what knows the checks that
#: lead them.
NAMED = of("listeners", "parameters", "latch", "alarms", "health alarms")
NAME = NAMED | of("certificate", "failover records")
CHECKED = of("health checks", "failover records", "health alarms", "dashboard")
CHANGES: tuple[Change, ...] = (
    # network
    Change("egress by NAT", {"network": {"egress": "nat"}}, of("endpoints", "nat", "security groups")),
    Change("egress by NAT in each zone", {"network": {"egress": "nat-per-az"}},
           of("endpoints", "nat", "security groups")),
    Change("who is admitted", {"network": {"admit_cidrs": ["203.0.113.0/24"]}}, of("security groups")),
    Change("CloudFront is admitted", {"network": {"admit_cloudfront": True}}, of("security groups", "balancer"),
           back=of("security groups")),
    Change("everybody is admitted", {"network": {"open_to_the_world": True, "admit_cidrs": ["0.0.0.0/0"]}},
           of("security groups")),
    # names
    Change("another name", {"dns": {"record": "www"}}, NAME, back=NAMED),
    Change("another domain", {"dns": {"zone": "clinic.example.com"}},
           NAME | of("zone"), back=NAMED),
    Change("a zone that is given", second_zone, of("failover records"), may_touch=of("certificate"),
           back=of()),
    Change("how often checkers ask", {"dns": {"health_interval_s": 30, "latch_minutes": 9}},
           CHECKED | of("latch")),
    Change("how many failed looks turn a check", {"dns": {"health_threshold": 4}}, of("health checks")),
    Change("how long the latch waits", {"dns": {"latch_minutes": 8}}, of("latch")),
    # certificates
    Change("no TLS", {"tls": {"mode": "off"}}, CHECKED | of("listeners", "security groups")),
    Change("certificates that are given", certificates, of("listeners", "alarms")),
    Change("a renewed certificate", renewed, of("listeners", "alarms"), before=certificates),
    Change("TLS policy", {"tls": {"policy": "ELBSecurityPolicy-TLS13-1-3-2021-06"}}, of("listeners")),
    # database
    Change("instance class", {"database": {"instance_class": "db.r6g.large"}}, of("database instances")),
    Change("instances", {"database": {"instances": 2}}, of("database instances")),
    Change("least capacity", {"database": {"min_acu": 1}}, of("primary cluster", "standby cluster")),
    Change("most capacity", {"database": {"max_acu": 8}}, of("primary cluster", "standby cluster")),
    Change("retention of backups", {"database": {"backup_retention_days": 3}},
           of("primary cluster", "standby cluster")),
    Change("limit on lag", {"database": {"rpo_limit_s": 60}}, of("database groups")),
    # app
    Change("memory of the app", {"app": {"memory_mb": 256}}, of("function app", "function probe", "release")),
    Change("time-out of the app", {"app": {"timeout_s": 20}}, of("function app", "function probe", "release")),
    Change("health path", {"app": {"health_path": "/health/deep"}}, of("listeners", "health checks", "waf")),
    Change("a package of one's own", lambda _, folder: own_app(folder, "one"), of("function app", "release")),
    Change("an update of the app", lambda _, folder: own_app(folder, "two"), of("function app", "release"),
           before=lambda _, folder: own_app(folder, "one")),
    Change("another entry point", {"app": {"entry_point": "clinic.other"}}, of("function app", "release"),
           before=lambda _, folder: own_app(folder, "one")),
    # data, events, firewall
    Change("retention of old versions", {"storage": {"noncurrent_days": 10}}, of("data bucket", "switch bucket")),
    Change("retention of access logs", {"storage": {"access_log_days": 30}}, of("log bucket")),
    Change("source of events", {"events": {"source": "clinic.app"}}, of("event forwarding", "canary queue")),
    Change("retention of events", {"events": {"archive_days": 5}}, of("event bus")),
    Change("rate limit", {"waf": {"rate_limit": 3000}}, of("waf")),
    # watching
    Change("who hears alarms", {"alarms": {"email": "on-call@example.org"}}, of("topic"), back=of()),
    *(Change(f"alarm {key}", {"alarms": {key: value}}, of("alarms")) for key, value in {
        "database_cpu_percent": 70, "database_connections": 300, "replication_lag_s": 30, "error_percent": 7.5,
        "certificate_days": 20}.items()),
    Change("how long it may take", {"objectives": {"rto_minutes": 30}}, of("dashboard")),
    Change("what may be lost", {"objectives": {"rpo_minutes": 5}}, of("alarms", "dashboard")),
    Change("retention of logs", {"logs": {"retention_days": 30}},
           of("function app", "function probe", "latch", "primary cluster", "standby cluster", "flow logs", "waf")),
    # keeping
    Change("a backup plan", {"backup": {"enabled": True}}, of("role backup", "backup", "backup vault"), back=of()),
    Change("when backups are made", {"backup": {"schedule": "cron(0 3 ? * * *)"}}, of("backup"),
           before={"backup": {"enabled": True}}),
    Change("retention of recovery points", {"backup": {"retention_days": 7}}, of("backup"),
           before={"backup": {"enabled": True}}),
    Change("a trail", {"trail": {"enabled": True}},
           of("role trail", "trail key", "trail bucket", "trail", "trail filters", "trail alarms"), back=of()),
    Change("retention of the trail", {"trail": {"retention_days": 400}}, of("trail bucket"),
           before={"trail": {"enabled": True}}),
    Change("deletion protection", {"deletion_protection": True},
           of("global cluster", "primary cluster", "standby cluster", "balancer")),
    Change("a permissions boundary", {"iam": {"permissions_boundary": "arn:aws:iam::aws:policy/PowerUserAccess"}},
           frozenset(f"role {name}" for name in ("app", "probe", "latch", "replication", "forwarding", "flow-logs"))),
    # one way
    OneWay("a new password", {"database": {"password_generation": 2}}, of("database secret", "primary cluster"),
           words="an earlier password does not come back", way="set database.password_generation to 2"),
    OneWay("a minor upgrade", {"database": {"engine_version": "16.8"}}, of("engine version"),
           shown_by=of("global cluster", "primary cluster", "standby cluster"),
           words="Aurora takes no version back", way="set database.engine_version to 16.8"),
)
REFUSALS: tuple[Refusal, ...] = (
    Refusal("fewer zones", {"network": {"availability_zones": 2}}, "which cannot be taken from them",
            "set network.availability_zones back"),
    Refusal("addresses of the primary region", {"network": {"primary_cidr": "10.9.0.0/16"}}, "has the addresses",
            "set network.primary_cidr to 10.0.0.0/16"),
    Refusal("addresses of the standby region", {"network": {"standby_cidr": "10.9.0.0/16"}}, "has the addresses",
            "set network.standby_cidr to 10.1.0.0/16"),
    Refusal("another standby region", {"regions": {"standby": "us-east-2"}}, "does not leave us-west-2",
            "put regions back"),
    Refusal("another primary region", {"regions": {"primary": "us-east-2"}}, "does not leave us-east-1",
            "put regions back"),
    Refusal("homes exchanged", {"regions": {"primary": WEST, "standby": EAST}}, "homes are not exchanged",
            "drctl failover --planned"),
    Refusal("another name of the database", {"database": {"name": "another"}}, "without replacing the data",
            "put the configuration back"),
    Refusal("another master user", {"database": {"username": "another"}}, "without replacing the data",
            "put the configuration back"),
    Refusal("an older engine", {"database": {"engine_version": "16.4"}}, "Aurora takes no version back",
            "set database.engine_version to 16.6"),
    Refusal("another major version", {"database": {"engine_version": "17.5"}}, "another major version",
            "AllowMajorVersionUpgrade"),
    Refusal("another environment", {"environment": "renamed"}, "an environment that stands cannot be renamed",
            "set environment back to lab"),
)
#: Keys that AWS never sees, with a value that differs from the usual one: nothing is planned for them.
NOT_AWS: Parts = {
    "failover": {"order": "database-first", "connect_timeout_s": 3, "read_timeout_s": 6, "attempts": 3},
    "estimate": {"requests_millions": 1, "request_kb": 20, "request_ms": 9, "database_gb": 20,
                 "database_writes_millions": 3, "object_gb": 2, "object_gb_new": 1, "events_millions": 1, "logs_gb": 3,
                 "egress_gb": 6},
    "lab": {"traffic": {"write": {"method": "PUT", "path": "/rows/{row}", "body": {"name": "{row}"}},
                        "read": {"path": "/rows/{row}"}, "id_field": "data.id"}},
}
#: Keys that no plan can be asked about, each with the test that holds what becomes of a change.
ELSEWHERE = {
    "target": "tests/test_configuration.py: where drctl works, with its own rules on the account",
    "account_id": "tests/actions/test_preflight.py: credentials of another account are refused before anything is read",
    "tags": "put on what is made from then on; what stands keeps those that it was made with",
}
