"""The global clusters of the simulated account: who is a member, who writes, and since when a member is connected."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from moto.rds.models import DBCluster, rds_backends
from moto.rds.utils import split_arn

from drctl.lab.aurora_states import available_instances, fault, stage
from drctl.lab.clock import CLOCK

#: Regions that do not answer, and since which moment of the lab's clock: see `aurora_outage`.
LOST: dict[str, float] = {}
NEVER = float("inf")


@dataclass
class Member:
    """A cluster in a global cluster; moments are those of the lab's clock."""

    arn: str
    is_writer: bool
    connected_at: float = NEVER
    reader_since: float = 0.0
    leaves_at: float = NEVER
    #: Whether it lost its role to a failover, and what only it has is not saved yet.
    has_tail: bool = False

    @property
    def region(self) -> str:
        """Region of the cluster."""
        return str(split_arn(self.arn)[0])

    @property
    def is_connected(self) -> bool:
        """Whether replication runs."""
        return self.is_writer or CLOCK.now() >= self.connected_at


@dataclass
class Change:
    """A switchover or failover under way."""

    old: str
    new: str
    loses_data: bool
    #: Moment at which it is to be seen in FailoverState, and at which verification ends.
    seen_at: float
    verified_at: float
    fenced: bool = False

    @property
    def status(self) -> str:
        """Status in FailoverState; empty while it is not to be seen yet."""
        if CLOCK.now() < self.seen_at:
            return ""
        if CLOCK.now() < self.verified_at:
            return "pending"
        return "failing-over" if self.loses_data else "switching-over"


@dataclass
class GlobalCluster:
    """A global cluster; it belongs to no Region."""

    identifier: str
    account: str
    engine: str
    engine_version: str
    storage_encrypted: bool = False
    deletion_protection: bool = False
    database_name: str | None = None
    tags: list[dict[str, str]] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    change: Change | None = None

    @property
    def arn(self) -> str:
        """ARN without a Region."""
        return f"arn:aws:rds::{self.account}:global-cluster:{self.identifier}"

    @property
    def token(self) -> str:
        """The part of ids and endpoint that AWS chooses."""
        return hashlib.sha256(self.arn.encode()).hexdigest()[:12]

    @property
    def endpoint(self) -> str:
        """The global writer endpoint."""
        return f"{self.identifier}.global-{self.token}.global.rds.amazonaws.com"

    @property
    def writer(self) -> Member | None:
        """The primary cluster."""
        return next((member for member in self.members if member.is_writer), None)

    @property
    def status(self) -> str:
        """Status as DescribeGlobalClusters shows it."""
        moving = self.change.status if self.change else ""
        return stage(self.arn) or (moving if moving not in {"", "pending"} else "available")

    def member(self, arn: str) -> Member | None:
        """The member with that ARN."""
        return next((member for member in self.members if member.arn == arn), None)

    def wire(self) -> dict[str, Any]:
        """The fields of RDS's API."""
        shown = {"GlobalClusterIdentifier": self.identifier, "GlobalClusterResourceId": f"cluster-{self.token}",
                 "GlobalClusterArn": self.arn, "Status": self.status, "Engine": self.engine,
                 "EngineVersion": self.engine_version, "StorageEncrypted": self.storage_encrypted,
                 "EngineLifecycleSupport": "open-source-rds-extended-support",
                 "DeletionProtection": self.deletion_protection, "Endpoint": self.endpoint, "TagList": self.tags,
                 "GlobalClusterMembers": [self._row(member) for member in self.members]}
        if self.database_name:
            shown["DatabaseName"] = self.database_name
        if self.change and self.change.status:
            shown["FailoverState"] = {
                "Status": self.change.status, "FromDbClusterArn": self.change.old, "ToDbClusterArn": self.change.new,
                "IsDataLossAllowed": self.change.loses_data}
        return shown

    def _row(self, member: Member) -> dict[str, Any]:
        others = [other.arn for other in self.members if other is not member]
        row = {"DBClusterArn": member.arn, "IsWriter": member.is_writer,
               "Readers": others if member.is_writer else [],
               "SynchronizationStatus": "connected" if member.is_connected else "pending-resync"}
        if not member.is_writer:
            cluster = cluster_of(member.arn)
            forwards = cluster is not None and getattr(cluster, "enable_global_write_forwarding", False)
            row["GlobalWriteForwardingStatus"] = "enabled" if forwards else "disabled"
        return row


#: Every global cluster by identifier.
GLOBALS: dict[str, GlobalCluster] = {}


def find(identifier: str | None) -> GlobalCluster:
    """The global cluster with that identifier, whatever its case, or GlobalClusterNotFoundFault."""
    found = GLOBALS.get((identifier or "").lower())
    if found is None:
        raise fault("GlobalClusterNotFoundFault", f"Global cluster {identifier} not found")
    return found


def of_cluster(arn: str) -> GlobalCluster | None:
    """The global cluster that a cluster is a member of."""
    return next((known for known in list(GLOBALS.values()) if known.member(arn)), None)


def cluster_of(arn: str) -> DBCluster | None:
    """The regional cluster with that ARN, None when it is gone."""
    if not arn.startswith("arn:") or arn.count(":") < 6:
        return None
    region, account, _, identifier = split_arn(arn)
    return rds_backends[account][region].clusters.get(identifier) if region else None


def is_writer(cluster: DBCluster) -> bool:
    """Whether a cluster takes writes by its role: the primary of its global cluster, or in none."""
    known = of_cluster(cluster.arn)
    member = known.member(cluster.arn) if known else None
    return member is None or member.is_writer


def is_healthy(arn: str) -> bool:
    """Whether a member can take part in a change of roles: reachable, available, and with an instance that is."""
    cluster = cluster_of(arn)
    return (cluster is not None and split_arn(arn)[0] not in LOST and cluster.status == "available"
            and bool(available_instances(cluster)))


def forget() -> None:
    """No global cluster exists."""
    GLOBALS.clear()
    LOST.clear()
