"""VPCs, subnets, internet gateways and route tables refuse in the lab what they refuse on AWS."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import DependencyViolationError, EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.responses.internet_gateways import InternetGateways
from moto.ec2.responses.route_tables import RouteTables
from moto.ec2.responses.subnets import Subnets
from moto.ec2.responses.vpcs import VPCs

from drctl.lab.rules import rule


@rule("vpc-one-attribute", VPCs, "modify_vpc_attribute")
@rule("vpc-one-attribute", Subnets, "modify_subnet_attribute")
def one_attribute(proceed: Any, self: Any) -> Any:
    """A VPC's or subnet's attributes are changed one in a call: InvalidParameterCombination.

    Source: EC2 API Reference, ModifyVpcAttribute and ModifySubnetAttribute.
    """
    given = set(self._get_params()) - {"VpcId", "SubnetId", "Action", "Version", "DryRun"}
    if len(given) > 1:
        raise EC2ClientError("InvalidParameterCombination", "Fields for multiple attribute types specified: "
                             + ", ".join(sorted(name[0].lower() + name[1:] for name in given)))
    return proceed()


@rule("subnet-addresses", EC2Backend, "create_subnet")
def subnet_addresses(proceed: Any, self: EC2Backend, vpc_id: str, *args: Any, **kwargs: Any) -> Any:
    """What begins in a subnet has no public address, until the subnet says so; those of a default VPC do.

    Source: VPC User Guide, "Subnet settings: auto-assign IP settings" and "Default subnets".
    """
    subnet = proceed(vpc_id, *args, **kwargs)
    if str(self.get_vpc(vpc_id).is_default).lower() != "true":
        subnet.default_for_az, subnet.map_public_ip_on_launch = "false", "false"
    return subnet


@rule("subnet-size", EC2Backend, "create_subnet")
def subnet_size(proceed: Any, self: EC2Backend, vpc_id: str, cidr_block: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001  # the backend
    """A subnet has between 16 and 65,536 addresses: InvalidSubnet.Range.

    Source: VPC User Guide, Subnet CIDR blocks.
    """
    if cidr_block and not 16 <= ip_network(cidr_block, strict=False).prefixlen <= 28:
        raise EC2ClientError("InvalidSubnet.Range", f"The CIDR '{cidr_block}' is invalid.")
    return proceed(vpc_id, cidr_block, *args, **kwargs)


@rule("subnet-leaves-its-table", EC2Backend, "delete_subnet")
def subnet_leaves_table(proceed: Any, self: EC2Backend, subnet_id: str) -> Any:
    """The association of a deleted subnet with its route table goes with it.

    Source: VPC User Guide, Subnet route tables; EC2 API Reference, DeleteSubnet.
    """
    answer = proceed(subnet_id)
    for table in self.route_tables.values():
        table._associations = {key: target for key, target in table._associations.items() if target != subnet_id}
    return answer


@rule("vpc-one-gateway", InternetGateways, "attach_internet_gateway")
def one_gateway(proceed: Any, self: InternetGateways) -> Any:
    """A VPC has one internet gateway: InvalidParameterValue for a second one.

    Source: VPC User Guide, Internet gateways; Terraform provider: internet gateway attachment.
    """
    vpc_id, asked = self._get_param("VpcId"), self._get_param("InternetGatewayId")
    if any(gateway.vpc and gateway.vpc.id == vpc_id and gateway.id != asked
           for gateway in list(self.ec2_backend.internet_gateways.values())):
        raise EC2ClientError("InvalidParameterValue", f"Network {vpc_id} already has an internet gateway attached")
    return proceed()


@rule("route-table-token", RouteTables, "create_route_table")
def table_token(proceed: Any, self: RouteTables) -> Any:
    """The same client token gives the same route table, also when that one has been deleted since.

    Source: EC2 API Reference, Ensuring idempotency in Amazon EC2 API requests.
    """
    known: dict[str, Any] = self.ec2_backend.__dict__.setdefault("_lab_table_tokens", {})
    token = self._get_param("ClientToken")
    if token in known:
        return ActionResult({"RouteTable": known[token]})
    answer = proceed()
    known[token] = answer.result["RouteTable"]
    return answer


@rule("main-table-stays", RouteTables, "delete_route_table")
def main_table_stays(proceed: Any, self: RouteTables) -> Any:
    """The main route table of a VPC cannot be deleted: DependencyViolation.

    Source: VPC User Guide, Main route table.
    """
    table = self.ec2_backend.route_tables.get(self._get_param("RouteTableId"))
    if table is not None and table.main_association_id is not None:
        raise DependencyViolationError(f"The routeTable '{table.id}' has dependencies and cannot be deleted.")
    return proceed()


@rule("subnet-one-table", EC2Backend, "associate_route_table")
def subnet_one_table(proceed: Any, self: EC2Backend, route_table_id: str, gateway_id: str | None = None,
                     subnet_id: str | None = None) -> Any:
    """A subnet is associated with one route table: Resource.AlreadyAssociated for another one.

    Source: EC2 API Reference, AssociateRouteTable; Terraform provider: route table association.
    """
    for table in list(self.route_tables.values()):
        if subnet_id and table.id != route_table_id and subnet_id in table._associations.values():
            raise EC2ClientError("Resource.AlreadyAssociated", f"the specified association for route table "
                                 f"{route_table_id} conflicts with an existing association")
    return proceed(route_table_id, gateway_id, subnet_id)
