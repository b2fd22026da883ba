"""Switchover and failover of a global database: what each needs, what is shown meanwhile, who writes afterwards.

Of the rules around one method the last installed is asked first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.rds.responses import RDSResponse

from drctl.aws.durations import seconds
from drctl.lab import aurora_store as store
from drctl.lab.aurora_events import tell
from drctl.lab.aurora_snapshots import save_the_tail
from drctl.lab.aurora_states import LOCK, UNSEEN_S, available_instances, check, fault, passes_through, stage
from drctl.lab.aurora_store import LOST, Change, GlobalCluster, Member
from drctl.lab.aurora_versions import compare
from drctl.lab.clock import CLOCK
from drctl.lab.lag import LAG, USUAL_MS
from drctl.lab.rules import operation

log = logging.getLogger(__name__)

#: Called in the lab's clock thread at the moment of promotion, before the global cluster is available again: kind
#: ("switchover" or "failover"), id of the global cluster, ARN of the old and of the new primary.
ON_ROLE_CHANGE: list[Callable[[str, str, str, str], None]] = []
#: Called in the lab's clock thread when the old primary of a switchover takes no more writes, and when the switchover
#: is given up and it takes them again: its ARN, and whether it is fenced off.
ON_FENCE: list[Callable[[str, bool], None]] = []
#: Called in the lab's clock thread when an old primary has been rebuilt: its ARN.
ON_RESYNCHRONISED: list[Callable[[str], None]] = []
#: The two operations that change roles.
CHANGES = ("switchover_global_cluster", "failover_global_cluster")
#: AWS seconds that verifying takes, and that the global cluster needs after the promotion to be available.
VERIFYING_S, SETTLING_S = 5.0, 10.0
#: Part of the usual time after which the old primary takes no more writes.
FENCED_AFTER = 0.6


def _asked(self: RDSResponse) -> tuple[GlobalCluster, Member, bool]:
    """The global cluster and target that a call is about, and whether data may be lost.

    A failover with neither AllowDataLoss nor Switchover is a switchover.
    """
    known = store.find(self.params.get("GlobalClusterIdentifier"))
    target = known.member(self.params.get("TargetDbClusterIdentifier") or "") or Member("::::::", is_writer=False)
    return known, target, bool(self.params.get("AllowDataLoss"))


@operation("switchover", RDSResponse, "switchover_global_cluster")
def switchover_global_cluster(self: RDSResponse) -> ActionResult:
    """A switchover loses nothing: the old primary stops, the target catches up and becomes the writer.

    It takes longer by the lag, in which the last writes arrive.
    Source: RDS API Reference, SwitchoverGlobalCluster; Aurora User Guide, Performing switchovers for Aurora global
    databases
    """
    return _change(self)


@operation("failover", RDSResponse, "failover_global_cluster")
def failover_global_cluster(self: RDSResponse) -> ActionResult:
    """With AllowDataLoss the secondary is promoted whatever became of the primary; without it this is a switchover.

    Source: RDS API Reference, FailoverGlobalCluster; Aurora User Guide, Recovering an Aurora global database from an
    unplanned outage
    """
    return _change(self)


def _change(self: RDSResponse) -> ActionResult:
    known, target, loses_data = _asked(self)
    if known.writer is not None:
        _start(known, known.writer, target, loses_data)
    return ActionResult({"GlobalCluster": known.wire()})


@check("one-version-to-change-roles", RDSResponse, *CHANGES)
def versions_are_alike(self: RDSResponse) -> None:
    """Major and minor version of both clusters are the same: otherwise InvalidDBClusterStateFault.

    Source: Aurora User Guide, Patch level compatibility for managed cross-Region switchovers or failovers
    """
    known, target, _ = _asked(self)
    old, new = store.cluster_of(known.writer.arn) if known.writer else None, store.cluster_of(target.arn)
    if old and new and compare(old.engine_version)[:2] != compare(new.engine_version)[:2]:
        raise fault("InvalidDBClusterStateFault", f"Versions differ: {old.engine_version}, {new.engine_version}.")


@check("connected-target", RDSResponse, *CHANGES)
def the_target_is_synchronized(self: RDSResponse) -> None:
    """A target that is being rebuilt or not connected yet is refused: InvalidDBClusterStateFault.

    Source: RDS API Reference, SwitchoverGlobalCluster; GlobalClusterMember, SynchronizationStatus
    """
    target = _asked(self)[1]
    if not target.is_connected:
        raise fault("InvalidDBClusterStateFault", f"Cluster {target.arn} is not synchronized with the primary.")


@check("healthy-members", RDSResponse, *CHANGES)
def members_are_healthy(self: RDSResponse) -> None:
    """A switchover needs every member available, with an instance, reachable; a failover the target alone.

    Refuses otherwise with InvalidDBClusterStateFault.
    Source: Aurora User Guide, Performing switchovers for Aurora global databases: "all healthy"
    """
    known, target, loses_data = _asked(self)
    for member in (target,) if loses_data else known.members:
        if not store.is_healthy(member.arn):
            raise fault("InvalidDBClusterStateFault", f"Cluster {member.arn} is not in a healthy state.")


@check("headless-target", RDSResponse, *CHANGES)
def the_target_has_an_instance(self: RDSResponse) -> None:
    """A secondary without an available instance is no target: InvalidDBClusterStateFault.

    Source: Aurora User Guide, Creating a headless Aurora DB cluster in a secondary Region
    """
    target = _asked(self)[1]
    cluster = store.cluster_of(target.arn)
    if cluster is None or not available_instances(cluster):
        raise fault("InvalidDBClusterStateFault", f"Cluster {target.arn} has no available instance.")


@check("target-is-no-writer", RDSResponse, *CHANGES)
def the_target_is_a_secondary(self: RDSResponse) -> None:
    """The primary is no target: InvalidDBClusterStateFault.

    Source: RDS API Reference, SwitchoverGlobalCluster, TargetDbClusterIdentifier: a secondary
    """
    known, target, _ = _asked(self)
    if known.writer is None or target.is_writer:
        raise fault("InvalidDBClusterStateFault", f"Cluster {target.arn} is the primary already.")


@check("one-change-of-roles", RDSResponse, *CHANGES)
def one_change_at_a_time(self: RDSResponse) -> None:
    """While roles change, or the global cluster is busy, another change is InvalidGlobalClusterStateFault.

    Source: RDS API Reference, SwitchoverGlobalCluster
    """
    known, _, _ = _asked(self)
    if known.change or stage(known.arn):
        raise fault("InvalidGlobalClusterStateFault",
                    f"Global cluster {known.identifier} is in {known.status} state and cannot change roles now.")


@check("role-change-region", RDSResponse, *CHANGES)
def the_right_region_is_asked(self: RDSResponse) -> None:
    """A switchover is asked of the primary's Region, a failover of the target's: otherwise InvalidParameterValue.

    AWS documents the Region and not the code.
    Source: Aurora User Guide, Using switchover or failover in Amazon Aurora Global Database (AWS CLI)
    """
    known, target, loses_data = _asked(self)
    if known.writer is None:
        return
    needed = target.region if loses_data else known.writer.region
    if self.region != needed:
        raise fault("InvalidParameterValue", f"Ask this of Region {needed}, not of {self.region}.")


@check("target-by-arn", RDSResponse, *CHANGES)
def the_target_is_a_member_named_by_its_arn(self: RDSResponse) -> None:
    """The target is named by the ARN of a member: a name, or another cluster's ARN, is DBClusterNotFoundFault.

    Source: RDS API Reference, SwitchoverGlobalCluster, TargetDbClusterIdentifier
    """
    known, named = store.find(self.params.get("GlobalClusterIdentifier")), self.params.get("TargetDbClusterIdentifier")
    if known.member(named or "") is None:
        raise fault("DBClusterNotFoundFault", f"DBCluster {named} not found in global cluster {known.identifier}.")


@check("data-loss-or-switchover", RDSResponse, "failover_global_cluster")
def one_kind_of_change(self: RDSResponse) -> None:
    """AllowDataLoss and Switchover together are refused: InvalidParameterCombination.

    Source: RDS API Reference, FailoverGlobalCluster
    """
    if self.params.get("AllowDataLoss") and self.params.get("Switchover"):
        raise fault("InvalidParameterCombination", "AllowDataLoss and Switchover cannot be specified together.")


def _start(known: GlobalCluster, writer: Member, target: Member, loses_data: bool) -> None:
    now = CLOCK.now()
    more = max(0.0, LAG.ms - USUAL_MS) / 1000  # the usual lag is in the usual time
    length = seconds("failover") if loses_data else seconds("switchover") + more
    change = Change(writer.arn, target.arn, loses_data, now + UNSEEN_S, now + UNSEEN_S + VERIFYING_S)
    known.change = change
    whole = length + SETTLING_S - UNSEEN_S
    passes_through(target.arn, [(UNSEEN_S, "available"), (whole, "promoting")])
    if not loses_data:
        passes_through(writer.arn, [(UNSEEN_S, "available"), (whole, "modifying")])
        tell("RDS-EVENT-0181", target.arn, writer.arn, target.arn)
        CLOCK.after(seconds("switchover") * FENCED_AFTER, lambda: _fence(known, change))
    CLOCK.after(length, lambda: _promote(known, change, writer, target))
    CLOCK.after(length + SETTLING_S, lambda: _finish(known, change, writer, target))


def _fence(known: GlobalCluster, change: Change) -> None:
    """The old primary takes no more writes, and what it wrote arrives at the target."""
    with LOCK:
        if known.change is not change:
            return
        change.fenced = True
    if LAG.ms >= 1000:
        tell("RDS-EVENT-0183", change.old, change.old, change.new, reason=f"{LAG.ms:.0f} ms")
    tell("RDS-EVENT-0182", change.old, change.old, change.new)
    _follows("a fence", ON_FENCE, change.old, True)


def _promote(known: GlobalCluster, change: Change, old: Member, new: Member) -> None:
    if new.region in LOST or (old.region in LOST and not change.loses_data):
        _give_up(known, change)
        return
    with LOCK:
        old.is_writer, new.is_writer = False, True
        old.reader_since = CLOCK.now()
        old.connected_at = store.NEVER if change.loses_data else CLOCK.now()
        old.has_tail = change.loses_data
    _follows("a change of roles", ON_ROLE_CHANGE, "failover" if change.loses_data else "switchover",
             known.identifier, old.arn, new.arn)
    if not change.loses_data:
        tell("RDS-EVENT-0184", new.arn, old.arn, new.arn)


def _give_up(known: GlobalCluster, change: Change) -> None:
    """A Region that is lost meanwhile leaves the roles as they were."""
    with LOCK:
        known.change = None
        for arn in (change.old, change.new):
            passes_through(arn, [])
    if change.fenced:
        _follows("the end of a fence", ON_FENCE, change.old, False)
    tell("RDS-EVENT-0239" if change.loses_data else "RDS-EVENT-0187", change.new, change.old, change.new)


def _finish(known: GlobalCluster, change: Change, old: Member, new: Member) -> None:
    with LOCK:
        if known.change is not change:
            return  # given up
        known.change = None
    tell("RDS-EVENT-0397", new.arn)
    if change.loses_data:
        tell("RDS-EVENT-0238", new.arn)
        resynchronise(old)
    else:
        tell("RDS-EVENT-0185", new.arn, old.arn, new.arn)


def resynchronise(member: Member) -> None:
    """The old primary is rebuilt from the new one and connected again; a lost Region's has to wait for it."""
    if member.region in LOST or member.connected_at != store.NEVER:
        return
    if member.has_tail and (cluster := store.cluster_of(member.arn)):
        member.has_tail = False
        save_the_tail(cluster)
    tell("RDS-EVENT-0240", member.arn)
    moment = CLOCK.now() + seconds("global-resync")
    with LOCK:
        member.connected_at = member.reader_since = moment
    CLOCK.after(seconds("global-resync"), lambda: _tell_resynchronised(member, moment))


def _tell_resynchronised(member: Member, moment: float) -> None:
    if member.connected_at == moment:  # it was not lost once more meanwhile
        tell("RDS-EVENT-0241", member.arn)
        _follows("a resynchronisation", ON_RESYNCHRONISED, member.arn)


def _follows(what: str, listeners: list[Any], *told: object) -> None:
    for listener in listeners:
        try:
            listener(*told)
        except Exception:
            log.exception("what follows %s failed", what)
