"""What stands in the way when a part of a network is deleted: AWS does not say what, so it is looked for.

Interfaces that services leave behind go by themselves and are waited for. What is somebody else's does not: it is
told at once, all of it together, and not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from drctl.aws.errors import Refusal, absent_is_fine, is_one_of
from drctl.aws.tags import as_map, is_ours
from drctl.engine.run import Run
from drctl.errors import Refused

#: What AWS answers while something depends on what is to be deleted (EC2 API Reference, "Error codes").
IN_USE = (Refusal("DependencyViolation"), Refusal("InvalidGroup.InUse"))
#: Interfaces of these types and descriptions go with what they serve, or some time after it (Lambda Developer Guide,
#: VPC; Elastic Load Balancing User Guide; VPC User Guide, "Requester-managed network interfaces"). Those of other
#: services, mount targets for one, stay until somebody deletes what they serve.
LEAVING_TYPES = frozenset({"lambda", "nat_gateway", "vpc_endpoint"})
LEAVING_TEXTS = ("AWS Lambda VPC ENI", "ELB ", "RDSNetworkInterface", "Interface for NAT Gateway",
                 "VPC Endpoint Interface")


@dataclass(frozen=True)
class InTheWay:
    """One thing in a network, in words; `stranger` when it is neither ours nor leaves by itself."""

    text: str
    stranger: bool


def remove_when_free(run: Run, region: str, vpc_id: str, sentence: str, call: Callable[[], Any], *, within: float,
                     also: Callable[[], Iterable[InTheWay]] = tuple) -> None:
    """Repeat a deletion while AWS says that something depends; `within` in AWS seconds; what is gone is fine.

    Raises Refused at once when there are strangers in the network (or among `also`), and after the wait with all that
    is left.
    """
    looked = False

    def attempt() -> None:
        nonlocal looked
        try:
            call()
        except ClientError as error:
            if is_one_of(error, *IN_USE) and not looked:
                looked = True
                refuse_strangers([*in_network(run, region, vpc_id), *also()], region, vpc_id, error)
            raise

    try:
        with absent_is_fine():
            run.retry(sentence, attempt, IN_USE, within=within)
    except ClientError as error:
        if not is_one_of(error, *IN_USE):
            raise
        left = "; ".join(one.text for one in [*in_network(run, region, vpc_id), *also()])
        raise Refused(f"{sentence}: not so after {within / 60:.0f} min; in {vpc_id} ({region}) there is still "
                      f"{left or 'something that AWS does not show'}", next_step="drctl teardown again") from error


def refuse_strangers(things: Sequence[InTheWay], region: str, vpc_id: str, cause: BaseException | None = None) -> None:
    """Raise Refused when some of `things` are somebody else's."""
    if strangers := tuple(one.text for one in things if one.stranger):
        raise Refused(f"in {vpc_id} ({region}) or using it there are things that do not belong to this stack, and are "
                      f"not touched: {'; '.join(strangers)}; have them removed, then drctl teardown again",
                      findings=strangers, next_step="have them removed, then drctl teardown again") from cause


def in_network(run: Run, region: str, vpc_id: str) -> list[InTheWay]:
    """Everything in a VPC but what goes together with it: default group, main route table, default network ACL."""
    ec2 = run.at(region).ec2
    inside: Any = [{"Name": "vpc-id", "Values": [vpc_id]}]
    return [_seen(run, kind, one, id_key) for kind, id_key, found in (
        ("subnet", "SubnetId", ec2.describe_subnets(Filters=inside)["Subnets"]),
        ("security group", "GroupId", _groups(ec2.describe_security_groups(Filters=inside))),
        ("network interface", "NetworkInterfaceId",
         ec2.describe_network_interfaces(Filters=inside)["NetworkInterfaces"]),
        ("route table", "RouteTableId", _not_main(ec2.describe_route_tables(Filters=inside))),
        ("network ACL", "NetworkAclId", [one for one in ec2.describe_network_acls(Filters=inside)["NetworkAcls"]
                                         if not one["IsDefault"]]),
        ("endpoint", "VpcEndpointId", [one for one in ec2.describe_vpc_endpoints(Filters=inside)["VpcEndpoints"]
                                       if one["State"].lower() not in {"deleted", "failed", "rejected", "expired"}]),
        ("NAT gateway", "NatGatewayId", [one for one in ec2.describe_nat_gateways(Filters=inside)["NatGateways"]
                                         if one["State"] not in {"deleted", "failed"}]),
        ("internet gateway", "InternetGatewayId", ec2.describe_internet_gateways(
            Filters=[{"Name": "attachment.vpc-id", "Values": [vpc_id]}])["InternetGateways"]),
    ) for one in found]


def naming(run: Run, region: str, group_id: str) -> Iterator[InTheWay]:
    """Groups, of any network, with a rule that names this one: they hold it too."""
    ec2 = run.at(region).ec2
    for direction in ("ip-permission", "egress.ip-permission"):
        filters: Any = [{"Name": f"{direction}.group-id", "Values": [group_id]}]
        for one in _groups(ec2.describe_security_groups(Filters=filters)):
            if one["GroupId"] != group_id:
                seen = _seen(run, "security group", one, "GroupId")
                yield InTheWay(f"{seen.text} with a rule that names {group_id}", seen.stranger)


def foreign_subnets(run: Run, region: str, subnet_ids: Sequence[str]) -> list[InTheWay]:
    """Those of the subnets that are somebody else's."""
    if not subnet_ids:
        return []
    filters: Any = [{"Name": "subnet-id", "Values": list(subnet_ids)}]
    found = run.at(region).ec2.describe_subnets(Filters=filters)["Subnets"]
    return [seen for one in found if (seen := _seen(run, "subnet", one, "SubnetId")).stranger]


def _groups(answer: Any) -> list[Any]:
    return [one for one in answer["SecurityGroups"] if one["GroupName"] != "default"]


def _not_main(answer: Any) -> list[Any]:
    return [one for one in answer["RouteTables"] if not any(link.get("Main") for link in one["Associations"])]


def _seen(run: Run, kind: str, one: Any, id_key: str) -> InTheWay:
    tags = as_map(one.get("Tags") or one.get("TagSet"))
    attached = (one.get("Attachment") or {}).get("InstanceId")
    about = [tags.get("Name"), one.get("GroupName"), one.get("Description"), one.get("CidrBlock"),
             one.get("ServiceName"), f"of {attached}" if attached else None]
    where = f" in {one['SubnetId']}" if id_key != "SubnetId" and one.get("SubnetId") else ""
    words = ", ".join(dict.fromkeys(word for word in about if word))
    return InTheWay(f"{kind} {one[id_key]}{f' ({words})' if words else ''}{where}",
                    not is_ours(tags, run.settings.environment) and not _leaves_by_itself(kind, one))


def _leaves_by_itself(kind: str, one: Any) -> bool:
    """Whether it is an interface of a service that takes its interfaces away itself."""
    if kind != "network interface":
        return False
    by_text = one.get("RequesterManaged") and str(one.get("Description", "")).startswith(LEAVING_TEXTS)
    return bool(by_text or one.get("InterfaceType") in LEAVING_TYPES)
