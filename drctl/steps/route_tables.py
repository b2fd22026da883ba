"""Route tables: one for the public subnets, one for each private subnet, one for the database subnets.

Each zone has its own private table, so that a NAT gateway per zone is a matter of routes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, already
from drctl.aws.tags import as_map, ours, specification
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.steps.network import PROPAGATION, Network
from drctl.steps.subnets import MOST_ZONES, Subnets

INTERNET = "0.0.0.0/0"


@dataclass(frozen=True)
class RouteTablesOut:
    """The route tables as they stand; private ones in the order of the zones."""

    public: str
    private: tuple[str, ...]
    database: str
    #: Route table id by subnet id.
    associations: dict[str, str]
    reaches_internet: bool

    @property
    def inner(self) -> tuple[str, ...]:
        """The tables of private and database subnets."""
        return (*self.private, self.database)


@dataclass(frozen=True, eq=False)
class RouteTables(Step[RouteTablesOut]):
    """All route tables of a region, each found by its Name tag, and their associations."""

    network: Network
    subnets: Subnets

    def _names(self, run: Run, count: int | None = None) -> list[str]:
        count = count or run.settings.network.availability_zones
        purposes = ("public", *(f"private-{index}" for index in range(1, count + 1)), "database")
        return [run.name("ec2", purpose, self.region) for purpose in purposes]

    def _tables(self, run: Run) -> dict[str, Any]:
        """Ours by name, those of zones that were chosen once too."""
        answer = run.at(self.region).ec2.describe_route_tables(
            Filters=ours(run.settings.environment, *self._names(run, MOST_ZONES)))
        return {as_map(table.get("Tags"))["Name"]: table for table in answer["RouteTables"]}

    def find(self, run: Run) -> RouteTablesOut | None:
        found, names = self._tables(run), self._names(run)
        if set(names) - set(found):
            return None
        ids = [found[name]["RouteTableId"] for name in names]
        associations = {link["SubnetId"]: table["RouteTableId"]
                        for table in found.values() for link in _subnet_links(table)}
        leads_out = any(route.get("DestinationCidrBlock") == INTERNET for route in found[names[0]].get("Routes", []))
        return RouteTablesOut(ids[0], tuple(ids[1:-1]), ids[-1], associations, leads_out)

    def ensure(self, run: Run) -> RouteTablesOut:
        out = run.found(self) or self._create_missing(run)
        self._associate(run, out)
        if not out.reaches_internet:
            ec2, gateway = run.at(self.region).ec2, run.output(self.network).internet_gateway
            run.retry("the internet gateway is known to routing", lambda: ec2.create_route(
                RouteTableId=out.public, DestinationCidrBlock=INTERNET, GatewayId=gateway),
                (Refusal("InvalidGatewayID.NotFound"), Refusal("InvalidInternetGatewayID.NotFound"),
                 Refusal("InvalidRouteTableID.NotFound")), within=PROPAGATION)
        return out

    def _create_missing(self, run: Run) -> RouteTablesOut:
        ec2, vpc_id = run.at(self.region).ec2, run.output(self.network).vpc_id
        names, there = self._names(run), self._tables(run)
        for name in names:
            if name not in there:
                ec2.create_route_table(VpcId=vpc_id, ClientToken=run.names.token(vpc_id, name),
                                       TagSpecifications=specification("route-table", run.tags(self.site, name)))
        run.wait_until("all route tables are there", lambda: set(self._tables(run)),
                       lambda found: set(names) <= found, within=PROPAGATION, show=lambda found: str(len(found)))
        return run.output(self)

    def _wanted(self, run: Run, out: RouteTablesOut) -> dict[str, str]:
        subnets = run.output(self.subnets)
        return {**dict.fromkeys(subnets.public, out.public), **dict(zip(subnets.private, out.private, strict=True)),
                **dict.fromkeys(subnets.database, out.database)}

    def _associate(self, run: Run, out: RouteTablesOut) -> None:
        ec2 = run.at(self.region).ec2
        for subnet_id, table_id in self._wanted(run, out).items():
            if out.associations.get(subnet_id) != table_id:
                with already(Refusal("Resource.AlreadyAssociated")):
                    ec2.associate_route_table(RouteTableId=table_id, SubnetId=subnet_id)

    def verify(self, run: Run, out: RouteTablesOut) -> Iterable[Finding]:
        if not out.reaches_internet:
            yield Finding(f"{out.public} has no route to the internet gateway: the balancer is unreachable")
        for subnet_id, table_id in self._wanted(run, out).items():
            if out.associations.get(subnet_id) != table_id:
                yield Finding(f"{subnet_id} does not use its route table {table_id}")

    def destroy(self, run: Run) -> None:
        ec2 = run.at(self.region).ec2
        for table in self._tables(run).values():
            for link in _subnet_links(table):
                with absent_is_fine():
                    ec2.disassociate_route_table(AssociationId=link["RouteTableAssociationId"])
            with absent_is_fine():
                ec2.delete_route_table(RouteTableId=table["RouteTableId"])

    def resources(self, out: RouteTablesOut) -> Iterable[Resource]:
        for table_id in (out.public, *out.inner):
            yield Resource("ec2:route-table", table_id, self.region)


def _subnet_links(table: Any) -> list[Any]:
    """Associations with subnets; a main table's own association has none."""
    return [link for link in table.get("Associations", []) if link.get("SubnetId")]
