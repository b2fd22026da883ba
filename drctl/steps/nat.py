"""NAT gateways of a region, by choice: a way out to the internet for the private subnets, one or one in each zone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, already
from drctl.aws.tags import as_map, ours, specification
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.usage import HOURS, Use
from drctl.engine.waiting import minutes
from drctl.steps.network import PROPAGATION, Network
from drctl.steps.route import lead
from drctl.steps.route_tables import INTERNET, RouteTables
from drctl.steps.subnets import MOST_ZONES, Subnets

#: States of a gateway that carries traffic or will; a failed one removes itself within the hour and never recovers, a
#: deleted one stays visible as long (VPC User Guide, "NAT gateways").
ALIVE = ("pending", "available")
#: An address is still held for a while after its gateway is gone (Terraform provider: EIP, 3 min).
HELD = (Refusal("InvalidIPAddress.InUse"), Refusal("AuthFailure", "permission to access"))
#: This form of AuthFailure says that the address is gone (Terraform provider: EIP).
NOT_OURS = Refusal("AuthFailure", "does not belong to you")


@dataclass(frozen=True)
class NatOut:
    """Living gateways in the order of the zones; target and state of the default route by private table."""

    ids: tuple[str, ...]
    states: Mapping[str, str]
    #: Id by name.
    named: Mapping[str, str]
    addresses: tuple[str, ...]
    routes: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, eq=False)
class Nat(Step[NatOut]):
    """NAT gateways and their addresses, each found by its Name tag, and the default routes of the private tables."""

    waits = ("nat-create",)
    waits_to_change = ("nat-delete",)

    network: Network
    subnets: Subnets
    tables: RouteTables

    def _names(self, run: Run) -> list[str]:
        """Names for the most that there can be, so that a smaller choice finds what is left over."""
        return [run.name("ec2", f"nat-{index}", self.region) for index in range(1, MOST_ZONES + 1)]

    def _wanted(self, run: Run) -> list[str]:
        zones = run.settings.network.availability_zones
        return self._names(run)[: {"endpoints": 0, "nat": 1, "nat-per-az": zones}[run.settings.network.egress]]

    def find(self, run: Run) -> NatOut | None:
        gateways = self._living(run)
        return None if set(self._wanted(run)) - set(gateways) else self._out(run, gateways)

    def _every(self, run: Run) -> list[tuple[str, Any]]:
        """Name and gateway, dead ones too."""
        answer = run.at(self.region).ec2.describe_nat_gateways(
            Filters=ours(run.settings.environment, *self._names(run)))
        return [(as_map(one.get("Tags"))["Name"], one) for one in answer["NatGateways"]]

    def _living(self, run: Run) -> dict[str, Any]:
        return {name: one for name, one in self._every(run) if one["State"] in ALIVE}

    def _out(self, run: Run, gateways: Mapping[str, Any]) -> NatOut:
        named = {name: str(gateways[name]["NatGatewayId"]) for name in sorted(gateways)}
        states = {named[name]: str(gateways[name]["State"]) for name in named}
        return NatOut(tuple(named.values()), states, named, _held(gateways.values()),
                      self._routes(run) if gateways else {})

    def _routes(self, run: Run) -> dict[str, tuple[str, str]]:
        if (tables := run.found(self.tables)) is None:
            return {}
        filters: Any = [{"Name": "route-table-id", "Values": list(tables.private)}]
        return {table["RouteTableId"]: (str(route.get("NatGatewayId") or "something else"), route["State"])
                for table in run.at(self.region).ec2.describe_route_tables(Filters=filters)["RouteTables"]
                for route in table["Routes"] if route.get("DestinationCidrBlock") == INTERNET}

    def ensure(self, run: Run) -> NatOut:
        stands = run.found(self)
        if stands is not None and not any(True for _ in self.verify(run, stands)):
            return stands
        every = self._every(run)
        gateways = {name: one for name, one in every if one["State"] in ALIVE}
        missing = [name for name in self._wanted(run) if name not in gateways]
        for name in missing:
            self._create(run, name, [one["NatGatewayId"] for known, one in every if known == name])
        if missing or any(one["State"] != "available" for one in gateways.values()):
            gateways = self._await(run, {one["NatGatewayId"] for _, one in every if one["State"] not in ALIVE})
        out = self._out(run, gateways)
        wrong = {table_id: target for table_id, target in self._leads(run, out).items()
                 if out.routes.get(table_id) != (target, "active")}
        for table_id, target in wrong.items():
            lead(run, self.region, table_id, INTERNET, {"NatGatewayId": target}, replace=table_id in out.routes)
        if surplus := [name for name in out.named if name not in self._wanted(run)]:
            self._remove(run, surplus)
        return self._settled(run) if wrong or surplus else out

    def _leads(self, run: Run, out: NatOut) -> dict[str, str]:
        """The gateway that each private table should lead to: that of its zone, or the only one."""
        gateways = [out.named[name] for name in self._wanted(run) if name in out.named]
        return {table_id: gateways[index % len(gateways)]
                for index, table_id in enumerate(run.output(self.tables).private)} if gateways else {}

    def _settled(self, run: Run) -> NatOut:
        return run.wait_until("the default routes are active", lambda: self._out(run, self._living(run)),
                              lambda seen: not list(self.verify(run, seen)), within=PROPAGATION,
                              show=lambda seen: ", ".join(state for _, state in seen.routes.values()) or "none")

    def _create(self, run: Run, name: str, former: list[str]) -> None:
        """The token names former gateways too: AWS remembers a token longer than it shows what was made with it."""
        subnet_id = run.output(self.subnets).public[self._names(run).index(name)]
        address = self._address(run, name)
        made: Any = run.retry(f"the address of {name} is known", partial(
            run.at(self.region).ec2.create_nat_gateway, SubnetId=subnet_id, AllocationId=address,
            ClientToken=run.names.token(subnet_id, address, *sorted(former)),
            TagSpecifications=specification("natgateway", run.tags(self.site, name))),
            (Refusal("InvalidAllocationID.NotFound"), Refusal("InvalidSubnetID.NotFound")), within=PROPAGATION)
        if made["NatGateway"]["State"] not in ALIVE:
            self._create(run, name, [*former, made["NatGateway"]["NatGatewayId"]])

    def _address(self, run: Run, name: str) -> str:
        """A free address of ours from an earlier try, else a new one: an account has five (Amazon VPC quotas)."""
        free = [one["AllocationId"] for one in self._addresses(run, name) if not one.get("AssociationId")]
        if free:
            return str(free[0])
        return str(run.at(self.region).ec2.allocate_address(
            Domain="vpc", TagSpecifications=specification("elastic-ip", run.tags(self.site, name)))["AllocationId"])

    def _addresses(self, run: Run, *names: str) -> list[Any]:
        return run.at(self.region).ec2.describe_addresses(Filters=ours(run.settings.environment, *names))["Addresses"]

    def _await(self, run: Run, former: set[str]) -> dict[str, Any]:
        """All together; a gateway that failed says why, and the next run makes another one."""
        every = run.wait_until(
            "the NAT gateways are available", lambda: self._every(run),
            lambda seen: set(self._wanted(run)) <= {name for name, one in seen if one["State"] == "available"},
            within=minutes(10), every=15,
            failed=lambda seen: next((
                f"{one['NatGatewayId']} failed: {one.get('FailureMessage', '')}" for _, one in seen
                if one["State"] == "failed" and one["NatGatewayId"] not in former), None),
            show=lambda seen: ", ".join(f"{one['NatGatewayId']} {one['State']}" for _, one in seen) or "none")
        return {name: one for name, one in every if one["State"] in ALIVE}

    def verify(self, run: Run, out: NatOut) -> Iterable[Finding]:
        for name, gateway in out.named.items():
            if name not in self._wanted(run):
                yield Finding(f"NAT gateway {gateway} in {self.region} is no longer needed and costs money")
            elif out.states[gateway] != "available":
                yield Finding(f"NAT gateway {gateway} in {self.region} is {out.states[gateway]}")
        for name in set(self._wanted(run)) - set(out.named):
            yield Finding(f"NAT gateway {name} in {self.region} is not there")
        leads = self._leads(run, out)
        for table_id in run.output(self.tables).private:
            target, state = out.routes.get(table_id, ("nothing", "missing"))
            if table_id in leads and (target, state) != (leads[table_id], "active"):
                yield Finding(f"{table_id} in {self.region}: the way out leads to {target} ({state}), "
                              f"not to {leads[table_id]}")

    def destroy(self, run: Run) -> None:
        self._remove(run, self._names(run))

    def _remove(self, run: Run, names: list[str]) -> None:
        """Routes, gateways, then their addresses: a gateway holds its address until it is deleted."""
        ec2 = run.at(self.region).ec2
        ids = [one["NatGatewayId"] for name, one in self._living(run).items() if name in names]
        tables = ec2.describe_route_tables(Filters=ours(run.settings.environment))["RouteTables"] if ids else []
        for table in tables:
            if any(route.get("NatGatewayId") in ids for route in table["Routes"]):
                with absent_is_fine():
                    ec2.delete_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock=INTERNET)
        for gateway in ids:
            with absent_is_fine():
                ec2.delete_nat_gateway(NatGatewayId=gateway)
        self._await_gone(run)
        for address in self._addresses(run, *names):
            self._release(run, address["AllocationId"])

    def _await_gone(self, run: Run) -> None:
        run.wait_until("deleted NAT gateways are gone", lambda: [
            one["NatGatewayId"] for _, one in self._every(run) if one["State"] == "deleting"],
            lambda left: not left, within=minutes(30), show=lambda left: ", ".join(left) or "none left")

    def _release(self, run: Run, allocation_id: str) -> None:
        with absent_is_fine(), already(NOT_OURS):
            run.retry(f"nothing holds the address {allocation_id} any more", partial(
                run.at(self.region).ec2.release_address, AllocationId=allocation_id), HELD, within=minutes(3))

    def uses(self, run: Run, out: NatOut | None) -> Iterable[Use]:
        count = len(self._wanted(run) if out is None else out.ids)
        yield Use("endpoints and NAT", "nat-hour", count * HOURS)
        if count and self.site.role == "primary":
            yield Use("endpoints and NAT", "nat-gb", run.settings.estimate.egress_gb)

    def resources(self, out: NatOut) -> Iterable[Resource]:
        for gateway in out.ids:
            yield Resource("ec2:natgateway", gateway, self.region)
        for allocation_id in out.addresses:
            yield Resource("ec2:elastic-ip", allocation_id, self.region)


def _held(gateways: Iterable[Any]) -> tuple[str, ...]:
    """Allocation ids of the addresses of gateways."""
    return tuple(address["AllocationId"] for one in gateways for address in one.get("NatGatewayAddresses", [])
                 if address.get("AllocationId"))
