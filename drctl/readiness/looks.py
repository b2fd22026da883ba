"""The questions that no step asks: what was stopped, left, pinned, drilled; who hears; how far replication is behind.

Each is one call where it can be. What the survey has already been told, it is not asked again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from drctl.actions.aftermath import Aftermath, aftermath_in
from drctl.actions.dns_switch import NAME_SERVERS, Sent, is_turned, where_users_are_sent
from drctl.actions.fencing import look_command
from drctl.actions.prove_health import reports
from drctl.actions.steady_state import Lag, replication_lag
from drctl.engine.copies import Shelf
from drctl.engine.lease import Lease, NoControlBucket, Seen
from drctl.engine.run import Run
from drctl.readiness.read import Look, Place
from drctl.settings import Site
from drctl.stack import Stack
from drctl.steps.backup import Backup
from drctl.steps.backup_vault import vault_name
from drctl.steps.control_bucket import CONTROL
from drctl.steps.parameters import Parameters, full_name
from drctl.steps.replication import ReplicationOut
from drctl.steps.topic import Topic

#: How long ago a failed replication is still told, and how old the newest datapoint of what waits may be.
FAILED_WITHIN, WAITING_WITHIN = timedelta(hours=1), timedelta(minutes=15)
#: Copies of newest drills that are looked into for how they ended.
DRILLS = 3


def looks_of(stack: Stack) -> Mapping[Place, Look]:
    """Every look, by its name and region."""
    return {(one.name, one.region): one for one in _all(stack)}


def _all(stack: Stack) -> Iterator[Look]:
    primary, standby = stack.settings.sites
    yield Look(primary, "replication lag", partial(_lag, stack))
    yield Look(primary, "users' name", partial(_sent, stack))
    yield Look(standby, "secret", partial(_secret, stack))
    for site in stack.settings.sites:
        yield Look(site, "reserved concurrency", partial(_reserved, site=site))
        yield Look(site, "account's concurrency", partial(_account, site=site))
        yield Look(site, "object replication", partial(_objects, stack, site=site))
        yield Look(site, "switch", partial(is_turned, bucket=stack.front.switches.at(site)))
        yield Look(site, "health check", partial(_health, stack, site=site))
        yield Look(site, "aftermath", partial(_aftermath, site=site))
        yield Look(site, "lease", partial(_lease, site=site))
        yield Look(site, "drills", partial(_drills, site=site))
        yield Look(site, "who hears", partial(_ears, stack, site=site))
        if any(isinstance(step, Backup) for step in stack.steps):
            yield Look(site, "recovery points", partial(_points, site=site))


def _lag(stack: Stack, run: Run) -> Lag | None:
    """Of the region that follows: only there is it published."""
    writer = run.output(stack.database.global_cluster).writer
    return replication_lag(run, next(site for site in run.settings.sites[::-1] if site.region != writer))


def _sent(stack: Stack, run: Run) -> Sent:
    """Where the zone's own name servers send users, beside the balancer of the region that writes."""
    writer = run.output(stack.database.global_cluster).writer
    site = next((one for one in run.settings.sites if one.region == writer), run.settings.primary)
    parameters = next(step for step in stack.steps if isinstance(step, Parameters) and step.site == site)
    servers = run.output(parameters).values.get(full_name(run, NAME_SERVERS), "")
    return where_users_are_sent(run, tuple(filter(None, servers.split(","))),
                                run.output(stack.front.balancer.at(site)).dns_name)


def _secret(stack: Stack, run: Run) -> list[str]:
    """The current versions of the secret as the standby region has them."""
    seen = run.at(run.settings.standby).secrets.describe_secret(SecretId=run.output(stack.database.secret).name)
    return [version for version, stages in seen.get("VersionIdsToStages", {}).items() if "AWSCURRENT" in stages]


def _reserved(run: Run, site: Site) -> int | None:
    found: int | None = look_command(run, site).send(run.aws).get("ReservedConcurrentExecutions")
    return found


