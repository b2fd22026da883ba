"""Changes that RDS accepts at once and makes later: PendingModifiedValues.

Of the rules around one method the last installed is asked first.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from moto.rds.models import DBCluster, DBInstance, DBInstanceClustered, RDSBackend

from drctl.aws.durations import seconds
from drctl.lab import aurora_store as store
from drctl.lab.aurora_states import LOCK, UNSEEN_S
from drctl.lab.clock import CLOCK
from drctl.lab.rules import Wrapped, rule

#: Settings of a cluster that are pending until they are made: argument, attribute of moto, name in the answer.
_OF_A_CLUSTER = (("backup_retention_period", "backup_retention_period", "BackupRetentionPeriod"),
                 ("engine_version", "engine_version", "EngineVersion"),
                 ("enable_iam_database_authentication", "iam_auth", "IAMDatabaseAuthenticationEnabled"),
                 ("master_user_password", "_master_user_password", "MasterUserPassword"))
#: Those that wait for the maintenance window unless they are to be applied immediately.
_IN_THE_WINDOW = frozenset({"engine_version", "enable_iam_database_authentication"})

DBCluster.pending_modified_values = property(lambda self: self.__dict__.get("_lab_pending") or None)
DBInstance.pending_modified_values = property(lambda self: self.__dict__.get("_lab_pending") or {})


@rule("cluster-change-pending", RDSBackend, "modify_db_cluster")
def a_change_of_a_cluster_is_pending(proceed: Wrapped, self: RDSBackend, kwargs: Any) -> DBCluster:
    """Retention, version, IAM authentication and password are in PendingModifiedValues until they are made.

    Version and IAM authentication stay there until the maintenance window without ApplyImmediately.
    Source: RDS API Reference, ModifyDBCluster, ApplyImmediately; ClusterPendingModifiedValues
    """
    model = self.clusters.get(kwargs["db_cluster_identifier"])
    given = {} if model is None else {
        attribute: (shown, kwargs.pop(argument), argument in _IN_THE_WINDOW)
        for argument, attribute, shown in _OF_A_CLUSTER if kwargs.get(argument) is not None}
    answer: DBCluster = proceed(kwargs)
    if model is not None:
        new = {attribute: value for attribute, value in given.items()
               if attribute.startswith("_") or getattr(model, attribute) != value[1]
               or attribute in model.__dict__.get("_lab_planned", {})}
        _plan(model, {attribute: (shown, value) for attribute, (shown, value, _) in new.items()},
              waits={attribute for attribute, (_, _, waits) in new.items()
                     if waits and not kwargs.get("apply_immediately")})
        answer.__dict__["_lab_pending"] = model.__dict__.get("_lab_pending")
    return answer


@rule("instance-change-pending", RDSBackend, "modify_db_instance")
def a_change_of_class_is_pending(proceed: Wrapped, self: RDSBackend, name: str, db_kwargs: Any) -> DBInstance:
    """Another instance class is in PendingModifiedValues until it is made, or until the maintenance window.

    Source: RDS API Reference, ModifyDBInstance, ApplyImmediately; PendingModifiedValues
    """
    model = self.describe_db_instances(name)[0]
    wanted = db_kwargs.get("db_instance_class")
    planned = model.__dict__.get("_lab_planned", {})
    if not isinstance(model, DBInstanceClustered) or wanted is None or (
            wanted == model.db_instance_class and "db_instance_class" not in planned):
        return proceed(name, db_kwargs)
    db_kwargs["db_instance_class"] = model.db_instance_class
    answer: DBInstance = proceed(name, db_kwargs)
    waits = set() if db_kwargs.get("apply_immediately") else {"db_instance_class"}
    _plan(model, {"db_instance_class": ("DBInstanceClass", wanted)}, waits)
    return answer


def _plan(model: Any, changes: dict[str, tuple[str, Any]], waits: set[str]) -> None:
    """Show changes as pending and make those that do not wait for the window when `modifying` ends; a later change of
    a setting takes the place of one that is not made yet."""
    pending, planned = (model.__dict__.setdefault(name, {}) for name in ("_lab_pending", "_lab_planned"))
    for attribute, change in changes.items():
        shown, value = change
        pending[shown] = "****" if attribute.startswith("_") else value
        planned[attribute] = change
    for attribute in changes.keys() - waits:
        length = seconds("engine-upgrade" if attribute == "engine_version" else "cluster-modify")
        CLOCK.after(UNSEEN_S + length, partial(_make, model, {attribute: changes[attribute]}))


def _make(model: Any, changes: dict[str, tuple[str, Any]]) -> None:
    with LOCK:
        pending, planned = model.__dict__["_lab_pending"], model.__dict__["_lab_planned"]
        for attribute, change in changes.items():
            if planned.get(attribute) is change:
                for one in _whole_database(model) if attribute == "_master_user_password" else (model,):
                    setattr(one, attribute, change[1])
                del planned[attribute], pending[change[0]]


def _whole_database(model: Any) -> list[Any]:
    """The members of a cluster's global database: users and passwords are replicated with everything else."""
    known = store.of_cluster(model.arn)
    found = [store.cluster_of(member.arn) for member in known.members] if known else []
    return [one for one in found if one is not None and hasattr(one, "_master_user_password")] or [model]
