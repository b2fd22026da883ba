"""The operations on global clusters: made, shown, changed, tagged, emptied member by member, deleted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.rds.models import DBCluster, RDSBackend
from moto.rds.responses import RDSResponse
from moto.rds.utils import split_arn

from drctl.aws.durations import seconds
from drctl.lab import aurora_store as store
from drctl.lab.aurora_states import (
    AURORA,
    LOCK,
    UNSEEN_S,
    available_instances,
    fault,
    goes,
    passes_through,
    require_available,
    stage,
)
from drctl.lab.aurora_store import GLOBALS, GlobalCluster, Member
from drctl.lab.aurora_versions import DEFAULT, VERSIONS, compare
from drctl.lab.clock import CLOCK
from drctl.lab.rules import Wrapped, operation, rule

#: Called in the lab's clock thread when a detached secondary begins to take writes: its global cluster's id, its ARN.
ON_DETACH: list[Callable[[str, str], None]] = []
_NAME = re.compile(r"[a-zA-Z](?!.*--)[a-zA-Z0-9-]{0,62}(?<!-)")
_TAGGED = ":global-cluster:"


def _shown(known: GlobalCluster) -> ActionResult:
    return ActionResult({"GlobalCluster": known.wire()})


def _require_at_rest(known: GlobalCluster) -> None:
    if known.change or stage(known.arn):
        raise fault("InvalidGlobalClusterStateFault",
                    f"Global cluster {known.identifier} is in {known.status} state and not available.")


@operation("global-cluster-creation", RDSResponse, "create_global_cluster")
def create_global_cluster(self: RDSResponse) -> ActionResult:
    """A global cluster is made empty, or round a cluster of the Region, which becomes its primary.

    Refuses a name that is taken with GlobalClusterAlreadyExistsFault, an unknown version with InvalidParameterValue,
    and settings that the source cluster decides with InvalidParameterCombination.
    Source: RDS API Reference, CreateGlobalCluster
    """
    params = self.params
    identifier = params["GlobalClusterIdentifier"].lower()
    if not _NAME.fullmatch(identifier):
        raise fault("InvalidParameterValue", "The parameter GlobalClusterIdentifier is not a valid identifier.")
    if identifier in GLOBALS:
        raise fault("GlobalClusterAlreadyExistsFault", f"Global cluster {identifier} already exists")
    known = GlobalCluster(
        identifier, self.current_account, params.get("Engine") or "", params.get("EngineVersion") or DEFAULT,
        bool(params.get("StorageEncrypted")), bool(params.get("DeletionProtection")), params.get("DatabaseName"),
        [{"Key": tag["Key"], "Value": tag["Value"]} for tag in params.get("Tags") or ()])
    if params.get("SourceDBClusterIdentifier"):
        _take_over(known, _source(self))
    elif known.engine != AURORA:
        raise fault("InvalidParameterValue",
                    "When creating standalone global cluster, value for engineName should be specified")
    if known.engine_version not in VERSIONS:
        raise fault("InvalidParameterValue",
                    "The requested engine version was not found or does not support global functionality")
    GLOBALS[identifier] = known
    passes_through(known.arn, [(seconds("global-cluster-create"), "creating")])
    return _shown(known)


def _source(self: RDSResponse) -> DBCluster:
    arn = self.params["SourceDBClusterIdentifier"]
    if not arn.startswith("arn:"):
        raise fault("InvalidParameterValue", f"Malformed db cluster arn {arn}")
    if given := [name for name in ("Engine", "EngineVersion", "DatabaseName", "StorageEncrypted")
                 if self.params.get(name) is not None]:
        raise fault("InvalidParameterCombination", "When creating global cluster from existing db cluster, value for "
                    f"{given[0]} should not be specified since it will be inherited from source cluster")
    cluster: DBCluster = self.backend.describe_db_clusters(arn)[0]
    require_available(cluster)
    if store.of_cluster(arn):
        raise fault("InvalidDBClusterStateFault", f"Cluster {arn} is already in a global cluster.")
    if cluster.manage_master_user_password:
        raise fault("InvalidDBClusterStateFault", f"The master password of {arn} is managed by RDS.")
    return cluster


def _take_over(known: GlobalCluster, cluster: DBCluster) -> None:
    known.engine, known.engine_version = cluster.engine, cluster.engine_version
    known.storage_encrypted, known.database_name = bool(cluster.storage_encrypted), cluster.database_name
    known.members.append(Member(cluster.arn, is_writer=True))
    cluster.global_cluster_identifier = known.identifier


@operation("global-clusters-everywhere", RDSResponse, "describe_global_clusters")
def describe_global_clusters(self: RDSResponse) -> ActionResult:
    """Every Region shows the same global clusters; an unknown identifier is GlobalClusterNotFoundFault.

    The filter db-cluster-id takes ARNs of members.
    Source: RDS API Reference, DescribeGlobalClusters
    """
    identifier = self.params.get("GlobalClusterIdentifier")
    found = [store.find(identifier)] if identifier else list(GLOBALS.values())
    for asked in self.params.get("Filters") or ():
        if asked["Name"] != "db-cluster-id":
            raise fault("InvalidParameterValue", f"Unrecognized filter name: {asked['Name']}")
        found = [known for known in found if any(known.member(arn) for arn in asked["Values"])]
    return ActionResult({"GlobalClusters": [known.wire() for known in found]})


@operation("global-cluster-change", RDSResponse, "modify_global_cluster")
def modify_global_cluster(self: RDSResponse) -> ActionResult:
    """Deletion protection, name and engine version of a global cluster are changed while it is available.

    Refuses a version that is unknown or lower with InvalidParameterValue, a major step without leave with
    InvalidParameterCombination, a busy global cluster with InvalidGlobalClusterStateFault.
    Source: RDS API Reference, ModifyGlobalCluster
    """
    known = store.find(self.params.get("GlobalClusterIdentifier"))
    _require_at_rest(known)
    if self.params.get("DeletionProtection") is not None:
        known.deletion_protection = self.params["DeletionProtection"]
    if (version := self.params.get("EngineVersion")) and version != known.engine_version:
        _upgrade(known, version, bool(self.params.get("AllowMajorVersionUpgrade")))
    if new := self.params.get("NewGlobalClusterIdentifier"):
        _rename(known, new.lower())
    return _shown(known)


def _upgrade(known: GlobalCluster, version: str, major_allowed: bool) -> None:
    if version not in VERSIONS or compare(version) < compare(known.engine_version):
        raise fault("InvalidParameterValue", f"Cannot upgrade {AURORA} from {known.engine_version} to {version}")
    if compare(version)[0] != compare(known.engine_version)[0] and not major_allowed:
        raise fault("InvalidParameterCombination", "The AllowMajorVersionUpgrade flag must be present when upgrading "
                    "to a new major version.")
    for arn in (known.arn, *(member.arn for member in known.members)):
        passes_through(arn, [(UNSEEN_S, "available"), (seconds("cluster-modify"), "upgrading")])
    known.engine_version = version
    for cluster in filter(None, (store.cluster_of(member.arn) for member in known.members)):
        cluster.engine_version = version


def _rename(known: GlobalCluster, new: str) -> None:
    if new in GLOBALS:
        raise fault("GlobalClusterAlreadyExistsFault", f"Global cluster {new} already exists")
    GLOBALS[new] = GLOBALS.pop(known.identifier)
    known.identifier = new
    for cluster in filter(None, (store.cluster_of(member.arn) for member in known.members)):
        cluster.global_cluster_identifier = new


@operation("global-member-removal", RDSResponse, "remove_from_global_cluster")
def remove_from_global_cluster(self: RDSResponse) -> ActionResult:
    """Secondaries leave first and the writer last; a secondary is promoted, and leaves the list late.

    Refuses a name instead of an ARN and a cluster that is no member with InvalidParameterValue, the writer among
    others with InvalidGlobalClusterStateFault, a busy cluster with InvalidDBClusterStateFault.
    Source: RDS API Reference, RemoveFromGlobalCluster; Terraform provider: aws_rds_global_cluster
    """
    known = store.find(self.params.get("GlobalClusterIdentifier"))
    arn = self.params.get("DbClusterIdentifier") or ""
    if not arn.startswith("arn:"):
        raise fault("InvalidParameterValue", f"Malformed db cluster arn {arn}")
    if (member := known.member(arn)) is None:
        raise fault("InvalidParameterValue", f"Cluster {arn} is not found in global cluster {known.identifier}")
    _require_at_rest(known)
    cluster = store.cluster_of(arn)
    if cluster is None:
        raise fault("DBClusterNotFoundFault", f"DBCluster {arn} not found.")
    if member.is_writer and len(known.members) > 1:
        raise fault("InvalidGlobalClusterStateFault", f"Cluster {arn} is the writer of global cluster "
                    f"{known.identifier}: remove the read-only members before it.")
    if member.leaves_at == store.NEVER or stage(arn) == "promoting":
        require_available(cluster)
    _let_go(known, member)
    return _shown(known)


def _let_go(known: GlobalCluster, member: Member) -> None:
    if member.leaves_at != store.NEVER:
        return
    length = seconds("global-member-remove")
    member.leaves_at = CLOCK.now() + length
    if not member.is_writer:
        passes_through(member.arn, [(UNSEEN_S, "available"), (length, "promoting")])
    CLOCK.after(length, lambda: _leave(known, member))


def _leave(known: GlobalCluster, member: Member) -> None:
    with LOCK:
        if member in known.members:
            known.members.remove(member)
        if cluster := store.cluster_of(member.arn):
            cluster.global_cluster_identifier = None
    if not member.is_writer:
        for listener in ON_DETACH:
            listener(known.identifier, member.arn)


@operation("global-cluster-deletion", RDSResponse, "delete_global_cluster")
def delete_global_cluster(self: RDSResponse) -> ActionResult:
    """A global cluster is deleted when it is unprotected and empty, and is gone some seconds later.

    Refuses members with InvalidGlobalClusterStateFault, protection with InvalidParameterCombination.
    Source: RDS API Reference, DeleteGlobalCluster; Terraform provider: aws_rds_global_cluster
    """
    known = store.find(self.params.get("GlobalClusterIdentifier"))
    if known.deletion_protection:
        raise fault("InvalidParameterCombination",
                    "Cannot delete protected global cluster, please disable deletion protection and try again.")
    if known.members:
        raise fault("InvalidGlobalClusterStateFault", f"Global Cluster {known.arn} is not empty")
    _require_at_rest(known)
    goes(known.arn, seconds("global-cluster-delete"), lambda: _remove(known))
    return _shown(known)


def _remove(known: GlobalCluster) -> None:
    GLOBALS.pop(known.identifier, None)


def _tagged(arn: str) -> GlobalCluster:
    return store.find(arn.rpartition(":")[2])


@rule("global-cluster-tags", RDSBackend, "list_tags_for_resource")
def tags_of_a_global_cluster(proceed: Wrapped, self: RDSBackend, arn: str) -> Any:
    """A global cluster has tags, read by its ARN; the ARN of a cluster or instance that is gone is refused.

    Refuses with GlobalClusterNotFoundFault, DBClusterNotFoundFault or DBInstanceNotFound.
    Source: RDS API Reference, ListTagsForResource
    """
    if _TAGGED in arn:
        return _tagged(arn).tags
    _require_there(self, arn)
    return proceed(arn)


@rule("global-cluster-tagging", RDSBackend, "add_tags_to_resource")
def tags_added_to_a_global_cluster(proceed: Wrapped, self: RDSBackend, arn: str, tags: list[dict[str, str]]) -> Any:
    """Tags are added to a global cluster by its ARN, from any Region.

    Source: RDS API Reference, AddTagsToResource
    """
    if _TAGGED not in arn:
        _require_there(self, arn)
        return proceed(arn, tags)
    known, new = _tagged(arn), {tag["Key"]: tag["Value"] for tag in tags}
    merged = {tag["Key"]: tag["Value"] for tag in known.tags} | new
    known.tags = [{"Key": key, "Value": value} for key, value in merged.items()]
    return known.tags


@rule("global-cluster-untagging", RDSBackend, "remove_tags_from_resource")
def tags_removed_from_a_global_cluster(proceed: Wrapped, _: RDSBackend, arn: str, tag_keys: list[str]) -> None:
    """Tags are removed from a global cluster by its ARN, from any Region.

    Source: RDS API Reference, RemoveTagsFromResource
    """
    if _TAGGED not in arn:
        proceed(arn, tag_keys)
        return
    known = _tagged(arn)
    known.tags = [tag for tag in known.tags if tag["Key"] not in tag_keys]


def _require_there(backend: RDSBackend, arn: str) -> None:
    kind, name = split_arn(arn)[2:] if arn.count(":") >= 6 else ("", "")
    if kind == "cluster" and name not in backend.clusters:
        raise fault("DBClusterNotFoundFault", f"DBCluster {name} not found.")
    if kind == "db" and name not in backend.databases:
        raise fault("DBInstanceNotFound", f"DBInstance {name} not found.")


def is_headless(arn: str) -> bool:
    """Whether a member has no instance that answers."""
    cluster = store.cluster_of(arn)
    return cluster is None or not available_instances(cluster)
