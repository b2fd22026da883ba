"""Global clusters: how they are made, shown, changed and tagged.

Of the rules around one method the last installed is asked first.
"""

from __future__ import annotations

import re
from typing import Any

from moto.core.responses import ActionResult
from moto.rds.models import DBCluster, RDSBackend
from moto.rds.responses import RDSResponse
from moto.rds.utils import split_arn

from drctl.aws.durations import seconds
from drctl.lab import aurora_store as store
from drctl.lab.aurora_states import (
    AURORA,
    UNSEEN_S,
    check,
    fault,
    passes_through,
    require_available,
    stage,
)
from drctl.lab.aurora_store import GLOBALS, GlobalCluster, Member
from drctl.lab.aurora_versions import DEFAULT, VERSIONS, compare
from drctl.lab.rules import Wrapped, operation, rule

_NAME = re.compile(r"[a-zA-Z](?!.*--)[a-zA-Z0-9-]{0,62}(?<!-)")
_TAGGED = ":global-cluster:"


def shown(known: GlobalCluster) -> ActionResult:
    """The answer of every operation that changes a global cluster."""
    return ActionResult({"GlobalCluster": known.wire()})


def require_at_rest(known: GlobalCluster) -> None:
    """Refuse (InvalidGlobalClusterStateFault) while something is under way."""
    if known.change or stage(known.arn):
        raise fault("InvalidGlobalClusterStateFault",
                    f"Global cluster {known.identifier} is in {known.status} state and not available.")


@operation("global-cluster-creation", RDSResponse, "create_global_cluster")
def create_global_cluster(self: RDSResponse) -> ActionResult:
    """A global cluster is made empty, or round a cluster of the Region, which becomes its primary.

    Source: RDS API Reference, CreateGlobalCluster
    """
    params = self.params
    known = GlobalCluster(
        params["GlobalClusterIdentifier"].lower(), self.current_account, params.get("Engine") or "",
        params.get("EngineVersion") or DEFAULT,
        bool(params.get("StorageEncrypted")), bool(params.get("DeletionProtection")), params.get("DatabaseName"),
        [{"Key": tag["Key"], "Value": tag["Value"]} for tag in params.get("Tags") or ()])
    if params.get("SourceDBClusterIdentifier"):
        _take_over(known, self.backend.describe_db_clusters(params["SourceDBClusterIdentifier"])[0])
    GLOBALS[known.identifier] = known
    passes_through(known.arn, [(seconds("global-cluster-create"), "creating")])
    return shown(known)


@check("global-cluster-version", RDSResponse, "create_global_cluster")
def its_engine_and_version_exist(self: RDSResponse) -> None:
    """A global cluster without a source is of an engine and version that exist: otherwise InvalidParameterValue.

    Source: RDS API Reference, CreateGlobalCluster
    """
    if self.params.get("SourceDBClusterIdentifier"):
        return
    if self.params.get("Engine") != AURORA:
        raise fault("InvalidParameterValue",
                    "When creating standalone global cluster, value for engineName should be specified")
    if (self.params.get("EngineVersion") or DEFAULT) not in VERSIONS:
        raise fault("InvalidParameterValue",
                    "The requested engine version was not found or does not support global functionality")


@check("global-source-ready", RDSResponse, "create_global_cluster")
def its_source_is_ready(self: RDSResponse) -> None:
    """A source is available, in no global cluster, and has a master password of its own.

    Refuses otherwise with InvalidDBClusterStateFault.
    Source: RDS API Reference, CreateGlobalCluster; Aurora User Guide, Password management with Amazon Aurora
    """
    if not (arn := self.params.get("SourceDBClusterIdentifier")):
        return
    cluster: DBCluster = self.backend.describe_db_clusters(arn)[0]
    require_available(cluster)
    if store.of_cluster(arn):
        raise fault("InvalidDBClusterStateFault", f"Cluster {arn} is already in a global cluster.")
    if cluster.manage_master_user_password:
        raise fault("InvalidDBClusterStateFault", f"The master password of {arn} is managed by RDS.")


