"""Switchover and failover of a global database: what each needs, what is shown meanwhile, who writes afterwards."""

from __future__ import annotations

import logging
from collections.abc import Callable

from moto.core.responses import ActionResult
from moto.rds.responses import RDSResponse

from drctl.aws.durations import seconds
from drctl.lab import aurora_metrics as metrics
from drctl.lab import aurora_store as store
from drctl.lab.aurora_events import tell
from drctl.lab.aurora_global import is_headless
from drctl.lab.aurora_states import LOCK, UNSEEN_S, check, fault, passes_through, stage
from drctl.lab.aurora_store import LOST, Change, GlobalCluster, Member
from drctl.lab.aurora_versions import compare
from drctl.lab.clock import CLOCK
from drctl.lab.rules import operation

log = logging.getLogger(__name__)

#: Called in the lab's clock thread at the moment of promotion, before the global cluster is available again: kind
#: ("switchover" or "failover"), id of the global cluster, ARN of the old and of the new primary.
ON_ROLE_CHANGE: list[Callable[[str, str, str, str], None]] = []
#: AWS seconds that verifying takes, and that the global cluster needs after the promotion to be available.
VERIFYING_S, SETTLING_S = 5.0, 10.0
#: Part of the time after which the old primary takes no more writes.
FENCED_AFTER = 0.6


@operation("switchover", RDSResponse, "switchover_global_cluster")
def switchover_global_cluster(self: RDSResponse) -> ActionResult:
    """A switchover loses nothing: every member must be healthy and connected, and it is asked of the primary's Region.

    Refuses an unknown target with DBClusterNotFoundFault, the writer as target and an unhealthy member with
    InvalidDBClusterStateFault, a change under way with InvalidGlobalClusterStateFault.
    Source: RDS API Reference, SwitchoverGlobalCluster; Aurora User Guide, Performing switchovers for Aurora global
    databases
    """
    return _change(self, loses_data=False)


@operation("failover", RDSResponse, "failover_global_cluster")
def failover_global_cluster(self: RDSResponse) -> ActionResult:
    """With AllowDataLoss the secondary is promoted whatever became of the primary; without it this is a switchover.

    Refuses AllowDataLoss together with Switchover: InvalidParameterCombination. Asked of the secondary's Region.
    Source: RDS API Reference, FailoverGlobalCluster; Aurora User Guide, Recovering an Aurora global database from an
    unplanned outage
    """
    allows, planned = bool(self.params.get("AllowDataLoss")), bool(self.params.get("Switchover"))
    if allows and planned:
        raise fault("InvalidParameterCombination", "AllowDataLoss and Switchover cannot be specified together.")
    return _change(self, loses_data=allows)


def _change(self: RDSResponse, *, loses_data: bool) -> ActionResult:
    known = store.find(self.params.get("GlobalClusterIdentifier"))
    target = known.member(self.params.get("TargetDbClusterIdentifier") or "")
    if target is None:
        raise fault("DBClusterNotFoundFault", f"DBCluster {self.params.get('TargetDbClusterIdentifier')} not found in "
                    f"global cluster {known.identifier}.")
    writer = _require_possible(known, target, loses_data)
    _start(known, writer, target, loses_data)
    return ActionResult({"GlobalCluster": known.wire()})


def _require_possible(known: GlobalCluster, target: Member, loses_data: bool) -> Member:
    if known.change or stage(known.arn):
        raise fault("InvalidGlobalClusterStateFault",
                    f"Global cluster {known.identifier} is in {known.status} state and cannot change roles now.")
    writer = known.writer
    if writer is None or target.is_writer:
        raise fault("InvalidDBClusterStateFault", f"Cluster {target.arn} is the primary already.")
    if is_headless(target.arn):
        raise fault("InvalidDBClusterStateFault", f"Cluster {target.arn} has no available instance.")
    for member in (target,) if loses_data else known.members:
        if not store.is_healthy(member.arn):
            raise fault("InvalidDBClusterStateFault", f"Cluster {member.arn} is not in a healthy state.")
    if not target.is_connected:
        raise fault("InvalidDBClusterStateFault", f"Cluster {target.arn} is not synchronized with the primary.")
    _require_one_version(writer, target)
    return writer


