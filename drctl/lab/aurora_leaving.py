"""How a global database ends: its secondaries leave, then its writer, then the empty global cluster is deleted.

Of the rules around one method the last installed is asked first.
"""

from __future__ import annotations

from collections.abc import Callable

from moto.core.responses import ActionResult
from moto.rds.responses import RDSResponse

from drctl.aws.durations import seconds
from drctl.lab import aurora_store as store
from drctl.lab.aurora_global import require_at_rest, shown
from drctl.lab.aurora_states import LOCK, UNSEEN_S, check, fault, goes, passes_through, require_available, stage
from drctl.lab.aurora_store import GLOBALS, GlobalCluster, Member
from drctl.lab.clock import CLOCK
from drctl.lab.rules import operation

#: Called in the lab's clock thread when a detached secondary begins to take writes: its global cluster's id, its ARN.
ON_DETACH: list[Callable[[str, str], None]] = []


def _asked(self: RDSResponse) -> tuple[GlobalCluster, str]:
    """The global cluster and the ARN that a removal is about."""
    return store.find(self.params.get("GlobalClusterIdentifier")), self.params.get("DbClusterIdentifier") or ""


@operation("global-member-removal", RDSResponse, "remove_from_global_cluster")
def remove_from_global_cluster(self: RDSResponse) -> ActionResult:
    """A secondary that leaves is promoted after some seconds, and is shown in the list until that is over.

    Source: RDS API Reference, RemoveFromGlobalCluster; Terraform provider: aws_rds_global_cluster
    """
    known, arn = _asked(self)
    if (member := known.member(arn)) is not None:
        _let_go(known, member)
    return shown(known)


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
            cluster.__dict__["_lab_member_until"] = CLOCK.now() + seconds("membership-clear")
    if not member.is_writer:
        for listener in ON_DETACH:
            listener(known.identifier, member.arn)


@check("member-available-to-leave", RDSResponse, "remove_from_global_cluster")
def a_busy_member_stays(self: RDSResponse) -> None:
    """A member leaves when it is available: otherwise InvalidDBClusterStateFault, and DBClusterNotFoundFault if gone.

    Source: RDS API Reference, RemoveFromGlobalCluster; Terraform provider: aws_rds_global_cluster
    """
    known, arn = _asked(self)
    member, cluster = known.member(arn), store.cluster_of(arn)
    if cluster is None:
        raise fault("DBClusterNotFoundFault", f"DBCluster {arn} not found.")
    if member and (member.leaves_at == store.NEVER or stage(arn) == "promoting"):
        require_available(cluster)


@check("writer-leaves-last", RDSResponse, "remove_from_global_cluster")
def the_writer_leaves_after_the_readers(self: RDSResponse) -> None:
    """The writer leaves when it is the only member: otherwise InvalidGlobalClusterStateFault.

    Source: Terraform provider: aws_rds_global_cluster; Aurora User Guide, Removing a cluster from a global database
    """
    known, arn = _asked(self)
    member = known.member(arn)
    if member and member.is_writer and len(known.members) > 1:
        raise fault("InvalidGlobalClusterStateFault", f"Cluster {arn} is the writer of global cluster "
                    f"{known.identifier}: remove the read-only members before it.")


@check("nobody-leaves-meanwhile", RDSResponse, "remove_from_global_cluster")
def members_stay_during_a_change(self: RDSResponse) -> None:
    """While roles change or the global cluster is busy no member leaves: InvalidGlobalClusterStateFault.

    Source: RDS API Reference, RemoveFromGlobalCluster
    """
    require_at_rest(_asked(self)[0])


@check("only-members-leave", RDSResponse, "remove_from_global_cluster")
def who_is_no_member_cannot_leave(self: RDSResponse) -> None:
    """A cluster that is no member (any more) is refused: InvalidParameterValue, "is not found in global cluster".

    Source: Terraform provider: aws_rds_global_cluster
    """
    known, arn = _asked(self)
    if known.member(arn) is None:
        raise fault("InvalidParameterValue", f"Cluster {arn} is not found in global cluster {known.identifier}")


@check("member-by-arn", RDSResponse, "remove_from_global_cluster")
def a_member_is_named_by_its_arn(self: RDSResponse) -> None:
    """The member is named by its ARN, not by its identifier: otherwise InvalidParameterValue.

    Source: RDS API Reference, RemoveFromGlobalCluster, DbClusterIdentifier; Terraform provider: aws_rds_global_cluster
    """
    arn = _asked(self)[1]
    if not arn.startswith("arn:"):
        raise fault("InvalidParameterValue", f"Malformed db cluster arn {arn}")


@operation("global-cluster-deletion", RDSResponse, "delete_global_cluster")
def delete_global_cluster(self: RDSResponse) -> ActionResult:
    """A deleted global cluster shows deleting, and is gone some seconds later.

    Source: RDS API Reference, DeleteGlobalCluster; Terraform provider: aws_rds_global_cluster
    """
    known = store.find(self.params.get("GlobalClusterIdentifier"))
    goes(known.arn, seconds("global-cluster-delete"), lambda: _remove(known))
    return shown(known)


def _remove(known: GlobalCluster) -> None:
    GLOBALS.pop(known.identifier, None)


@check("global-cluster-at-rest-to-delete", RDSResponse, "delete_global_cluster")
def a_busy_global_cluster_stays(self: RDSResponse) -> None:
    """A global cluster that is busy or being deleted is refused: InvalidGlobalClusterStateFault.

    Source: RDS API Reference, DeleteGlobalCluster
    """
    require_at_rest(store.find(self.params.get("GlobalClusterIdentifier")))


@check("global-cluster-not-empty", RDSResponse, "delete_global_cluster")
def a_global_cluster_with_members_stays(self: RDSResponse) -> None:
    """A global cluster with members is not deleted: InvalidGlobalClusterStateFault, "is not empty".

    Source: RDS API Reference, DeleteGlobalCluster; Terraform provider: aws_rds_global_cluster
    """
    known = store.find(self.params.get("GlobalClusterIdentifier"))
    if known.members:
        raise fault("InvalidGlobalClusterStateFault", f"Global Cluster {known.arn} is not empty")


@check("global-cluster-protection", RDSResponse, "delete_global_cluster")
def a_protected_global_cluster_stays(self: RDSResponse) -> None:
    """A global cluster with deletion protection is not deleted: InvalidParameterCombination.

    Source: RDS API Reference, DeleteGlobalCluster; ModifyGlobalCluster, DeletionProtection
    """
    if store.find(self.params.get("GlobalClusterIdentifier")).deletion_protection:
        raise fault("InvalidParameterCombination",
                    "Cannot delete protected global cluster, please disable deletion protection and try again.")
