"""Public, private and database subnets over the zones: for the balancer, for functions and endpoints, for Aurora."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network
from typing import Any

from botocore.exceptions import ClientError

from drctl.aws.errors import Refusal, is_one_of
from drctl.aws.tags import as_map, is_ours, ours, specification
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.waiting import minutes
from drctl.errors import NotOurs, Refused
from drctl.steps.network import PROPAGATION, UNKNOWN_VPC, Network
from drctl.steps.strangers import remove_when_free

TIERS = ("public", "private", "database")
#: The most zones that can be chosen. What was made for more zones than are chosen now is still found by name.
MOST_ZONES = 6
#: Old zones without newer services and instance classes, taken only when there are no others (Amazon EKS User Guide,
#: "VPC and subnet requirements and considerations": disallowed Availability Zone IDs).
CONSTRAINED = ("use1-az3", "usw1-az2", "cac1-az3")


@dataclass(frozen=True)
class SubnetsOut:
    """The subnets as they stand, by tier, in the order of the zones."""

    zones: tuple[str, ...]
    public: tuple[str, ...]
    private: tuple[str, ...]
    database: tuple[str, ...]
    #: Subnets of zones beyond those that are chosen.
    beyond: tuple[str, ...] = ()
    #: Subnets in which whatever begins gets a public address; balancers and NAT gateways bring their own.
    exposing: tuple[str, ...] = ()


def subnet_cidrs(cidr: IPv4Network, zones: int) -> list[IPv4Network]:
    """Address ranges tier after tier, one a zone: 32nds of the VPC's range, eight reserved for each tier."""
    blocks = list(cidr.subnets(prefixlen_diff=5))
    return [blocks[tier * 8 + zone] for tier in range(len(TIERS)) for zone in range(zones)]