@check("global-source-decides", RDSResponse, "create_global_cluster")
def its_source_decides(self: RDSResponse) -> None:
    """Engine, version, database and encryption come from the source: giving them is InvalidParameterCombination.

    Refuses a source that is not named by its ARN with InvalidParameterValue.
    Source: RDS API Reference, CreateGlobalCluster
    """
    if not (arn := self.params.get("SourceDBClusterIdentifier")):
        return
    if not arn.startswith("arn:"):
        raise fault("InvalidParameterValue", f"Malformed db cluster arn {arn}")
    if given := [name for name in ("Engine", "EngineVersion", "DatabaseName", "StorageEncrypted")
                 if self.params.get(name) is not None]:
        raise fault("InvalidParameterCombination", "When creating global cluster from existing db cluster, value for "
                    f"{given[0]} should not be specified since it will be inherited from source cluster")


@check("global-cluster-once", RDSResponse, "create_global_cluster")
def its_name_is_free(self: RDSResponse) -> None:
    """The identifier is free in the account, in every Region: otherwise GlobalClusterAlreadyExistsFault.

    Source: RDS API Reference, CreateGlobalCluster
    """
    identifier = self.params["GlobalClusterIdentifier"].lower()
    if identifier in GLOBALS:
        raise fault("GlobalClusterAlreadyExistsFault", f"Global cluster {identifier} already exists")


@check("global-cluster-identifier", RDSResponse, "create_global_cluster")
def its_name_keeps_the_rules(self: RDSResponse) -> None:
    """1 to 63 letters, digits and hyphens, a letter first, no two hyphens together, none at the end.

    Refuses with InvalidParameterValue.
    Source: RDS API Reference, CreateGlobalCluster; Aurora User Guide, Naming constraints in Amazon Aurora
    """
    if not _NAME.fullmatch(self.params["GlobalClusterIdentifier"]):
        raise fault("InvalidParameterValue", "The parameter GlobalClusterIdentifier is not a valid identifier.")


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
    """Deletion protection, name and engine version of a global cluster are changed; all members are upgraded together.

    Source: RDS API Reference, ModifyGlobalCluster
    """
    known = store.find(self.params.get("GlobalClusterIdentifier"))
    if self.params.get("DeletionProtection") is not None:
        known.deletion_protection = self.params["DeletionProtection"]
    if (version := self.params.get("EngineVersion")) and version != known.engine_version:
        _upgrade(known, version)
    if new := self.params.get("NewGlobalClusterIdentifier"):
        _rename(known, new.lower())
    return shown(known)


@check("global-upgrade", RDSResponse, "modify_global_cluster")
def it_is_upgraded_to_a_higher_version(self: RDSResponse) -> None:
    """A new version exists and is higher (InvalidParameterValue); a major step is asked for in so many words.

    Refuses one without AllowMajorVersionUpgrade with InvalidParameterCombination.
    Source: RDS API Reference, ModifyGlobalCluster
    """
    known, version = store.find(self.params.get("GlobalClusterIdentifier")), self.params.get("EngineVersion")
    if not version or version == known.engine_version:
        return
    if version not in VERSIONS or compare(version) < compare(known.engine_version):
        raise fault("InvalidParameterValue", f"Cannot upgrade {AURORA} from {known.engine_version} to {version}")
    if compare(version)[0] != compare(known.engine_version)[0] and not self.params.get("AllowMajorVersionUpgrade"):
        raise fault("InvalidParameterCombination", "The AllowMajorVersionUpgrade flag must be present when upgrading "
                    "to a new major version.")


@check("global-cluster-at-rest-to-change", RDSResponse, "modify_global_cluster")
def only_one_at_rest_is_changed(self: RDSResponse) -> None:
    """A global cluster is changed while it is available: otherwise InvalidGlobalClusterStateFault.

    Source: RDS API Reference, ModifyGlobalCluster
    """
    require_at_rest(store.find(self.params.get("GlobalClusterIdentifier")))


def _upgrade(known: GlobalCluster, version: str) -> None:
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
