"""VPC peering between regions: a request that the other side must accept, seen by each side with its own tags."""

from __future__ import annotations

import copy
from functools import partial
from ipaddress import ip_network
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.models.vpc_peering_connections import PeeringConnectionStatus, VPCPeeringConnection
from moto.ec2.responses.vpc_peering_connections import VPCPeeringConnections
from moto.ec2.utils import generic_filter

from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK
from drctl.lab.rules import Pending, rule, take

Pending.install(PeeringConnectionStatus, "code", "initiating-request")
#: States in which a connection occupies the pair of networks.
ALIVE = {"initiating-request", "pending-acceptance", "provisioning", "active"}


def _is_hidden(ec2: EC2Backend, peering: VPCPeeringConnection) -> bool:
    """Whether the accepter's region does not know of the request yet, or it has failed and is shown to nobody else."""
    accepter = ec2.region_name == peering.peer_vpc.region != peering.vpc.region
    return accepter and peering._status.code in {"initiating-request", "failed"}


def _not_found(peering_id: str) -> EC2ClientError:
    return EC2ClientError("InvalidVpcPeeringConnectionID.NotFound",
                          f"The vpcPeeringConnection ID '{peering_id}' does not exist")


@rule("peering-request", EC2Backend, "create_vpc_peering_connection")
def peering_request(proceed: Any, self: EC2Backend, vpc: Any, peer_vpc: Any, tags: Any = None) -> Any:
    """A request is initiating first, then waits for acceptance; overlapping ranges end it as failed.

    Source: VPC Peering Guide, VPC peering connection lifecycle.
    """
    for known in list(self.vpc_pcxs.values()):
        if {known.vpc.id, known.peer_vpc.id} == {vpc.id, peer_vpc.id} and known._status.code in ALIVE:
            return known
    peering = proceed(vpc, peer_vpc, tags)
    if ip_network(vpc.cidr_block).overlaps(ip_network(peer_vpc.cidr_block)):
        peering._status.code = "failed"
        peering._status.message = (f"Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range: "
                                   f"{peer_vpc.id}")
    take(peering._status, seconds("peering-request"), "initiating-request")
    return peering


@rule("peering-accept", EC2Backend, "accept_vpc_peering_connection", "reject_vpc_peering_connection")
def peering_accept(proceed: Any, self: EC2Backend, vpc_pcx_id: str) -> Any:
    """An accepted connection is provisioned before it is active.

    The accepter's region may not know it yet: InvalidVpcPeeringConnectionID.NotFound.
    Source: VPC Peering Guide, VPC peering connection lifecycle.
    """
    peering = self.vpc_pcxs.get(vpc_pcx_id)
    if peering is None or _is_hidden(self, peering):
        raise _not_found(vpc_pcx_id)
    answer = proceed(vpc_pcx_id)
    if peering._status.code == "active":
        take(peering._status, seconds("peering-provision"), "provisioning")
    return _as_seen_from(self, answer)


@rule("peering-delete", EC2Backend, "delete_vpc_peering_connection")
def peering_delete(proceed: Any, self: EC2Backend, vpc_pcx_id: str) -> Any:
    """A deleted connection is shown for hours; deleting it again is InvalidStateTransition.

    Source: VPC Peering Guide, VPC peering connection lifecycle; Terraform provider: peering.
    """
    peering = self.vpc_pcxs.get(vpc_pcx_id)
    if peering is None or _is_hidden(self, peering):
        raise _not_found(vpc_pcx_id)
    if peering._status.code in {"deleted", "failed", "rejected", "expired"}:
        raise EC2ClientError("InvalidStateTransition", f"Invalid state transition for {vpc_pcx_id}, attempted to "
                             f"transition from {peering._status.code} to deleting")
    answer = proceed(vpc_pcx_id)
    take(peering._status, 0)
    for ec2 in {peering.vpc.ec2_backend, peering.peer_vpc.ec2_backend}:
        CLOCK.after(seconds("peering-deleted-visible"), partial(ec2.vpc_pcxs.pop, vpc_pcx_id, None))
    return answer


@rule("peering-options", VPCPeeringConnections, "modify_vpc_peering_connection_options")
def peering_options(proceed: Any, self: VPCPeeringConnections) -> Any:
    """Options are set when the connection is active, each side's from its own region: OperationNotPermitted.

    The accepter's region may not know it yet: InvalidVpcPeeringConnectionID.NotFound.
    Source: EC2 API Reference, ModifyVpcPeeringConnectionOptions.
    """
    peering_id = self._get_param("VpcPeeringConnectionId")
    peering = self.ec2_backend.vpc_pcxs.get(peering_id)
    if peering is None or _is_hidden(self.ec2_backend, peering):
        raise _not_found(peering_id)
    if peering._status.code != "active":
        raise EC2ClientError("OperationNotPermitted", f"Peering connection {peering_id} is not active.")
    for side, vpc in (("Requester", peering.vpc), ("Accepter", peering.peer_vpc)):
        if self._get_param(f"{side}PeeringConnectionOptions") and vpc.region != self.region:
            raise EC2ClientError("OperationNotPermitted", f"{side} options of {peering_id} are modified in the region "
                                 f"{vpc.region}.")
    return proceed()


def _as_seen_from(ec2: EC2Backend, peering: VPCPeeringConnection) -> VPCPeeringConnection:
    """The connection with the tags it has in that region: each side has a set of its own."""
    view = copy.copy(peering)
    view.ec2_backend = ec2
    return view


@rule("peering-found", VPCPeeringConnections, "describe_vpc_peering_connections")
def peering_found(_proceed: Any, self: VPCPeeringConnections) -> Any:
    """Connections are found by filters; an unknown id is InvalidVpcPeeringConnectionID.NotFound; tags are per side.

    Source: EC2 API Reference, DescribeVpcPeeringConnections; VPC Peering Guide, Create a VPC peering connection.
    """
    ec2 = self.ec2_backend
    shown = {peering.id: _as_seen_from(ec2, peering) for peering in list(ec2.vpc_pcxs.values())
             if not _is_hidden(ec2, peering)}
    for peering_id in (wanted := self._get_param("VpcPeeringConnectionIds", [])):
        if peering_id not in shown:
            raise _not_found(peering_id)
    chosen = [peering for peering in shown.values() if not wanted or peering.id in wanted]
    return ActionResult({"VpcPeeringConnections": generic_filter(self._filters_from_querystring(), chosen)})


def _filter_value(peering: VPCPeeringConnection, name: str, method: str | None = None) -> Any:
    """What the filters of DescribeVpcPeeringConnections look at."""
    values = {"status-code": peering._status.code, "vpc-peering-connection-id": peering.id}
    for side, vpc in (("requester", peering.vpc), ("accepter", peering.peer_vpc)):
        values |= {f"{side}-vpc-info.vpc-id": vpc.id, f"{side}-vpc-info.cidr-block": vpc.cidr_block,
                   f"{side}-vpc-info.owner-id": vpc.owner_id}
    if name in values:
        return values[name]
    return super(VPCPeeringConnection, peering).get_filter_value(name, method)


VPCPeeringConnection.get_filter_value = _filter_value
