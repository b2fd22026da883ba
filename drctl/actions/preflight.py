"""Preflight: what AWS is asked before anything is made: who we are, what both regions offer, what is free."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from drctl.aws.clients import Region
from drctl.aws.errors import AwsError, Refusal, code_of, is_credentials_error, is_gone, is_one_of, message_of
from drctl.aws.tags import as_map, is_ours, ours
from drctl.engine.run import Run
from drctl.engine.runbook import Action
from drctl.engine.step import Finding, Step
from drctl.errors import Refused
from drctl.settings import Site
from drctl.steps.data_bucket import DataBucket
from drctl.steps.given_certificate import GivenCertificate
from drctl.steps.global_cluster import GlobalCluster
from drctl.steps.log_bucket import LogBucket
from drctl.steps.network import Network
from drctl.steps.switch_bucket import SwitchBucket
from drctl.steps.zone import Zone

#: Quota codes of Service Quotas: what this stack needs one more of in each region, and the default when unknown.
VPC_QUOTA, EIP_QUOTA = ("vpc", "L-F678F1CE", 5), ("ec2", "L-0263D0A3", 5)


@dataclass(frozen=True, eq=False)
class Preflight(Action):
    """All questions at once, both regions side by side; every answer that forbids to go on is listed."""

    why = "what AWS would refuse in forty minutes it can refuse now"
    typical_minutes = 0.2
    if_stuck = "drctl provision goes on once the findings are mended"
    phase: ClassVar[str] = "preflight"

    @property
    def title(self) -> str:
        return "preflight"

    def do(self, run: Run) -> None:
        identity(run)
        questions: tuple[Callable[[Run, Site], Iterable[str]], ...] = (engine, quotas, names, given, fixed)
        with ThreadPoolExecutor(max_workers=len(questions) * 2) as pool:
            asked = [pool.submit(copy_context().run, lambda ask=ask, site=site: list(ask(run, site)))
                     for ask in questions for site in run.settings.sites]
        findings = tuple(finding for answer in asked for finding in answer.result())
        if findings:
            raise Refused("AWS would refuse this stack; no part of it was made", findings=findings,
                          next_step="mend the lines above, then: drctl provision")


@dataclass(frozen=True, eq=False)
class CheckIdentity(Action):
    """The credentials work in both regions and belong to the configured account."""

    why = "nothing in another account is ever touched"
    typical_minutes = 0.1
    if_stuck = "aws sts get-caller-identity"
    phase: ClassVar[str] = "preflight"

    @property
    def title(self) -> str:
        return "check account and credentials"

    def do(self, run: Run) -> None:
        identity(run)


def identity(run: Run, known: Mapping[str, str] = MappingProxyType({})) -> None:
    """Credentials work in both regions and belong to the account of the configuration; Refused otherwise.

    `known` are the accounts, by region, as regions have told them already.
    """
    with ThreadPoolExecutor(max_workers=2) as pool:
        accounts = dict(zip(run.settings.sites, pool.map(
            lambda site: known.get(site.region) or account(run.at(site), site), run.settings.sites), strict=True))
    for site, found in accounts.items():
        if found != run.settings.account_id:
            raise Refused(f"the credentials belong to account {found}; the configuration allows only "
                          f"{run.settings.account_id} ({site.region}); nothing was changed",
                          next_step="use the right profile (AWS_PROFILE), or correct account_id")


def account(aws: Region, site: Site) -> str:
    """The account that the credentials belong to, as a region tells by these clients; Refused where it lets nobody in.
    """
    try:
        return aws.sts.get_caller_identity()["Account"]
    except AwsError as error:
        if is_credentials_error(error):
            raise Refused(
                f"AWS does not accept the credentials in {site.region}: {code_of(error)}: {message_of(error)}; "
                "nothing was changed", next_step="aws sts get-caller-identity shows what the SDK finds; a region that "
                "is not enabled for the account answers so too") from error
        raise


def engine(run: Run, site: Site) -> Iterable[str]:
    """The engine version and class can be in a global database, and can be ordered in this region (trap 3)."""
    wanted, rds = run.settings.database, run.at(site).rds
    versions = rds.describe_db_engine_versions(Engine="aurora-postgresql", EngineVersion=wanted.engine_version)
    if not any(one.get("SupportsGlobalDatabases") for one in versions["DBEngineVersions"]):
        every = rds.get_paginator("describe_db_engine_versions").paginate(Engine="aurora-postgresql")
        able = [one["EngineVersion"] for page in every for one in page["DBEngineVersions"]
                if one.get("SupportsGlobalDatabases")]
        yield (f"{site.region}: aurora-postgresql {wanted.engine_version} cannot be a global database here; "
               f"supported: {', '.join(able) or 'none'}")
        return
    options = rds.describe_orderable_db_instance_options(
        Engine="aurora-postgresql", EngineVersion=wanted.engine_version, DBInstanceClass=wanted.instance_class)
    if not any(one.get("SupportsGlobalDatabases") for one in options["OrderableDBInstanceOptions"]):
        every_class = rds.get_paginator("describe_orderable_db_instance_options").paginate(
            Engine="aurora-postgresql", EngineVersion=wanted.engine_version)
        classes = sorted({one["DBInstanceClass"] for page in every_class for one in page["OrderableDBInstanceOptions"]
                          if one.get("SupportsGlobalDatabases")})
        yield (f"{site.region}: {wanted.instance_class} with {wanted.engine_version} cannot be ordered for a global "
               f"database; can be: {', '.join(classes) or 'none'}")


def quotas(run: Run, site: Site) -> Iterable[str]:
    """Room for one more VPC, and for the addresses of NAT gateways, where the stack's own do not stand yet."""
    ec2 = run.at(site).ec2
    vpcs = ec2.describe_vpcs()["Vpcs"]
    own = [vpc for vpc in vpcs if is_ours(as_map(vpc.get("Tags")), run.settings.environment)]
    limit = _quota(run, site, *VPC_QUOTA)
    if not own and len(vpcs) >= limit:
        yield f"{site.region}: {len(vpcs)} VPCs stand and the quota is {limit:g}; raise it (VPCs per Region)"
    zones = run.settings.network.availability_zones
    need = {"endpoints": 0, "nat": 1, "nat-per-az": zones}[run.settings.network.egress]
    if need:
        addresses = ec2.describe_addresses()["Addresses"]
        missing = need - len(ec2.describe_addresses(Filters=ours(run.settings.environment))["Addresses"])
        room = _quota(run, site, *EIP_QUOTA) - len(addresses)
        if missing > room:
            yield f"{site.region}: {missing} Elastic IP(s) are needed for NAT and the quota leaves {room:g}"


