"""How a cluster joins a global cluster: the first becomes its primary, every later one a secondary in another Region.

Of the rules around one method the last installed is asked first; those of aurora_clusters come before these.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from moto.rds.models import DBCluster, RDSBackend
from moto.rds.utils import split_arn

from drctl.lab import aurora_store as store
from drctl.lab.aurora_states import available_instances, check, fault
from drctl.lab.aurora_store import GlobalCluster, Member
from drctl.lab.rules import Wrapped, rule


def _joined(kwargs: Any) -> GlobalCluster | None:
    identifier = kwargs.get("global_cluster_identifier")
    return store.find(identifier) if identifier else None


def _primary(kwargs: Any) -> Member | None:
    """The primary that a secondary is being made for; None when the cluster will be no secondary."""
    known = _joined(kwargs)
    return known.writer if known else None


@rule("joining-a-global-cluster", RDSBackend, "create_db_cluster")
def the_first_member_writes(proceed: Wrapped, _: RDSBackend, kwargs: Any) -> DBCluster:
    """The first cluster of a global cluster is its writer, later ones are readers and take longer to come.

    Source: Aurora User Guide, Getting started with Amazon Aurora global databases
    """
    if (known := _joined(kwargs)) is None:
        return proceed(kwargs)
    kwargs["engine_version"] = known.engine_version
    primary = known.writer
    first = primary is None
    if known.database_name and first:
        kwargs["database_name"] = kwargs.get("database_name") or known.database_name
    cluster: DBCluster = proceed(kwargs)
    known.members.append(Member(cluster.arn, is_writer=first))
    # users and passwords are in the volume, which is replicated
    source = store.cluster_of(primary.arn) if primary else None
    cluster.master_username = source.master_username if source else kwargs["master_username"]
    cluster._master_user_password = source._master_user_password if source else kwargs["master_user_password"]
    return cluster


@check("secondary-after-writer", RDSBackend, "create_db_cluster")
def a_secondary_needs_a_writer_instance(_: RDSBackend, kwargs: Any) -> None:
    """A secondary is made from a primary that is available and has an available instance.

    Refuses otherwise with InvalidDBClusterStateFault.
    Source: Aurora User Guide, Adding an AWS Region to an Amazon Aurora global database
    """
    if (primary := _primary(kwargs)) is None:
        return
    cluster = store.cluster_of(primary.arn)
    if cluster is None or cluster.status != "available" or not available_instances(cluster):
        raise fault("InvalidDBClusterStateFault",
                    f"Source cluster: {primary.arn} is in a state which is not valid for physical replication.")


@check("secondary-presigned-url", RDSBackend, "create_db_cluster")
def an_encrypted_secondary_names_its_source(_: RDSBackend, kwargs: Any) -> None:
    """An encrypted secondary is asked for with a pre-signed URL of the primary's Region (SourceRegion in the SDKs).

    Refuses a missing URL with InvalidParameterCombination, one of another Region with InvalidParameterValue.
    Source: RDS API Reference, CreateDBCluster, PreSignedUrl
    """
    known, primary = _joined(kwargs), _primary(kwargs)
    if primary is None or known is None or not known.storage_encrypted:
        return
    if not (url := kwargs.get("pre_signed_url")):
        raise fault("InvalidParameterCombination",
                    "A pre-signed URL has to be specified for cross-region replication of an encrypted cluster.")
    scope = parse_qs(urlsplit(url).query).get("X-Amz-Credential", ["////"])[0].split("/")
    if scope[2] != primary.region:
        raise fault("InvalidParameterValue", "PreSignedUrl could not be authenticated.")


@check("secondary-local-key", RDSBackend, "create_db_cluster")
def an_encrypted_secondary_has_a_key_of_its_region(_: RDSBackend, kwargs: Any) -> None:
    """An encrypted secondary needs StorageEncrypted's key in its own Region: otherwise InvalidParameterCombination.

    Source: RDS API Reference, CreateDBCluster, KmsKeyId
    """
    known, primary = _joined(kwargs), _primary(kwargs)
    if primary is None or known is None or not known.storage_encrypted:
        return
    if not kwargs.get("kms_key_id"):
        raise fault("InvalidParameterCombination", "KmsKeyId is required for cross-region replication of an encrypted "
                    "cluster: name a key of the target Region.")
    kwargs["storage_encrypted"] = True


@check("primary-encrypted-alike", RDSBackend, "create_db_cluster")
def the_primary_is_encrypted_as_the_global_cluster(_: RDSBackend, kwargs: Any) -> None:
    """StorageEncrypted of a primary equals its global cluster's: otherwise InvalidParameterCombination.

    Source: RDS API Reference, CreateGlobalCluster, StorageEncrypted
    """
    known = _joined(kwargs)
    if known and known.writer is None and bool(kwargs.get("storage_encrypted")) != known.storage_encrypted:
        raise fault("InvalidParameterCombination",
                    "The StorageEncrypted value of the DB cluster does not match that of the global cluster.")


@check("secondary-credentials", RDSBackend, "create_db_cluster")
def a_secondary_has_no_credentials_of_its_own(_: RDSBackend, kwargs: Any) -> None:
    """User, password and database come to a secondary by replication: giving them is InvalidParameterCombination.

    Source: RDS API Reference, CreateDBCluster; Aurora User Guide, Adding an AWS Region to a global database
    """
    if _primary(kwargs) is None:
        return
    if kwargs.get("master_username") or kwargs.get("master_user_password"):
        raise fault("InvalidParameterCombination",
                    "Cannot specify password/user name for cross region replication cluster")
    if kwargs.get("database_name"):
        raise fault("InvalidParameterCombination", "Cannot specify database name for cross region replication cluster")


@check("primary-credentials", RDSBackend, "create_db_cluster")
def a_first_cluster_has_credentials(_: RDSBackend, kwargs: Any) -> None:
    """The first cluster of a global cluster needs a master user and password: otherwise InvalidParameterValue.

    Source: RDS API Reference, CreateDBCluster
    """
    known = _joined(kwargs)
    if known is None or known.writer is not None:
        return
    for argument, name in (("master_username", "MasterUsername"), ("master_user_password", "MasterUserPassword")):
        if len(kwargs.get(argument) or "") < (8 if argument == "master_user_password" else 1):
            raise fault("InvalidParameterValue", f"The parameter {name} must be provided and must not be blank.")


@check("no-managed-password", RDSBackend, "create_db_cluster", "modify_db_cluster")
def no_managed_password_in_a_global_database(self: RDSBackend, kwargs: Any) -> None:
    """RDS does not manage the master password of a global database in Secrets Manager: InvalidParameterCombination.

    Source: Aurora User Guide, Password management with Amazon Aurora and AWS Secrets Manager, limitations
    """
    cluster = self.clusters.get(kwargs["db_cluster_identifier"])
    member = kwargs.get("global_cluster_identifier") or (cluster is not None and store.of_cluster(cluster.arn))
    if kwargs.get("manage_master_user_password") and member:
        raise fault("InvalidParameterCombination",
                    "ManageMasterUserPassword is not supported for a DB cluster in a global cluster.")


@check("member-version", RDSBackend, "create_db_cluster")
def members_are_of_one_version(_: RDSBackend, kwargs: Any) -> None:
    """Engine and version of a member equal its global cluster's: otherwise InvalidParameterValue.

    Source: Aurora User Guide, Getting started with Amazon Aurora global databases
    """
    known = _joined(kwargs)
    if known and (kwargs.get("engine") != known.engine
                  or (kwargs.get("engine_version") or known.engine_version) != known.engine_version):
        raise fault("InvalidParameterValue", f"The engine version of the DB cluster must be {known.engine} "
                    f"{known.engine_version}, as that of the global cluster.")


@check("member-identifier", RDSBackend, "create_db_cluster")
def members_differ_in_their_identifiers(_: RDSBackend, kwargs: Any) -> None:
    """No two members of a global database have one identifier: otherwise InvalidParameterValue.

    Source: Aurora User Guide, Limitations of Amazon Aurora global databases
    """
    for member in getattr(_joined(kwargs), "members", ()):
        if split_arn(member.arn)[3] == kwargs["db_cluster_identifier"].lower():
            raise fault("InvalidParameterValue", "The global cluster already has a member with this identifier.")


@check("member-once-a-region", RDSBackend, "create_db_cluster")
def one_member_a_region(self: RDSBackend, kwargs: Any) -> None:
    """A global database has one cluster in a Region: otherwise InvalidParameterValue.

    Source: Aurora User Guide, Amazon Aurora Global Database
    """
    for member in getattr(_joined(kwargs), "members", ()):
        if member.region == self.region_name:
            raise fault("InvalidParameterValue", f"The global cluster already has a member in {member.region}.")


@check("global-cluster-ready", RDSBackend, "create_db_cluster")
def the_global_cluster_is_at_rest(_: RDSBackend, kwargs: Any) -> None:
    """A cluster joins a global cluster that exists and is available.

    Refuses otherwise with GlobalClusterNotFoundFault or InvalidGlobalClusterStateFault.
    Source: RDS API Reference, CreateDBCluster
    """
    known = _joined(kwargs)
    if known and (known.status != "available" or known.change):
        raise fault("InvalidGlobalClusterStateFault", f"Global cluster {known.identifier} is in {known.status} state.")


def _source(self: DBCluster) -> str | None:
    """A secondary shows the primary as its source."""
    known = store.of_cluster(self.arn)
    if known and known.writer and known.writer.arn != self.arn:
        return known.writer.arn
    own: str | None = self.__dict__.get("_replication_source")
    return own


def _set_source(self: DBCluster, arn: str | None) -> None:
    self.__dict__["_replication_source"] = arn


DBCluster.replication_source_identifier = property(_source, _set_source)
