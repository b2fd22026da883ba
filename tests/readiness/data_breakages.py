"""What can go wrong with database, secret, keys, objects and events."""

from __future__ import annotations

import json
import threading
from typing import Any

from drctl.lab.clock import CLOCK
from drctl.steps.database_instances import DatabaseInstances
from drctl.steps.standby_cluster import StandbyCluster
from tests.readiness.breakages import Breakage, Here


def _cluster(here: Here, **change: Any) -> None:
    here.aws.rds.modify_db_cluster(**here.cluster, ApplyImmediately=True, **change)


def _instance(here: Here, **change: Any) -> None:
    here.aws.rds.modify_db_instance(**here.instance, ApplyImmediately=True, **change)


def _parameter(here: Here, name: str, value: str, *, of: str = "instance") -> None:
    told: Any = [{"ParameterName": name, "ParameterValue": value, "ApplyMethod": "immediate"}]
    if of == "cluster":
        here.aws.rds.modify_db_cluster_parameter_group(
            DBClusterParameterGroupName=here.name("cluster-params", "database"), Parameters=told)
    else:
        here.aws.rds.modify_db_parameter_group(DBParameterGroupName=here.name("params", "database"), Parameters=told)


def _reset(here: Here, name: str) -> None:
    here.aws.rds.reset_db_cluster_parameter_group(
        DBClusterParameterGroupName=here.name("cluster-params", "database"),
        Parameters=[{"ParameterName": name, "ApplyMethod": "immediate"}])


def _delete_instance(here: Here) -> None:
    here.aws.rds.delete_db_instance(**here.instance)
    CLOCK.skip(1200)


def _protect(here: Here) -> None:
    known = here.aws.rds.describe_global_clusters()["GlobalClusters"][0]["GlobalClusterIdentifier"]
    here.aws.rds.modify_global_cluster(GlobalClusterIdentifier=known, DeletionProtection=True)


def _secret(here: Here) -> Any:
    return {"SecretId": here.world.names("secret", "database", "global")}


def _new_password(here: Here) -> None:
    """Somebody rotates the secret by hand, and the database does not know."""
    value = json.dumps({"username": here.settings.database.username, "password": "Another-password-1"})
    here.aws.secrets.put_secret_value(**_secret(here), SecretString=value)


def _database_log(here: Here) -> Any:
    return f"/aws/rds/cluster/{here.name('aurora', 'cluster')}/postgresql"


