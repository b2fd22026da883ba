"""The network of a region: a VPC with DNS and a way to the internet; subnets and route tables have their own steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, already
from drctl.aws.tags import as_map, ours, specification
from drctl.engine.run import Run
from drctl.engine.step import NOTHING, Finding, Resource, Step
from drctl.engine.waiting import minutes
from drctl.errors import Refused
from drctl.steps.strangers import in_network, refuse_strangers, remove_when_free

#: A thing just made is unknown to some hosts of EC2 for up to five minutes (Terraform provider: propagation timeout).
PROPAGATION = minutes(5)
UNKNOWN_VPC = (Refusal("InvalidVpcID.NotFound"),)


@dataclass(frozen=True)
class NetworkOut:
    """The VPC as it stands."""

    vpc_id: str
    internet_gateway: str
    dns: bool
    attached: bool
    cidr: str = ""
    #: The `DR-Role` that the network was made for.
    role: str = ""


@dataclass(frozen=True, eq=False)
class Network(Step[NetworkOut]):
    """VPC and internet gateway, each found by its Name tag."""

    def _name(self, run: Run, purpose: str) -> str:
        return run.name("ec2", purpose, self.region)

    def find(self, run: Run) -> NetworkOut | None:
        vpc, gateway = self._seen(run), self._gateway(run)
        if vpc is None or gateway is None:
            return None
        vpc_id = vpc["VpcId"]
        attached = any(attachment["VpcId"] == vpc_id for attachment in gateway.get("Attachments", []))
        return NetworkOut(vpc_id, gateway["InternetGatewayId"], self._has_dns(run, vpc_id), attached,
                          vpc["CidrBlock"], as_map(vpc.get("Tags")).get("DR-Role", ""))

    def ensure(self, run: Run) -> NetworkOut:
        out = run.found(self)
        if out is not None and (problems := list(self.fixed_differences(run, out))):
            raise Refused(problems[0].text, next_step=problems[0].mend, findings=tuple(one.text for one in problems))
        if out is not None and out.dns and out.attached:
            return out
        vpc_id = self._vpc(run) or self._create_vpc(run)
        self._enable_dns(run, vpc_id)
        gateway_id = self._ensure_gateway(run, vpc_id)
        return NetworkOut(vpc_id, gateway_id, dns=True, attached=True, cidr=str(self.site.cidr),
                          role=self.site.tag_role)

    def fixed_differences(self, run: Run, out: NetworkOut) -> Iterable[Finding]:
        """What AWS lets nobody change under a network that is used: its first address range, and what it is for."""
        if out.role and out.role != self.site.tag_role:
            yield Finding(f"{self.region} was built as the {out.role} region, the configuration says "
                          f"{self.site.tag_role}: homes are not exchanged",
                          mend="put regions back; drctl failover --planned moves users and the writer to the other "
                          "region, and they may stay there")
        elif out.cidr != str(self.site.cidr):
            yield Finding(f"{out.vpc_id} in {self.region} has the addresses {out.cidr}, the configuration says "
                          f"{self.site.cidr}: AWS does not change the range of a VPC, and all that stands in it has "
                          "its addresses from it", mend=f"set network.{self.site.role}_cidr to {out.cidr}, or build a "
                          "stack with other addresses under another environment name and move the data")

    def _vpc(self, run: Run) -> str | None:
        vpc = self._seen(run)
        return None if vpc is None else str(vpc["VpcId"])

    def _seen(self, run: Run) -> Any:
        vpcs = run.at(self.region).ec2.describe_vpcs(
            Filters=ours(run.settings.environment, self._name(run, "vpc")))["Vpcs"]
        return vpcs[0] if vpcs else None

    def _has_dns(self, run: Run, vpc_id: str) -> bool:
        """Whether both DNS attributes are on, which private DNS of endpoints needs."""
        ec2 = run.at(self.region).ec2
        return bool(
            ec2.describe_vpc_attribute(VpcId=vpc_id, Attribute="enableDnsSupport")["EnableDnsSupport"]["Value"]
            and ec2.describe_vpc_attribute(VpcId=vpc_id, Attribute="enableDnsHostnames")["EnableDnsHostnames"]["Value"])

    def _gateway(self, run: Run) -> Any:
        answer = run.at(self.region).ec2.describe_internet_gateways(
            Filters=ours(run.settings.environment, self._name(run, "internet")))
        return next(iter(answer["InternetGateways"]), None)

    def _create_vpc(self, run: Run) -> str:
        name = self._name(run, "vpc")
        ec2 = run.at(self.region).ec2
        vpc_id = ec2.create_vpc(CidrBlock=str(self.site.cidr),
                                TagSpecifications=specification("vpc", run.tags(self.site, name)))["Vpc"]["VpcId"]
        run.wait_until(
            f"{vpc_id} is available", lambda: ec2.describe_vpcs(
                Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["Vpcs"],  # a filter: an unknown id is no error there
            lambda vpcs: bool(vpcs) and vpcs[0]["State"] == "available", within=minutes(10),
            show=lambda vpcs: vpcs[0]["State"] if vpcs else "not visible yet")
        return vpc_id

    def _enable_dns(self, run: Run, vpc_id: str) -> None:
        """One attribute a call (EC2 API Reference, ModifyVpcAttribute); read as it was for some seconds after."""
        ec2 = run.at(self.region).ec2

        def dns() -> bool:
            return run.retry(f"{vpc_id} is known", partial(self._has_dns, run, vpc_id), UNKNOWN_VPC, within=PROPAGATION)

        if not dns():
            for attribute in ("EnableDnsSupport", "EnableDnsHostnames"):
                on: Any = {attribute: {"Value": True}}
                run.retry(f"{vpc_id} is known", partial(ec2.modify_vpc_attribute, VpcId=vpc_id, **on), UNKNOWN_VPC,
                          within=PROPAGATION)
            run.wait_until("DNS support is on", dns, bool, within=PROPAGATION)

    def _ensure_gateway(self, run: Run, vpc_id: str) -> str:
        ec2 = run.at(self.region).ec2
        gateway = self._gateway(run) or ec2.create_internet_gateway(TagSpecifications=specification(
            "internet-gateway", run.tags(self.site, self._name(run, "internet"))))["InternetGateway"]
        gateway_id: str = gateway["InternetGatewayId"]
        if not gateway.get("Attachments"):
            with already(Refusal("Resource.AlreadyAssociated")):
                run.retry("the internet gateway is known", lambda: ec2.attach_internet_gateway(
                    InternetGatewayId=gateway_id, VpcId=vpc_id),
                    (Refusal("InvalidInternetGatewayID.NotFound"), *UNKNOWN_VPC), within=PROPAGATION)
        return gateway_id

    def verify(self, run: Run, out: NetworkOut) -> Iterable[Finding]:
        yield from self.fixed_differences(run, out)
        if not out.dns:
            yield Finding(f"{out.vpc_id}: DNS support or DNS hostnames are off, so private endpoints are not found")
        if not out.attached:
            yield Finding(f"{out.internet_gateway} is not attached to {out.vpc_id}: the balancer is unreachable")

    def destroy(self, run: Run) -> None:
        """Strangers in the network are told before the gateway they may use is taken away."""
        ec2, vpc_id = run.at(self.region).ec2, self._vpc(run)
        if vpc_id:
            refuse_strangers(in_network(run, self.region, vpc_id), self.region, vpc_id)
        if gateway := self._gateway(run):
            self._delete_gateway(run, gateway)
        if vpc_id:
            remove_when_free(run, self.region, vpc_id, f"{vpc_id} is empty", partial(ec2.delete_vpc, VpcId=vpc_id),
                             within=minutes(5))

    def _delete_gateway(self, run: Run, gateway: Any) -> None:
        ec2 = run.at(self.region).ec2
        gateway_id = gateway["InternetGatewayId"]
        for attachment in gateway.get("Attachments", []):
            # "mapped public address" until the balancer's interfaces are really gone
            detach = partial(ec2.detach_internet_gateway, InternetGatewayId=gateway_id, VpcId=attachment["VpcId"])
            remove_when_free(run, self.region, attachment["VpcId"], "no public address is mapped any more", detach,
                             within=minutes(20))
        with absent_is_fine():
            ec2.delete_internet_gateway(InternetGatewayId=gateway_id)

    def foreseen(self, run: Run, out: NetworkOut | None) -> Mapping[str, Any]:
        """A network that has lost its gateway stays the network it is."""
        vpc_id = self._vpc(run)
        return {"vpc_id": vpc_id} if vpc_id else NOTHING

    def resources(self, out: NetworkOut) -> Iterable[Resource]:
        yield Resource("ec2:vpc", out.vpc_id, self.region)
        yield Resource("ec2:internet-gateway", out.internet_gateway, self.region)