def _require_one_version(writer: Member, target: Member) -> None:
    old, new = store.cluster_of(writer.arn), store.cluster_of(target.arn)
    if old and new and compare(old.engine_version)[:2] != compare(new.engine_version)[:2]:
        raise fault("InvalidDBClusterStateFault", f"Versions differ: {old.engine_version}, {new.engine_version}.")


@check("role-change-region", RDSResponse, "switchover_global_cluster", "failover_global_cluster")
def the_right_region_is_asked(self: RDSResponse) -> None:
    """A switchover is asked of the primary's Region, a failover of the target's: otherwise InvalidParameterValue.

    AWS documents the Region and not the code.
    Source: Aurora User Guide, Using switchover or failover in Amazon Aurora Global Database (AWS CLI)
    """
    known = store.GLOBALS.get((self.params.get("GlobalClusterIdentifier") or "").lower())
    if known is None or known.writer is None or self.params.get("Switchover"):
        return
    target = known.member(self.params.get("TargetDbClusterIdentifier") or "") or known.writer
    needed = target.region if self.params.get("AllowDataLoss") else known.writer.region
    if self.region != needed:
        raise fault("InvalidParameterValue", f"Ask this of Region {needed}, not of {self.region}.")


def _start(known: GlobalCluster, writer: Member, target: Member, loses_data: bool) -> None:
    now, length = CLOCK.now(), seconds("failover" if loses_data else "switchover")
    change = Change(writer.arn, target.arn, loses_data, now + UNSEEN_S, now + UNSEEN_S + VERIFYING_S)
    known.change = change
    whole = length + SETTLING_S - UNSEEN_S
    passes_through(target.arn, [(UNSEEN_S, "available"), (whole, "promoting")])
    if not loses_data:
        passes_through(writer.arn, [(UNSEEN_S, "available"), (whole, "modifying")])
        tell("RDS-EVENT-0181", target.arn, writer.arn, target.arn)
        CLOCK.after(length * FENCED_AFTER, lambda: _fence(known, change))
    CLOCK.after(length, lambda: _promote(known, change, writer, target))
    CLOCK.after(length + SETTLING_S, lambda: _finish(known, change, writer, target))


def _fence(known: GlobalCluster, change: Change) -> None:
    """The old primary takes no more writes, and what it wrote arrives at the target."""
    with LOCK:
        if known.change is not change:
            return
        change.fenced = True
    if metrics.LAG_MS >= 1000:
        tell("RDS-EVENT-0183", change.old, change.old, change.new, reason=f"{metrics.LAG_MS:.0f} ms")
    tell("RDS-EVENT-0182", change.old, change.old, change.new)


def _promote(known: GlobalCluster, change: Change, old: Member, new: Member) -> None:
    if new.region in LOST or (old.region in LOST and not change.loses_data):
        _give_up(known, change)
        return
    with LOCK:
        old.is_writer, new.is_writer = False, True
        old.reader_since = CLOCK.now()
        old.connected_at = store.NEVER if change.loses_data else CLOCK.now()
    for listener in ON_ROLE_CHANGE:
        try:
            listener("failover" if change.loses_data else "switchover", known.identifier, old.arn, new.arn)
        except Exception:
            log.exception("what follows a change of roles failed")
    if not change.loses_data:
        tell("RDS-EVENT-0184", new.arn, old.arn, new.arn)


def _give_up(known: GlobalCluster, change: Change) -> None:
    """A Region that is lost meanwhile leaves the roles as they were."""
    with LOCK:
        known.change = None
        for arn in (change.old, change.new):
            passes_through(arn, [])
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
    if member.region in LOST or member.is_connected:
        return
    tell("RDS-EVENT-0240", member.arn)
    moment = CLOCK.now() + seconds("global-resync")
    with LOCK:
        member.connected_at = member.reader_since = moment
    CLOCK.after(seconds("global-resync"), lambda: tell("RDS-EVENT-0241", member.arn))


def lose(region: str) -> None:
    """The Region answers no more: its members are unhealthy, and nothing in it is resynchronised."""
    LOST.add(region)


def restore(region: str) -> None:
    """The Region answers again: what waited for it is resynchronised."""
    LOST.discard(region)
    for known in list(store.GLOBALS.values()):
        for member in known.members:
            # a reader that was connected once, or wrote, and is not connected now: a former primary
            if member.region == region and member.reader_since > 0 and member.connected_at == store.NEVER:
                resynchronise(member)