DATABASE = (
    Breakage("deletion protection is switched on", "DB-02", _protect, "primary"),
    Breakage("a cluster gets another capacity", "DB-07", lambda here: _cluster(
        here, ServerlessV2ScalingConfiguration={"MinCapacity": 1, "MaxCapacity": 32})),
    Breakage("a cluster does not tag its snapshots", "DB-07", lambda here: _cluster(here, CopyTagsToSnapshot=False)),
    Breakage("a cluster does not export its log", "DB-07", lambda here: _cluster(
        here, CloudwatchLogsExportConfiguration={"DisableLogTypes": ["postgresql"]})),
    Breakage("a cluster has another security group", "DB-07", lambda here: _cluster(
        here, VpcSecurityGroupIds=[here.group("default")["GroupId"]])),
    Breakage("a cluster is protected", "DB-07", lambda here: _cluster(here, DeletionProtection=True)),
    Breakage("a cluster keeps backups for a day", "BAK-01", lambda here: _cluster(here, BackupRetentionPeriod=1)),
    Breakage("the database's log is kept for a day", "DB-10", lambda here: here.aws.logs.put_retention_policy(
        logGroupName=_database_log(here), retentionInDays=1)),
    Breakage("the database's log is deleted", "DB-10", lambda here: here.aws.logs.delete_log_group(
        logGroupName=_database_log(here))),
    Breakage("the follower's instance is deleted", "DB-11", _delete_instance, "follower"),
    Breakage("an instance is of another class", "DB-13", lambda here: _instance(
        here, DBInstanceClass="db.r6g.large")),
    Breakage("an instance is without Performance Insights", "DB-13", lambda here: _instance(
        here, EnablePerformanceInsights=False)),
    Breakage("an instance changes at its next window", "DB-16", lambda here: here.aws.rds.modify_db_instance(
        **here.instance, DBInstanceClass="db.r6g.large"), also=(DatabaseInstances,)),
    Breakage("a database parameter is changed", "DB-18", lambda here: _parameter(here, "log_lock_waits", "0")),
    Breakage("connections without TLS are taken", "DB-18", lambda here: _parameter(
        here, "rds.force_ssl", "0", of="cluster")),
    Breakage("commits may wait for a lag", "DB-19", lambda here: _parameter(
        here, "rds.global_db_rpo", "60", of="cluster")),
    Breakage("one region has one more parameter", "PAR-08", lambda here: _parameter(
        here, "log_min_duration_statement", "500", of="cluster"),
             back=lambda here: _reset(here, "log_min_duration_statement")),
    Breakage("the secret's copy is removed", "SEC-02", lambda here: here.other.aws.secrets.
             remove_regions_from_replication(**_secret(here), RemoveReplicaRegions=[here.site.region]), "standby"),
    Breakage("the secret has another key", "SEC-04", lambda here: here.aws.secrets.update_secret(
        **_secret(here), KmsKeyId="alias/aws/secretsmanager"), "primary"),
    Breakage("the secret is rotated by hand", "DB-09", _new_password, "primary", also=(StandbyCluster,)),
    Breakage("a key is disabled", "KEY-02", lambda here: here.aws.kms.disable_key(KeyId=here.key), "follower",
             back=lambda here: here.aws.kms.enable_key(KeyId=here.key)),
    Breakage("a key does not rotate", "KEY-03", lambda here: here.aws.kms.disable_key_rotation(KeyId=here.key)),
    Breakage("a key's policy lets services out", "KEY-04", lambda here: here.aws.kms.put_key_policy(
        KeyId=here.key, PolicyName="default", Policy=json.dumps({"Version": "2012-10-17", "Statement": [
            {"Sid": "Account", "Effect": "Allow", "Action": "kms:*", "Resource": "*",
             "Principal": {"AWS": f"arn:aws:iam::{here.settings.account_id}:root"}}]}))),
    Breakage("a key loses its alias", "KEY-01", lambda here: here.aws.kms.delete_alias(
        AliasName=f"alias/{here.name('key', 'data')}")),
)


def _open(here: Here, purpose: str) -> None:
    here.aws.s3.delete_public_access_block(**here.bucket(purpose))


