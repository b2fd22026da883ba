"""Network interfaces that AWS services put into subnets, and what they hold in place until they are gone.

Lambda, balancers, endpoints and NAT gateways all leave theirs behind for a while; teardown is the art of waiting for
them. Services of the lab call `make` and `remove_later`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.ec2.exceptions import DependencyViolationError, EC2ClientError
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.utils import random_public_ip

from drctl.lab.clock import CLOCK
from drctl.lab.rules import rule

#: States in which a peering holds its VPCs.
OCCUPIED = {"pending-acceptance", "provisioning", "active"}


class ServiceInterface(NetworkInterface):
    """An interface that belongs to a service: attached by it, and removed by nobody else."""

    @property
    def attachment(self) -> dict[str, Any]:
        """As EC2 shows an attachment that is not to an instance of the account."""
        return {"AttachmentId": f"ela-attach-{self.id[4:]}", "InstanceOwnerId": "amazon-aws", "DeviceIndex": 1,
                "Status": "attached", "DeleteOnTermination": False}

    @property
    def association(self) -> dict[str, Any]:
        """The mapped public address, which has no allocation of the account."""
        if self.public_ip and not any(eip.public_ip == self.public_ip for eip in self.ec2_backend.addresses):
            return {"PublicIp": self.public_ip, "IpOwnerId": "amazon-elb"}
        found: dict[str, Any] = super().association
        return found


def backend(region: str) -> EC2Backend:
    """EC2 of a region as moto keeps it."""
    return ec2_backends[DEFAULT_ACCOUNT_ID][region]


def make(region: str, subnet_id: str, group_ids: list[str], description: str, kind: str, requester: str,
         public: bool = False) -> str:
    """Put an interface of a service into a subnet and return its id; `public` maps an address of the internet."""
    ec2 = backend(region)
    interface = ServiceInterface(ec2, ec2.get_subnet(subnet_id), "", group_ids=group_ids, description=description)
    ec2.enis[interface.id] = interface
    adopt(interface, description, kind, requester)
    if not group_ids:
        interface._group_set = []
    if public:
        interface.public_ip = random_public_ip()
    return str(interface.id)


def adopt(interface: NetworkInterface, description: str, kind: str, requester: str) -> None:
    """Make an interface that moto created look as its service shows it."""
    interface.__class__ = ServiceInterface
    interface.description, interface.interface_type, interface.requester_id = description, kind, requester
    interface.requester_managed, interface.status = True, "in-use"


def remove_later(region: str, interface_ids: Iterable[str], aws_seconds: float) -> None:
    """Take interfaces away once their service has let go of them."""
    ids = list(interface_ids)
    CLOCK.after(aws_seconds, lambda: remove(region, ids))


def remove(region: str, interface_ids: Iterable[str]) -> None:
    """Take interfaces away now and give their addresses back; those already gone are fine."""
    for interface_id in interface_ids:
        if interface := backend(region).enis.pop(interface_id, None):
            for address in interface.private_ip_addresses:
                interface.subnet.del_subnet_ip(address["PrivateIpAddress"])


def _violation(resource: str) -> DependencyViolationError:
    return DependencyViolationError(f"The {resource} has dependencies and cannot be deleted.")


@rule("interface-belongs-to-its-service", EC2Backend, "delete_network_interface")
def belongs_to_service(proceed: Any, self: EC2Backend, eni_id: str) -> Any:
    """An interface that a service uses cannot be deleted by hand: InvalidParameterValue.

    Source: EC2 User Guide, Requester-managed network interfaces.
    """
    interface = self.enis.get(eni_id)
    if isinstance(interface, ServiceInterface):
        raise EC2ClientError("InvalidParameterValue", f"Network interface '{eni_id}' is currently in use.")
    return proceed(eni_id)


@rule("subnet-with-interfaces", EC2Backend, "delete_subnet")
def subnet_with_interfaces(proceed: Any, self: EC2Backend, subnet_id: str) -> Any:
    """A subnet stays while a network interface is in it: DependencyViolation.

    Source: EC2 API Reference, DeleteSubnet.
    """
    if any(interface.subnet.id == subnet_id for interface in list(self.enis.values())):
        raise _violation(f"subnet '{subnet_id}'")
    return proceed(subnet_id)


@rule("group-in-use", EC2Backend, "delete_security_group")
def group_in_use(proceed: Any, self: EC2Backend, name: str | None = None, group_id: str | None = None) -> Any:
    """A security group stays while an interface uses it: DependencyViolation.

    Source: EC2 API Reference, DeleteSecurityGroup.
    """
    worn = {group.id for interface in list(self.enis.values()) for group in interface.group_set}
    if group_id in worn:
        raise DependencyViolationError(f"resource {group_id} has a dependent object")
    return proceed(name=name, group_id=group_id)


@rule("gateway-with-mapped-addresses", EC2Backend, "detach_internet_gateway")
def gateway_with_addresses(proceed: Any, self: EC2Backend, internet_gateway_id: str, vpc_id: str) -> Any:
    """An internet gateway stays attached while the VPC has a mapped public address: DependencyViolation.

    Source: EC2 API Reference, DetachInternetGateway.
    """
    if any(interface.vpc_id == vpc_id and interface.public_ip for interface in list(self.enis.values())):
        raise DependencyViolationError(
            f"Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) before "
            "detaching the gateway.")
    return proceed(internet_gateway_id, vpc_id)


@rule("vpc-with-resources", EC2Backend, "delete_vpc")
def vpc_with_resources(proceed: Any, self: EC2Backend, vpc_id: str) -> Any:
    """A VPC stays while it has a gateway, a security group of its own, an endpoint or a peering: DependencyViolation.

    Source: EC2 API Reference, DeleteVpc; VPC User Guide, Delete your VPC.
    """
    gateways = any(gateway.vpc and gateway.vpc.id == vpc_id for gateway in self.internet_gateways.values())
    groups = any(not group.is_default for group in self.groups.get(vpc_id, {}).values())
    endpoints = any(endpoint.vpc_id == vpc_id for endpoint in self.vpc_end_points.values())
    peerings = any(vpc_id in {peering.vpc.id, peering.peer_vpc.id} and peering.status["Code"] in OCCUPIED
                   for peering in list(self.vpc_pcxs.values()))
    if gateways or groups or endpoints or peerings:
        raise _violation(f"vpc '{vpc_id}'")
    return proceed(vpc_id)


@rule("address-in-use", EC2Backend, "release_address")
def address_in_use(proceed: Any, self: EC2Backend, address: str | None = None, allocation_id: str | None = None) -> Any:
    """An Elastic IP address cannot be released while something uses it: InvalidIPAddress.InUse.

    Source: EC2 API Reference, ReleaseAddress.
    """
    used = [eip for eip in self.addresses if eip.association_id and eip.allocation_id == (allocation_id or "none")]
    if used:
        raise EC2ClientError("InvalidIPAddress.InUse", f"Address {used[0].public_ip} is in use.")
    return proceed(address=address, allocation_id=allocation_id)
