"""Rules about the database, its secret and the keys: what has to be promoted, and read once it is."""

from __future__ import annotations

from collections.abc import Iterator

from drctl.readiness.read import Read
from drctl.readiness.rule import Asks, Found, Note, Owns, Rule, Saw, Unseen
from drctl.settings import Site
from drctl.steps.database_groups import DatabaseGroups
from drctl.steps.database_instances import DatabaseInstances
from drctl.steps.engine_version import EngineVersion
from drctl.steps.global_cluster import GlobalCluster
from drctl.steps.key import Key
from drctl.steps.primary_cluster import PrimaryCluster
from drctl.steps.secret import DatabaseSecret
from drctl.steps.standby_cluster import StandbyCluster

CLUSTERS = (PrimaryCluster, StandbyCluster)


def _roles(read: Read, _: Site) -> Iterator[Note]:
    out = read.out(read.stack.database.global_cluster)
    if out.writer is None:
        yield Found("no region of the global database writes", mend="drctl status; then drctl failover")
    elif out.changing_roles:
        yield Found("the global database changes its roles", mend="wait until drctl status shows both roles at rest")
    else:
        yield Saw(f"{out.writer} writes")


def _lag(read: Read, site: Site) -> Iterator[Note]:
    yield from _lag_over(read, site, read.settings.objectives.rpo_minutes * 60, "the RPO")


def _usual_lag(read: Read, site: Site) -> Iterator[Note]:
    yield from _lag_over(read, site, read.settings.alarms.replication_lag_s, "alarms.replication_lag_s")


def _lag_over(read: Read, site: Site, limit_s: float, what: str) -> Iterator[Note]:
    lag, region = read.told("replication lag", site), read.follower.region
    if lag is None:
        yield Unseen("CloudWatch has no AuroraGlobalDBRPOLag of the last ten minutes", region)
    elif lag.seconds > limit_s:
        yield Found(f"{region} is {lag.seconds:.0f} s behind, over {what} of {limit_s:g} s", region)
    else:
        yield Saw(f"{region} is {lag.seconds:.1f} s behind, {what} is {limit_s:g} s")


def _pending(read: Read, site: Site) -> Iterator[Note]:
    cluster = read.out(read.stack.database.cluster.at(site))
    instances = read.out(read.stack.database.instances.at(site)).instances
    every: list[tuple[str, frozenset[str]]] = [(cluster.id, cluster.pending), *((one.id, one.pending)
                                                                                for one in instances)]
    waiting = [f"{name}: {', '.join(sorted(pending))}" for name, pending in every if pending]
    yield from (Found(f"{text} is accepted and not made yet", site.region) for text in waiting)
    if not waiting:
        yield Saw(f"no change waits in {site.region}")


def _versions(read: Read, _: Site) -> Iterator[Note]:
    """Compared by version id, which a replica shares with its primary (Secrets Manager User Guide, replication)."""
    here, there = read.out(read.stack.database.secret).version, read.told("secret", read.settings.standby)
    region = read.settings.standby.region
    if there != [here]:
        yield Found(f"the secret's current version is {here}, and in {region} {', '.join(there) or 'none'}", region)
    else:
        yield Saw("both regions have the same current version")


