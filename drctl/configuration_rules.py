"""What a configuration may not say although its types are right: limits of AWS, and traps that cost a night.

Each rule yields the path of the key that is wrong and a sentence. Limits are those of the services' API references.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from drctl.settings import LAB_ACCOUNT, Settings

Location = tuple[str | int, ...]
Found = Iterator[tuple[Location, str]]
Rule = Callable[[Settings], Found]

#: Account ids that documents use as examples; nobody's stack is there.
EXAMPLE_ACCOUNTS = {LAB_ACCOUNT, "000000000000", "111111111111", "111122223333", "999999999999", "012345678901"}
#: Domains that are reserved for documentation and tests (RFC 2606, RFC 6761).
RESERVED_DOMAINS = ("example.com", "example.net", "example.org", "example", "invalid", "test", "localhost")
#: Values CloudWatch Logs accepts (CloudWatch Logs API Reference, PutRetentionPolicy).
RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
#: Names Aurora PostgreSQL refuses for databases and users (RDS API Reference, CreateDBCluster).
RESERVED_WORDS = {"admin", "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "authorization", "case",
                  "cast", "check", "column", "constraint", "create", "db", "default", "desc", "distinct", "else",
                  "end", "except", "false", "for", "from", "grant", "group", "having", "in", "intersect", "into",
                  "limit", "not", "null", "offset", "on", "or", "order", "postgres", "primary", "public", "rdsadmin",
                  "references", "select", "table", "template0", "template1", "then", "to", "true", "union", "unique",
                  "user", "using", "when", "where", "with"}
#: Seconds that a latch may be early by its schedule: its looks, a minute apart, span a minute less than their number,
#: and one that failed once it had looked is made again and can count twice.
LATCH_SLACK_S = 120
ARN = re.compile(r"arn:aws[a-z-]*:acm:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):certificate/(?P<id>.+)")
CERTIFICATE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


def problems_of(settings: Settings, given: dict[str, Any]) -> list[tuple[Location, str]]:
    """Every rule that `settings` break; `given` is what the file itself says, without defaults."""
    found = [problem for rule in RULES for problem in rule(settings)]
    if settings.target == "aws" and "account_id" not in given:
        found = [(path, text) for path, text in found if path != ("account_id",)]
        found.append((("account_id",), "is required with target: aws, so that no other account is ever touched"))
    return found


def environment(settings: Settings) -> Found:
    if not re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", settings.environment) or "--" in settings.environment:
        yield ("environment",), "must be lower-case letters, digits and single hyphens, beginning with a letter"
    if len(settings.environment) > 20:
        yield ("environment",), (f"has {len(settings.environment)} characters; 20 are allowed, so that bucket names, "
                                 "which carry region, environment and account, stay within S3's limit of 63")


def account(settings: Settings) -> Found:
    if not re.fullmatch(r"\d{12}", settings.account_id):
        yield ("account_id",), "must be twelve digits, in quotes"
    elif settings.target == "lab" and settings.account_id != LAB_ACCOUNT:
        yield ("account_id",), f"must be {LAB_ACCOUNT} with target: lab; leave it out"
    elif settings.target == "aws" and settings.account_id in EXAMPLE_ACCOUNTS:
        yield ("account_id",), f"{settings.account_id} is an account of documentation examples, not yours"


def regions(settings: Settings) -> Found:
    for role, region in (("primary", settings.regions.primary), ("standby", settings.regions.standby)):
        if not REGION.fullmatch(region):
            yield ("regions", role), f"{region!r} is not the name of an AWS region"
    if settings.regions.primary == settings.regions.standby:
        yield ("regions", "standby"), f"is the same region as regions.primary ({settings.regions.primary})"


def addresses(settings: Settings) -> Found:
    network = settings.network
    for key, cidr in (("primary_cidr", network.primary_cidr), ("standby_cidr", network.standby_cidr)):
        if not 16 <= cidr.prefixlen <= 22:
            yield ("network", key), (f"{cidr} must be between /16 and /22: a VPC is /16 at most, and its subnets must "
                                     "be /27 or larger for a balancer")
        if not cidr.is_private:
            yield ("network", key), f"{cidr} is not a private address range (RFC 1918)"
    if network.primary_cidr.overlaps(network.standby_cidr):
        yield ("network", "standby_cidr"), (f"{network.standby_cidr} overlaps network.primary_cidr "
                                            f"{network.primary_cidr}: a peering between them would fail")


def admission(settings: Settings) -> Found:
    network = settings.network
    world = IPv4Network("0.0.0.0/0")
    if world in network.admit_cidrs and not network.open_to_the_world:
        yield ("network", "admit_cidrs"), "opens the balancer to everyone; say open_to_the_world: true if you mean it"
    if not (network.admit_cidrs or network.admit_cloudfront or network.open_to_the_world):
        yield ("network", "admit_cidrs"), ("admits nobody: give CIDRs, admit_cloudfront: true, or "
                                           "open_to_the_world: true")
    if len(network.admit_cidrs) > 25:
        yield ("network", "admit_cidrs"), "has more than 25 ranges; a security group holds 60 rules for two ports"


def domain(settings: Settings) -> Found:
    dns = settings.dns
    if len(dns.zone) > 253 or not all(LABEL.fullmatch(label) for label in dns.zone.split(".")) or "." not in dns.zone:
        yield ("dns", "zone"), f"{dns.zone!r} is not a domain name in lower case without final dot"
    elif settings.target == "aws" and any(dns.zone == it or dns.zone.endswith("." + it) for it in RESERVED_DOMAINS):
        yield ("dns", "zone"), f"{dns.zone} is reserved for documentation; no certificate can be issued for it"
    if not LABEL.fullmatch(dns.record):
        yield ("dns", "record"), f"{dns.record!r} must be one label of a domain name"
    if dns.zone_id is not None and not re.fullmatch(r"Z[A-Z0-9]{4,31}", dns.zone_id):
        yield ("dns", "zone_id"), f"{dns.zone_id!r} is not the id of a hosted zone"


def latch(settings: Settings) -> Found:
    """The old region's latch counts the minutes in which users still arrive there although an operator has turned.

    Until `health_threshold` checks in a row have seen the switch, the first of them up to an interval after it was
    put, DNS answers as before (Route 53 Developer Guide, "How Route 53 determines whether a health check is healthy").
    """
    dns = settings.dns
    moved = dns.health_interval_s * (dns.health_threshold + 1)
    if dns.latch_minutes * 60 <= moved + LATCH_SLACK_S:
        yield ("dns", "latch_minutes"), (
            f"{dns.latch_minutes} min are too short beside these health checks, the latch would undo the turn of an "
            f"operator: users arrive in the old region for another health_interval_s x (health_threshold + 1) = "
            f"{moved} s, and its latch may count two minutes more than pass ({LATCH_SLACK_S} s: so many looks span a "
            f"minute less, and one can count twice); give at least {(moved + LATCH_SLACK_S) // 60 + 1}")


def certificates(settings: Settings) -> Found:
    tls = settings.tls
    arns = (("primary_certificate_arn", tls.primary_certificate_arn, settings.regions.primary),
            ("standby_certificate_arn", tls.standby_certificate_arn, settings.regions.standby))
    for key, arn, region in arns:
        if tls.mode == "given" and arn is None:
            yield ("tls", key), "is required with tls.mode: given"
        elif tls.mode != "given" and arn is not None:
            yield ("tls", key), f"is given, but tls.mode is {tls.mode}; say mode: given"
        elif arn is not None:
            yield from ((("tls", key), text) for text in _certificate(arn, region, settings))
    if tls.mode == "off" and settings.environment.startswith("prod"):
        yield ("tls", "mode"), "off is for development only; this environment is called production"


def _certificate(arn: str, region: str, settings: Settings) -> Iterator[str]:
    match = ARN.fullmatch(arn)
    if match is None:
        yield f"{arn!r} is not the ARN of an ACM certificate"
        return
    if match["region"] != region:
        yield f"is of region {match['region']}; a balancer in {region} takes only a certificate of {region}"
    if match["account"] != settings.account_id:
        yield f"is of account {match['account']}, the stack's account is {settings.account_id}"
    if not CERTIFICATE_ID.fullmatch(match["id"]) or len(set(match["id"].replace("-", ""))) <= 2 \
            or match["id"] == "12345678-1234-1234-1234-123456789012":
        yield f"{match['id']} is a placeholder, not the id of a certificate"


def database(settings: Settings) -> Found:
    base = settings.database
    yield from ((("database", "instance_class"), text) for text in _instance_class(base.instance_class))
    if base.min_acu > base.max_acu:
        yield ("database", "min_acu"), f"{base.min_acu} is over max_acu {base.max_acu}"
    for key, acu in (("min_acu", base.min_acu), ("max_acu", base.max_acu)):
        if acu * 2 != int(acu * 2):
            yield ("database", key), f"{acu} must be a multiple of 0.5"
    if not re.fullmatch(r"\d{2}\.\d{1,2}", base.engine_version):
        yield ("database", "engine_version"), f"{base.engine_version!r} must be a full version such as 16.6, in quotes"
    yield from _identifier(("database", "name"), base.name, 63)
    yield from _identifier(("database", "username"), base.username, 16)
    if base.username.startswith(("_", "pg_", "rds")):
        yield ("database", "username"), f"{base.username!r} must begin with a letter, and not with pg_ or rds"


def _instance_class(name: str) -> Iterator[str]:
    if name.startswith("db.t"):
        yield (f"{name} cannot be in a global database: burstable classes are refused; use db.serverless or a "
               "memory-optimized class such as db.r6g.large")
    elif name != "db.serverless" and not re.fullmatch(r"db\.(r[5-9]|x2)[a-z]*\.[a-z0-9]+", name):
        yield (f"{name} cannot be in a global database: it takes db.serverless or memory-optimized classes "
               "(db.r5 or newer)")


def _identifier(path: Location, name: str, limit: int) -> Found:
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        yield path, f"{name!r} must be lower-case letters, digits and underscores, not beginning with a digit"
    if len(name) > limit:
        yield path, f"has {len(name)} characters; Aurora allows {limit}"
    if name in RESERVED_WORDS:
        yield path, f"{name!r} is a reserved word of the engine"


def application(settings: Settings) -> Found:
    if not settings.app.health_path.startswith("/") or len(settings.app.health_path) > 255:
        yield ("app", "health_path"), "must begin with / and have at most 255 characters"
    if settings.app.package is not None and not Path(settings.app.package).exists():
        yield ("app", "package"), f"{settings.app.package} does not exist"


def operations(settings: Settings) -> Found:
    if settings.logs.retention_days not in RETENTIONS:
        accepted = ", ".join(map(str, RETENTIONS))
        yield ("logs", "retention_days"), f"{settings.logs.retention_days} is not one of {accepted}"
    if settings.alarms.email is not None and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", settings.alarms.email):
        yield ("alarms", "email"), f"{settings.alarms.email!r} is not an e-mail address"
    if not re.fullmatch(r"(cron|rate)\(.+\)", settings.backup.schedule):
        yield ("backup", "schedule"), "must be cron(…) or rate(…)"


def lab_traffic(settings: Settings) -> Found:
    """Rows that cannot be told apart, or not be read back, would prove nothing."""
    traffic = settings.lab.traffic
    for key, path in (("write", traffic.write.path), ("read", traffic.read.path)):
        if not path.startswith("/"):
            yield ("lab", "traffic", key, "path"), f"{path!r} must begin with /"
    written = traffic.write.path + json.dumps(traffic.write.body)
    if "{row}" not in written:
        yield ("lab", "traffic", "write"), "holds {row} neither in its path nor in its body: all rows would be alike"
    if "{id}" in written:
        yield ("lab", "traffic", "write"), "holds {id}, which the app gives only in its answer"
    if "{id}" not in traffic.read.path and "{row}" not in traffic.read.path:
        yield ("lab", "traffic", "read", "path"), "holds neither {id} nor {row}: it would not say which row"
    if not all(traffic.id_field.split(".")):
        yield ("lab", "traffic", "id_field"), f"{traffic.id_field!r} must be a key, or keys with dots between them"


def boundary(settings: Settings) -> Found:
    arn = settings.iam.permissions_boundary
    if arn is not None and not re.fullmatch(rf"arn:aws:iam::(?:aws|{settings.account_id}):policy/[\w+=,.@/-]+", arn):
        yield ("iam", "permissions_boundary"), (f"{arn!r} is not the ARN of a managed policy of AWS or of account "
                                                f"{settings.account_id}")


def tags(settings: Settings) -> Found:
    for key, value in settings.tags.items():
        if key.lower().startswith(("aws:", "drctl:")) or key in {"Environment", "Region", "DR-Role", "Name"}:
            yield ("tags", key), "is reserved"
        if len(key) > 128 or len(value) > 256:
            yield ("tags", key), "is too long: 128 characters for a key, 256 for a value"
    if len(settings.tags) > 40:
        yield ("tags",), "has more than 40 tags; AWS allows 50, of which drctl needs some"


RULES: tuple[Rule, ...] = (environment, account, regions, addresses, admission, domain, latch, certificates,
                           database, application, operations, lab_traffic, boundary, tags)