def _with_s3_keys(here: Here) -> None:
    here.aws.s3.put_bucket_encryption(**here.bucket("data"), ServerSideEncryptionConfiguration={"Rules": [
        {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]})


def _changed_rule(here: Here, **change: Any) -> None:
    known: Any = here.aws.s3.get_bucket_replication(**here.bucket("data"))["ReplicationConfiguration"]
    known["Rules"][0] |= change
    here.aws.s3.put_bucket_replication(**here.bucket("data"), ReplicationConfiguration=known)


def lost_right(here: Here, label: str) -> None:
    """A role may do nothing any more."""
    here.aws.iam.delete_role_policy(RoleName=here.name("iam", label), PolicyName=label)


def _without_key_rights(here: Here) -> None:
    """The role keeps its name and everything but what it may do with keys."""
    role = {"RoleName": here.name("iam", "replication"), "PolicyName": "replication"}
    policy: Any = here.aws.iam.get_role_policy(**role)["PolicyDocument"]
    policy["Statement"] = [one for one in policy["Statement"] if "kms:" not in json.dumps(one)]
    here.aws.iam.put_role_policy(**role, PolicyDocument=json.dumps(policy))


def _failed_object(here: Here) -> None:
    """An object is put while replication may not read the key, and the right comes back too late for it."""
    role = {"RoleName": here.name("iam", "replication"), "PolicyName": "replication"}
    policy = here.aws.iam.get_role_policy(**role)["PolicyDocument"]
    here.aws.iam.delete_role_policy(**role)
    here.aws.s3.put_object(**here.bucket("data"), Key="records/1", Body=b"1")
    pause = threading.Event()
    while here.aws.s3.head_object(**here.bucket("data"), Key="records/1").get("ReplicationStatus") == "PENDING":
        CLOCK.skip(60)
        pause.wait(0.02)
    here.aws.iam.put_role_policy(**role, PolicyDocument=json.dumps(policy))


def _emptied(here: Here) -> None:
    for one in here.aws.s3.list_object_versions(**here.bucket("data"), Prefix="records/")["Versions"]:
        here.aws.s3.delete_object(**here.bucket("data"), Key=one["Key"], VersionId=one["VersionId"])


OBJECTS = (
    Breakage("the data bucket can be made public", "OBJ-02", lambda here: _open(here, "data")),
    Breakage("new objects are not under the key", "OBJ-03", _with_s3_keys),
    Breakage("the data bucket loses its policy", "OBJ-05", lambda here: here.aws.s3.delete_bucket_policy(
        **here.bucket("data"))),
    Breakage("old versions are kept for ever", "OBJ-06", lambda here: here.aws.s3.delete_bucket_lifecycle(
        **here.bucket("data"))),
    Breakage("replication is removed", "OBJ-07", lambda here: here.aws.s3.delete_bucket_replication(
        **here.bucket("data"))),
    Breakage("replication is disabled", "OBJ-07", lambda here: _changed_rule(here, Status="Disabled")),
    Breakage("deletions are not replicated", "OBJ-07", lambda here: _changed_rule(
        here, DeleteMarkerReplication={"Status": "Disabled"})),
    Breakage("replication may do nothing", "OBJ-08", lambda here: lost_right(here, "replication")),
    Breakage("replication may use no key", "OBJ-08", _without_key_rights),
    Breakage("an object could not be replicated", "OBJ-09", _failed_object, back=_emptied),
)


def _other_pattern(here: Here) -> None:
    rule = here.rule("event-forwarding")
    here.aws.events.put_rule(Name=rule["Rule"], EventBusName=rule["EventBusName"],
                             EventPattern=json.dumps({"source": ["nobody"]}))


def _no_target(here: Here, purpose: str) -> None:
    rule = here.rule(purpose)
    targets = here.aws.events.list_targets_by_rule(**rule)["Targets"]
    here.aws.events.remove_targets(**rule, Ids=[one["Id"] for one in targets])


def _disabled(here: Here, purpose: str) -> None:
    rule = here.rule(purpose)
    here.aws.events.disable_rule(Name=rule["Rule"], EventBusName=rule["EventBusName"])


def _queue_gone(here: Here, purpose: str) -> None:
    here.aws.sqs.delete_queue(**here.queue(purpose))
    CLOCK.skip(120)


EVENTS = (
    Breakage("a bus admits nobody", "EVT-02", lambda here: here.aws.events.remove_permission(
        RemoveAllPermissions=True, EventBusName=here.name("bus", "events"))),
    Breakage("an archive is deleted", "EVT-03", lambda here: here.aws.events.delete_archive(
        ArchiveName=here.name("archive", "events"))),
    Breakage("an archive keeps events for a day", "EVT-03", lambda here: here.aws.events.update_archive(
        ArchiveName=here.name("archive", "events"), RetentionDays=1)),
    Breakage("the wrong events are forwarded", "EVT-04", _other_pattern),
    Breakage("events are forwarded to nobody", "EVT-04", lambda here: _no_target(here, "event-forwarding")),
    Breakage("forwarding is disabled", "EVT-05", lambda here: _disabled(here, "event-forwarding")),
    Breakage("forwarding may do nothing", "EVT-06", lambda here: lost_right(here, "forwarding")),
    Breakage("dead letters are kept for an hour", "EVT-07", lambda here: here.aws.sqs.set_queue_attributes(
        **here.queue("dead-letters"), Attributes={"MessageRetentionPeriod": "3600"})),
    Breakage("dead letters are admitted from nobody", "EVT-07", lambda here: here.aws.sqs.set_queue_attributes(
        **here.queue("dead-letters"), Attributes={"Policy": ""})),
    Breakage("an event waits as a dead letter", "EVT-08", lambda here: here.aws.sqs.send_message(
        **here.queue("dead-letters"), MessageBody="{}"), back=lambda here: here.aws.sqs.purge_queue(
        **here.queue("dead-letters"))),
    Breakage("the canary's queue is deleted", "EVT-09", lambda here: _queue_gone(here, "canary")),
    Breakage("the canary's rule is disabled", "EVT-09", lambda here: _disabled(here, "canary")),
)
