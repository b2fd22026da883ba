"""What RDS refuses when a cluster is changed: versions in the wrong order, capacities out of bounds, a password at the
wrong member. And what an upgrade does to the instances and to the global cluster.

Of the rules around one method the last installed is asked first.
"""

from __future__ import annotations

from typing import Any

from moto.rds.models import DBCluster, RDSBackend

from drctl.aws.durations import seconds
from drctl.lab import aurora_clusters  # noqa: F401  # its rules are asked after those of this module
from drctl.lab import aurora_store as store
from drctl.lab.aurora_states import AURORA, UNSEEN_S, available_instances, check, fault, passes_through
from drctl.lab.aurora_versions import VERSIONS, compare
from drctl.lab.clock import CLOCK
from drctl.lab.lost_zones import ON_BREAK
from drctl.lab.rules import Wrapped, rule

#: Capacities that Aurora Serverless v2 knows, in ACUs: none at all pauses an instance by itself.
LEAST_ACU, MOST_ACU, STEP_ACU = 0.5, 256.0, 0.5


def _wanted(backend: RDSBackend, kwargs: Any) -> tuple[DBCluster | None, str]:
    """The cluster, and the version that it is to be upgraded to; empty without one."""
    cluster, version = backend.clusters.get(kwargs["db_cluster_identifier"]), kwargs.get("engine_version")
    return cluster, version if cluster is not None and version and version != cluster.engine_version else ""


@rule("cluster-upgrading", RDSBackend, "modify_db_cluster")
def an_upgrade_restarts_what_it_upgrades(proceed: Wrapped, self: RDSBackend, kwargs: Any) -> DBCluster:
    """Cluster and instances show upgrading for minutes, connections break, and the global cluster has the version of
    its primary.

    Source: Aurora User Guide, Performing minor version upgrades; Upgrading an Amazon Aurora global database
    """
    _, version = _wanted(self, kwargs)
    cluster: DBCluster = proceed(kwargs)
    if version and kwargs.get("apply_immediately"):
        known = self.clusters[cluster.db_cluster_identifier]
        length = seconds("engine-upgrade")
        for arn in (known.arn, *(one.db_instance_arn for one in known.members)):
            passes_through(arn, [(UNSEEN_S, "available"), (length, "upgrading")])
        CLOCK.after(UNSEEN_S + length, lambda: _upgraded(known, version))
    return cluster


def _upgraded(cluster: DBCluster, version: str) -> None:
    known = store.of_cluster(cluster.arn)
    if known is not None and store.is_writer(cluster):
        known.engine_version = version
    for listener in ON_BREAK:
        listener(cluster.arn)


@check("upgrade-secondaries-first", RDSBackend, "modify_db_cluster")
def the_primary_is_upgraded_last(self: RDSBackend, kwargs: Any) -> None:
    """The primary of a global database is upgraded once no secondary is of a lower version: InvalidParameterValue.

    Source: Aurora User Guide, Upgrading an Amazon Aurora global database (minor version upgrades); Terraform provider:
    aws_rds_global_cluster, "upgrade global replicas first"
    """
    cluster, version = _wanted(self, kwargs)
    known = store.of_cluster(cluster.arn) if cluster is not None and version else None
    if cluster is None or known is None or not store.is_writer(cluster):
        return
    others = [store.cluster_of(member.arn) for member in known.members if not member.is_writer]
    if any(other is not None and compare(other.engine_version) < compare(version) for other in others):
        raise fault("InvalidParameterValue",
                    f"Cannot upgrade DB cluster '{cluster.db_cluster_identifier}' to engine version {version} as "
                    "global replica(s) are running lower version. Please upgrade global replicas first before "
                    "upgrading the primary member.")


@check("upgrade-with-an-instance", RDSBackend, "modify_db_cluster")
def a_cluster_without_instances_is_not_upgraded(self: RDSBackend, kwargs: Any) -> None:
    """A cluster is upgraded while an instance of it is available: otherwise InvalidDBClusterStateFault.

    Source: Terraform provider: aws_rds_global_cluster, "Cannot modify engine version without a primary instance"
    """
    cluster, version = _wanted(self, kwargs)
    if cluster is not None and version and not available_instances(cluster):
        raise fault("InvalidDBClusterStateFault", "Cannot modify engine version without a primary instance in DB "
                    "cluster")


@check("upgrade-upwards", RDSBackend, "modify_db_cluster")
def a_cluster_is_upgraded_within_its_major_version(self: RDSBackend, kwargs: Any) -> None:
    """A new version is a higher one; another major version of a member is asked for at the global cluster.

    Refuses both with InvalidParameterCombination.
    Source: RDS API Reference, ModifyDBCluster; Aurora User Guide, Upgrading an Amazon Aurora global database (major
    version upgrades)
    """
    cluster, version = _wanted(self, kwargs)
    if cluster is None or not version or version not in VERSIONS:
        return
    found, wanted = compare(cluster.engine_version), compare(version)
    if wanted < found:
        raise fault("InvalidParameterCombination",
                    f"Cannot upgrade {AURORA} from {cluster.engine_version} to {version}")
    if wanted[0] != found[0] and (store.of_cluster(cluster.arn) or not kwargs.get("allow_major_version_upgrade")):
        raise fault("InvalidParameterCombination", "The AllowMajorVersionUpgrade flag must be present when upgrading "
                    "to a new major version, and a global database is upgraded with ModifyGlobalCluster.")


@check("capacity-bounds", RDSBackend, "create_db_cluster", "modify_db_cluster")
def capacities_are_within_bounds(_: RDSBackend, kwargs: Any) -> None:
    """Least and most capacity are 0.5 to 256 ACUs in halves, the most at least 1 and not less than the least.

    Refuses with InvalidParameterValue.
    Source: RDS API Reference, ServerlessV2ScalingConfiguration; Aurora User Guide, Setting the Aurora Serverless v2
    capacity range
    """
    given = kwargs.get("serverless_v2_scaling_configuration") or {}
    least, most = (float(given[name]) if given.get(name) is not None else None
                   for name in ("MinCapacity", "MaxCapacity"))
    for capacity in (one for one in (least, most) if one is not None):
        if not LEAST_ACU <= capacity <= MOST_ACU or capacity % STEP_ACU:
            raise fault("InvalidParameterValue", f"Serverless v2 capacity {capacity} isn't valid. Specify a value "
                        f"between {LEAST_ACU} and {MOST_ACU} in increments of {STEP_ACU}.")
    if most is not None and (most < 1 or (least is not None and most < least)):
        raise fault("InvalidParameterValue", f"Serverless v2 maximum capacity {most} isn't valid. It must be at least "
                    "1.0 and not less than the minimum capacity.")


@check("password-at-the-primary", RDSBackend, "modify_db_cluster")
def the_password_is_changed_at_the_primary(self: RDSBackend, kwargs: Any) -> None:
    """A secondary of a global database reads only, also who may log in: InvalidParameterCombination.

    Source: Aurora User Guide, Getting started with Aurora global databases (a secondary has no master user of its own)
    """
    cluster = self.clusters.get(kwargs["db_cluster_identifier"])
    if cluster is not None and kwargs.get("master_user_password") and not store.is_writer(cluster):
        raise fault("InvalidParameterCombination", "Cannot modify the master user password of a secondary cluster of a "
                    "global database.")