def _quota(run: Run, site: Site, service: str, code: str, default: float) -> float:
    """The quota in force; the documented default where Service Quotas does not know it or may not be asked."""
    try:
        return run.at(site).quotas.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"]
    except AwsError as error:
        if is_gone(error) or is_one_of(error, Refusal("AccessDeniedException"), Refusal("NoSuchResourceException")):
            return default
        raise


def names(run: Run, site: Site) -> Iterable[str]:
    """Names that only one stack can have are free or ours."""
    region, environment = run.at(site), run.settings.environment
    for purpose in (DataBucket.label, LogBucket.label, SwitchBucket.label):
        bucket = run.name("s3", purpose, site)
        try:
            region.s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=run.settings.account_id)
        except AwsError as error:
            if code_of(error) in {"403", "301", "400"}:
                yield f"{site.region}: the bucket name {bucket} belongs to somebody else"
            elif not is_gone(error):
                raise
    clusters = _clusters(run, site)
    yield from _taken(site, "cluster", environment, clusters)
    yield from _of_other_data(run, site, [one for one in clusters if is_ours(as_map(one.get("TagList")), environment)])


def _of_other_data(run: Run, site: Site, clusters: Iterable[Any]) -> Iterable[str]:
    """What a cluster is made with and keeps, where it shows it: a secondary got it by replication."""
    database = run.settings.database
    for key, wanted in (("DatabaseName", database.name), ("MasterUsername", database.username)):
        for one in clusters:
            if one.get(key, wanted) != wanted:
                yield (f"{site.region}: the {key} of {one['DBClusterIdentifier']} is {one[key]}, the configuration "
                       f"says {wanted}: that cannot be changed without replacing the data; put it back, or move the "
                       "data to a stack of another environment name")


def fixed(run: Run, site: Site) -> Iterable[str]:
    """What stands and cannot become what the configuration says, told before anything else is changed."""
    network, database, zone = Network(site), GlobalCluster(site), Zone(site)
    found = network.find(run)
    problems = list(network.fixed_differences(run, found)) if found else []
    if site.role == "primary" and (stands := database.find(run)):
        problems += database.fixed_differences(run, stands)
    if site.role == "primary" and run.settings.dns.zone_id is None:
        try:
            zone.is_listed_by_now(run)
        except Refused as refused:
            problems.append(Finding(refused.message, refused.next_step))
    yield from (f"{site.region}: {one.text}; {one.mend}" for one in problems)


def given(run: Run, site: Site) -> Iterable[str]:
    """The certificate and the zone that the user gives are there, and are what they are given for; both read only."""
    checks: list[Step[Any]] = [GivenCertificate(site)] if run.settings.tls.mode == "given" else []
    if run.settings.dns.zone_id is not None and site.role == "primary":
        checks.append(Zone(site))
    for step in checks:
        try:
            step.ensure(run)
        except Refused as refused:
            yield f"{site.region}: {refused.message}"


def _clusters(run: Run, site: Site) -> list[Any]:
    try:
        found = run.at(site).rds.describe_db_clusters(DBClusterIdentifier=run.name("aurora", "cluster", site))
        return list(found["DBClusters"])
    except AwsError as error:
        if is_gone(error):
            return []
        raise


def _taken(site: Site, what: str, environment: str, found: Iterable[Any]) -> Iterable[str]:
    for one in found:
        if not is_ours(as_map(one.get("TagList")), environment):
            yield f"{site.region}: the {what} {one['DBClusterIdentifier']} exists and does not carry drctl's tag"