RULES: tuple[Rule, ...] = (
    Owns(id="DB-01", of=(GlobalCluster,), blocks=True, must="the global database stands as configured",
         why="there is nothing to promote without it"),
    Owns(id="DB-02", of=(GlobalCluster,), words=r"^deletion protection", must="deletion protection is as configured",
         why="what is deleted by mistake in one region is gone from both"),
    Owns(id="DB-03", of=(GlobalCluster, *CLUSTERS), words=r" runs .*, the (configuration|global)", blocks=True,
         must="both clusters run the global database's engine version, and that the configured one",
         why="Aurora refuses a switchover between versions, and a managed failover between some"),
    Asks(id="DB-04", judge=_roles, everywhere=False, blocks=True, must="one region writes, and no role is changing",
         why="a failover that begins while another is under way is refused, and leaves nobody writing meanwhile",
         mend="drctl status"),
    Owns(id="DB-05", of=CLUSTERS, blocks=True, must="a cluster stands in each region and is available",
         why="a cluster that is not available cannot be promoted"),
    Owns(id="DB-06", of=CLUSTERS, words=r"is not in global cluster", blocks=True,
         must="both clusters are members of the global database", why="only a member has the data, or can be promoted"),
    Owns(id="DB-07", of=CLUSTERS, words=r"(?<!BackupRetentionPeriod) is not as configured",
         must="the clusters' settings are as configured",
         why="a promoted cluster with another capacity, group or network serves otherwise than the one that was lost"),
    Owns(id="DB-08", of=CLUSTERS, words=r": its .*, the configuration says", blocks=True,
         must="key, database and master user of the clusters are the configured ones",
         why="the app logs in by them after a failover as before it", mend="put the configuration back"),
    Owns(id="DB-09", of=(PrimaryCluster,), words=r"password of an earlier secret", blocks=True,
         must="the database has the password that the secret tells",
         why="an app that starts in the other region logs in with the secret's password"),
    Owns(id="DB-10", of=CLUSTERS, words=r"the log group of cluster", must="the database's log is kept, with its key",
         why="after an outage the log says what happened before it"),
    Owns(id="DB-11", of=(DatabaseInstances,), blocks=True, must="the configured instances stand and are available",
         why="a headless cluster takes minutes more, and a promoted cluster without an instance serves nobody"),
    Owns(id="DB-12", of=(DatabaseInstances,), words=r"the copy in .* is not connected", blocks=True,
         must="the follower is a connected copy of the writer",
         why="a copy that is not connected falls behind: what it lacks is lost"),
    Owns(id="DB-13", of=(DatabaseInstances,), words=r"Performance Insights|: \w+ is .*, not |one more than configured",
         must="the instances are set as configured", why="the promoted one has to carry the load of the other"),
    Asks(id="DB-14", judge=_lag, everywhere=False, blocks=True, must="the follower lags by less than the RPO",
         why="what has not arrived is lost by a failover",
         mend="look at the writer's load and at the network; aws rds describe-global-clusters"),
    Asks(id="DB-15", judge=_usual_lag, everywhere=False, must="the follower lags no more than alarms.replication_lag_s",
         why="a lag that grows is the first sign that replication does not keep up",
         mend="look at the writer's load; a larger instance class or more ACU"),
    Asks(id="DB-16", judge=_pending, must="no accepted change of the database waits to be made",
         why="it is made at the next restart: a promotion would make it at the worst moment",
         mend="aws rds modify-db-cluster or modify-db-instance with --apply-immediately"),
    Owns(id="DB-17", of=(DatabaseGroups,), blocks=True, must="the database's subnet and parameter groups stand",
         why="without them no instance can be made or put back"),
    Owns(id="DB-18", of=(DatabaseGroups,), words=r": \S+ is not ", must="the database's parameters are as configured",
         why="a promoted cluster with other parameters may take connections without TLS, or behave otherwise"),
    Owns(id="DB-19", of=(DatabaseGroups,), words=r"can block commits", blocks=True,
         must="rds.global_db_rpo is set only where the configuration says so",
         why="after a failover there is no copy, and with a limit on its lag commits wait for it"),
    Owns(id="DB-20", of=(EngineVersion,), blocks=True, must="no upgrade of the engine has stopped on its way",
         why="Aurora refuses a switchover between versions: neither a drill nor the way home begins"),
    Owns(id="SEC-01", of=(DatabaseSecret,), blocks=True, must="the database's secret stands",
         why="without it no app can log in, in either region"),
    Owns(id="SEC-02", of=(DatabaseSecret,), words=r"is not in sync", blocks=True,
         must="the secret's copy in the other region is in sync",
         why="the app there reads the copy: it must not need the lost region"),
    Asks(id="SEC-03", judge=_versions, everywhere=False, blocks=True, must="both regions have the same secret version",
         why="an app with yesterday's password is refused by today's database",
         mend="aws secretsmanager replicate-secret-to-regions; then drctl provision"),
    Owns(id="SEC-04", of=(DatabaseSecret,), words=r"not encrypted with the key", blocks=True,
         must="each region's secret is encrypted with that region's key", why="a key of the lost region opens nothing"),
    Owns(id="KEY-01", of=(Key,), blocks=True, must="the region's key stands behind its alias",
         why="database, objects, secret and logs of the region can be read with it alone"),
    Owns(id="KEY-02", of=(Key,), words=r"is not enabled", blocks=True, must="the region's key is enabled",
         why="a disabled key makes the database inaccessible within minutes, and everything else at once"),
    Owns(id="KEY-03", of=(Key,), words=r"does not rotate", must="the region's key rotates",
         why="it does not keep a failover from working; auditors of the plan ask for it"),
    Owns(id="KEY-04", of=(Key,), words=r"^the policy of key", blocks=True, must="the key's policy is the stack's",
         why="services that a failover needs are let in by it: replication, topics, logs"),
)