@dataclass(frozen=True, eq=False)
class Subnets(Step[SubnetsOut]):
    """All subnets of a region, each found by its Name tag."""

    network: Network

    def _names(self, run: Run, count: int | None = None) -> list[str]:
        count = count or run.settings.network.availability_zones
        return [run.name("ec2", f"{tier}-{index}", self.region) for tier in TIERS for index in range(1, count + 1)]

    def _subnets(self, run: Run) -> dict[str, Any]:
        """Ours by name, those of zones that were chosen once too."""
        answer = run.at(self.region).ec2.describe_subnets(
            Filters=ours(run.settings.environment, *self._names(run, MOST_ZONES)))
        return {as_map(subnet.get("Tags"))["Name"]: subnet for subnet in answer["Subnets"]}

    def find(self, run: Run) -> SubnetsOut | None:
        found = self._subnets(run)
        return None if set(self._names(run)) - set(found) else self._out(run, found)

    def _out(self, run: Run, found: Mapping[str, Any]) -> SubnetsOut:
        names = self._names(run)
        count = run.settings.network.availability_zones
        ids = tuple(found[name]["SubnetId"] for name in names)
        zones = tuple(found[name]["AvailabilityZone"] for name in names[:count])
        beyond = tuple(found[name]["SubnetId"] for name in sorted(set(found) - set(names)))
        exposing = tuple(one["SubnetId"] for one in found.values() if one.get("MapPublicIpOnLaunch"))
        return SubnetsOut(zones, ids[:count], ids[count: 2 * count], ids[2 * count:], beyond, exposing)

    def ensure(self, run: Run) -> SubnetsOut:
        out = run.found(self) or self._create_missing(run)
        if out.beyond:
            raise Refused(
                f"the network of {self.region} was made over more than {len(out.zones)} zones: databases, functions "
                f"and balancers are in {', '.join(out.beyond)}, which cannot be taken from them",
                next_step="set network.availability_zones back, or drctl teardown and provision anew")
        return self._hidden(run, out) if out.exposing else out

    def _hidden(self, run: Run, out: SubnetsOut) -> SubnetsOut:
        for subnet_id in out.exposing:
            run.at(self.region).ec2.modify_subnet_attribute(SubnetId=subnet_id, MapPublicIpOnLaunch={"Value": False})
        return run.wait_until("no subnet gives public addresses", lambda: self.find(run), within=PROPAGATION,
                              ready=lambda seen: seen is not None and not seen.exposing,
                              show=lambda seen: ", ".join(seen.exposing) if seen else "not visible") or out

    def _create_missing(self, run: Run) -> SubnetsOut:
        vpc_id, names, there = run.output(self.network).vpc_id, self._names(run), self._subnets(run)
        count = run.settings.network.availability_zones
        zones, blocks = self._placed(run, there), subnet_cidrs(self.site.cidr, count)
        for index, name in enumerate(names):
            if name not in there:
                self._create(run, vpc_id, name, str(blocks[index]), zones[index % count])
        return self._out(run, run.wait_until(
            "all subnets are available", lambda: self._subnets(run),
            lambda found: set(names) <= set(found) and all(one["State"] == "available" for one in found.values()),
            within=minutes(10), show=lambda found: f"{len(found)} of {len(names)}"))

    def _create(self, run: Run, vpc_id: str, name: str, cidr: str, zone: str) -> None:
        """A range that is taken is taken by our own subnet, which no tag showed yet, or by somebody else's."""
        try:
            run.retry(f"{vpc_id} is known", partial(
                run.at(self.region).ec2.create_subnet, VpcId=vpc_id, CidrBlock=cidr, AvailabilityZoneId=zone,
                TagSpecifications=specification("subnet", run.tags(self.site, name))), UNKNOWN_VPC, within=PROPAGATION)
        except ClientError as error:
            if not is_one_of(error, Refusal("InvalidSubnet.Conflict")):
                raise
            there = run.wait_until(f"the subnet that has {cidr} is shown", partial(
                self._overlapping, run, vpc_id, cidr), bool, within=PROPAGATION)
            if strange := [one["SubnetId"] for one in there
                           if not is_ours(as_map(one.get("Tags")), run.settings.environment)]:
                raise NotOurs(f"{cidr} in {vpc_id} ({self.region}) is taken by {', '.join(strange)}, which does not "
                              "belong to this stack", next_step="have that subnet removed") from error

    def _overlapping(self, run: Run, vpc_id: str, cidr: str) -> list[Any]:
        inside: Any = [{"Name": "vpc-id", "Values": [vpc_id]}]
        return [one for one in run.at(self.region).ec2.describe_subnets(Filters=inside)["Subnets"]
                if IPv4Network(one["CidrBlock"]).overlaps(IPv4Network(cidr))]

    def _placed(self, run: Run, there: dict[str, Any]) -> list[str]:
        """A zone id for each index: where its subnets of other tiers lie already, else the region's next free one."""
        count = run.settings.network.availability_zones
        taken = {index % count: str(there[name]["AvailabilityZoneId"])
                 for index, name in enumerate(self._names(run)) if name in there}
        free = [zone for zone in self._zones(run) if zone not in taken.values()]
        if len(free) + len(set(taken.values())) < count:
            raise Refused(f"{self.region} has no {count} available zones", next_step="lower network.availability_zones")
        return [taken[index] if index in taken else free.pop(0) for index in range(count)]

    def _zones(self, run: Run) -> list[str]:
        """By zone id: names of zones differ between accounts, ids do not. Constrained ones come last."""
        answer = run.at(self.region).ec2.describe_availability_zones(
            Filters=[{"Name": "opt-in-status", "Values": ["opt-in-not-required"]},
                     {"Name": "zone-type", "Values": ["availability-zone"]}])
        return sorted((zone["ZoneId"] for zone in answer["AvailabilityZones"] if zone["State"] == "available"),
                      key=lambda zone: (zone in CONSTRAINED, zone))

    def verify(self, run: Run, out: SubnetsOut) -> Iterable[Finding]:
        if len(set(out.zones)) < run.settings.network.availability_zones:
            yield Finding(f"the subnets of {self.region} lie in {len(set(out.zones))} zone(s) only: {out.zones}")
        if out.beyond:
            yield Finding(f"the subnets {', '.join(out.beyond)} of {self.region} lie in zones beyond the "
                          f"{len(out.zones)} that network.availability_zones asks for")

        for subnet_id in out.exposing:
            yield Finding(f"whatever begins in {subnet_id} of {self.region} gets a public address")

    def destroy(self, run: Run) -> None:
        """A subnet goes only after every interface in it: those of functions can linger for 20 minutes and more."""
        ec2 = run.at(self.region).ec2
        for subnet in self._subnets(run).values():
            subnet_id = subnet["SubnetId"]
            remove_when_free(run, self.region, subnet["VpcId"], f"{subnet_id} is free of interfaces",
                             partial(ec2.delete_subnet, SubnetId=subnet_id), within=minutes(45))

    def resources(self, out: SubnetsOut) -> Iterable[Resource]:
        for subnet_id in (*out.public, *out.private, *out.database):
            yield Resource("ec2:subnet", subnet_id, self.region)