def _account(run: Run, site: Site) -> dict[str, int]:
    """The quota of concurrent executions, and what of it nobody has reserved (Lambda API Reference, AccountLimit)."""
    limit = run.at(site).lambda_.get_account_settings()["AccountLimit"]
    return {"all": limit["ConcurrentExecutions"], "unreserved": limit["UnreservedConcurrentExecutions"]}


def _objects(stack: Stack, run: Run, site: Site) -> dict[str, float]:
    """What replication tells of the bucket here: of objects that leave it, how many failed; of those that are on their
    way to it, how late the latest is (S3 User Guide, "Monitoring replication with metrics")."""
    own, other = (run.output(stack.wires.replication.at(one)) for one in (site, run.settings.other(site)))
    now = datetime.now(UTC)
    answer = run.at(site).cloudwatch.get_metric_data(
        MetricDataQueries=[_query("failed", "OperationsFailedReplication", own, "Sum"),
                           _query("late", "ReplicationLatency", other, "Maximum")],
        StartTime=now - FAILED_WITHIN, EndTime=now + timedelta(minutes=1))
    points = {one["Id"]: list(zip(one["Timestamps"], one["Values"], strict=True))
              for one in answer["MetricDataResults"]}
    return {"failed": sum(value for _, value in points.get("failed", [])),
            "late": max((value for at, value in points.get("late", []) if now - at < WAITING_WITHIN), default=0.0)}


def _query(name: str, metric: str, wire: ReplicationOut, statistic: str) -> Any:
    dimensions = {"SourceBucket": wire.source, "DestinationBucket": wire.target, "RuleId": wire.rule_id}
    return {"Id": name, "ReturnData": True, "MetricStat": {"Stat": statistic, "Period": 60, "Metric": {
        "Namespace": "AWS/S3", "MetricName": metric,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()]}}}


def _health(stack: Stack, run: Run, site: Site) -> list[str]:
    out = run.output(stack.front.checks)
    return reports(run, stack.front.checks, out.primary_app if site.role == "primary" else out.standby_app)


def _aftermath(run: Run, site: Site) -> Aftermath | None:
    return aftermath_in(run, site)


def _lease(run: Run, site: Site) -> Seen | None:
    """The lease as it lies there; without a control bucket nobody holds it."""
    lease = Lease(run.at(site).s3, run.name("s3", CONTROL, site), run.settings.account_id, site.region)
    try:
        return lease.look()
    except NoControlBucket:
        return None


def _drills(run: Run, site: Site) -> dict[str, Any]:
    """From what lies here of runs: the id of the newest drill that came to its end, and of the oldest run."""
    shelf = Shelf(run.at(site).s3, run.name("s3", CONTROL, site), run.settings.account_id, site.region)
    runs = shelf.runs()
    drills = [one for one in runs if "-drill-" in one][:DRILLS]
    return {"done": next((one for one in drills if (shelf.report(one) or {}).get("outcome") == "done"), ""),
            "first": runs[-1] if runs else "", "drills": len(drills)}


def _ears(stack: Stack, run: Run, site: Site) -> dict[str, str]:
    """Who has subscribed to the alarms, and whether it was confirmed; not asked where the step knows of somebody."""
    topic = next(step for step in stack.steps if isinstance(step, Topic) and step.site == site)
    out = run.output(topic)
    if any(arn.startswith("arn:") for arn in out.emails.values()):
        return dict(out.emails)
    pages = run.at(site).sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=out.arn)
    return {one["Endpoint"]: one["SubscriptionArn"] for page in pages for one in page["Subscriptions"]}


def _points(run: Run, site: Site) -> dict[str, datetime | None]:
    """When the newest recovery point in the vault was made, and the vault itself."""
    backup, name = run.at(site).backup, vault_name(run, site)
    pages = backup.get_paginator("list_recovery_points_by_backup_vault").paginate(BackupVaultName=name)
    made = [point["CreationDate"] for page in pages for point in page["RecoveryPoints"]
            if point["Status"] in {"COMPLETED", "AVAILABLE"}]
    vault = None if made else backup.describe_backup_vault(BackupVaultName=name)["CreationDate"]
    return {"newest": max(made, default=None), "vault": vault}
