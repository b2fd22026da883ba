"""Aurora global databases in the lab: the parts together, and what the rest of the lab may ask about roles."""

from __future__ import annotations

import re

from moto.rds.models import DBCluster, DBInstance, rds_backends

from drctl.lab import (
    aurora_changes,  # noqa: F401  # importing installs its rules
    aurora_clusters,  # noqa: F401  # importing installs its rules
    aurora_deletion,  # noqa: F401  # importing installs its rules
    aurora_groups,  # noqa: F401  # importing installs its rules
    aurora_instances,  # noqa: F401  # importing installs its rules
    aurora_metrics,  # noqa: F401  # importing installs its rules
    aurora_names,  # noqa: F401  # importing installs its rules
    aurora_outage,
    aurora_quotas,  # noqa: F401  # importing installs its rules
    aurora_restores,  # noqa: F401  # importing installs its operations
    aurora_states,
    aurora_store,
    aurora_visibility,  # noqa: F401  # importing installs its rules
)
from drctl.lab.aurora_leaving import ON_DETACH
from drctl.lab.aurora_outage import ON_OUTAGE, lose, restore
from drctl.lab.aurora_roles import ON_FENCE, ON_RESYNCHRONISED, ON_ROLE_CHANGE
from drctl.lab.aurora_snapshots import ON_DATA
from drctl.lab.lag import LAG
from drctl.settings import LAB_ACCOUNT

__all__ = ["ON_DATA", "ON_DETACH", "ON_FENCE", "ON_OUTAGE", "ON_RESYNCHRONISED", "ON_ROLE_CHANGE", "endpoint_role",
           "global_cluster_of", "is_writer", "lose", "reset", "restore", "set_lag_ms"]

_REGIONAL = re.compile(r"(?P<name>[a-z0-9-]+)\.(?P<kind>cluster-ro-|cluster-|)c[0-9a-f]{11}\.(?P<region>[a-z0-9-]+)"
                       r"\.rds\.amazonaws\.com")
_GLOBAL = re.compile(r"(?P<name>[a-z0-9-]+)\.global-[0-9a-f]+\.global\.rds\.amazonaws\.com")


def endpoint_role(host: str) -> tuple[str, str | None, str] | None:
    """Region, role and cluster id behind a database host name; None when RDS gave out no such name.

    The role is "writer" or "reader", or None while the instance behind the name (any, for the reader endpoint) does not
    answer, its Region is lost, or it is rebuilt.
    A secondary's cluster endpoint reads only, and so does the old primary's in a switchover from the moment it stops
    taking writes.
    Source: Aurora User Guide, Connecting to Amazon Aurora Global Database; Amazon Aurora endpoint connections
    """
    host = host.lower().rstrip(".")
    if match := _GLOBAL.fullmatch(host):
        known = aurora_store.GLOBALS.get(match["name"])
        cluster = aurora_store.cluster_of(known.writer.arn) if known and known.writer else None
        return _role(cluster, "") if cluster else None
    if (match := _REGIONAL.fullmatch(host)) is None:
        return None
    backend = rds_backends[LAB_ACCOUNT][match["region"]]
    instance = None if match["kind"] else backend.databases.get(match["name"])
    cluster = backend.clusters.get(getattr(instance, "db_cluster_identifier", match["name"]) or "")
    if cluster is None or not (match["kind"] or instance):
        return None
    reads_only = match["kind"] == "cluster-ro-" or (instance is not None and not instance.is_cluster_writer)
    return _role(cluster, "reader" if reads_only else "", instance)


def _role(cluster: DBCluster, wanted: str, instance: DBInstance | None = None) -> tuple[str, str | None, str]:
    """The name of an instance, and that of the cluster, which is its writer's, answer when that instance does."""
    asked = instance or (None if wanted else cluster.writer)
    up = asked.status == "available" if asked else bool(aurora_states.available_instances(cluster))
    answers = up and aurora_outage.is_reachable(cluster)
    known = aurora_store.of_cluster(cluster.arn)
    fenced = bool(known and known.change and known.change.fenced)
    role = wanted or ("writer" if aurora_store.is_writer(cluster) and not fenced else "reader")
    return cluster.region, role if answers else None, cluster.db_cluster_identifier


def global_cluster_of(region: str, cluster_id: str) -> str | None:
    """Identifier of the global cluster that a cluster is a member of."""
    cluster = rds_backends[LAB_ACCOUNT][region].clusters.get(cluster_id)
    known = aurora_store.of_cluster(cluster.arn) if cluster else None
    return known.identifier if known else None


def is_writer(region: str, cluster_id: str) -> bool:
    """Whether a cluster exists and takes writes by its role."""
    cluster = rds_backends[LAB_ACCOUNT][region].clusters.get(cluster_id)
    return cluster is not None and aurora_store.is_writer(cluster)


def set_lag_ms(lag_ms: float) -> None:
    """From now on secondaries lag that many AWS milliseconds behind; raises ValueError for what is no lag."""
    LAG.set(lag_ms)


def reset() -> None:
    """No global cluster, nothing in any stage, the usual lag."""
    aurora_store.forget()
    aurora_states.forget()
    LAG.reset()
