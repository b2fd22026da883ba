"""Route tables: one for the public subnets, one for each private subnet, one for the database subnets.

Each zone has its own private table, so that a NAT gateway per zone is a matter of routes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from drctl.aws.errors import Refusal, absent_is_fine, is_one_of
from drctl.aws.tags import as_map, ours, specification
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.steps.network import PROPAGATION, UNKNOWN_VPC, Network
from drctl.steps.route import lead
from drctl.steps.strangers import foreign_subnets, refuse_strangers, remove_when_free
from drctl.steps.subnets import MOST_ZONES, Subnets

INTERNET = "0.0.0.0/0"
#: Terraform provider: route table association, retried for 5 min.
TOO_YOUNG = (Refusal("InvalidRouteTableID.NotFound"), Refusal("InvalidSubnetID.NotFound"))


@dataclass(frozen=True)
class RouteTablesOut:
    """The route tables as they stand; private ones in the order of the zones."""

    public: str
    private: tuple[str, ...]
    database: str
    #: Route table id by subnet id.
    associations: dict[str, str]
    reaches_internet: bool
    #: The public table leads somewhere by default, if not to the internet gateway.
    has_way_out: bool = False

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
        found = self._tables(run)
        return None if set(self._names(run)) - set(found) else self._out(run, found)

    def _out(self, run: Run, found: Mapping[str, Any]) -> RouteTablesOut:
        names = self._names(run)
        ids = [found[name]["RouteTableId"] for name in names]
        associations = {link["SubnetId"]: table["RouteTableId"]
                        for table in found.values() for link in _subnet_links(table)}
        out = [(route.get("GatewayId"), route["State"]) for route in found[names[0]].get("Routes", [])
               if route.get("DestinationCidrBlock") == INTERNET]
        network = run.found(self.network)
        leads_out = network is not None and out == [(network.internet_gateway, "active")]
        return RouteTablesOut(ids[0], tuple(ids[1:-1]), ids[-1], associations, leads_out, bool(out))

    def ensure(self, run: Run) -> RouteTablesOut:
        out = run.found(self) or self._create_missing(run)
        self._associate(run, out)
        if not out.reaches_internet:
            lead(run, self.region, out.public, INTERNET, {"GatewayId": run.output(self.network).internet_gateway},
                 replace=out.has_way_out)
        return out

    def _create_missing(self, run: Run) -> RouteTablesOut:
        ec2, vpc_id = run.at(self.region).ec2, run.output(self.network).vpc_id
        names, there = self._names(run), self._tables(run)
        for name in names:
            if name not in there:
                # the run is part of the token: AWS remembers a token longer than a table that was deleted since
                token = run.names.token(vpc_id, name, run.id)
                run.retry(f"{vpc_id} is known", partial(
                    ec2.create_route_table, VpcId=vpc_id, ClientToken=token,
                    TagSpecifications=specification("route-table", run.tags(self.site, name))), UNKNOWN_VPC,
                    within=PROPAGATION)
        return self._out(run, run.wait_until(
            "all route tables are there", lambda: self._tables(run), lambda found: set(names) <= set(found),
            within=PROPAGATION, show=lambda found: str(len(found))))

    def _wanted(self, run: Run, out: RouteTablesOut) -> dict[str, str]:
        subnets = run.output(self.subnets)
        return {**dict.fromkeys(subnets.public, out.public), **dict(zip(subnets.private, out.private, strict=True)),
                **dict.fromkeys(subnets.database, out.database)}

    def _associate(self, run: Run, out: RouteTablesOut) -> None:
        ec2 = run.at(self.region).ec2
        for subnet_id, table_id in self._wanted(run, out).items():
            if out.associations.get(subnet_id) != table_id:
                try:
                    run.retry(f"{table_id} and {subnet_id} are known", partial(
                        ec2.associate_route_table, RouteTableId=table_id, SubnetId=subnet_id), TOO_YOUNG,
                        within=PROPAGATION)
                except ClientError as error:
                    if not is_one_of(error, Refusal("Resource.AlreadyAssociated")):
                        raise
                    self._reassociate(run, subnet_id, table_id)

    def _reassociate(self, run: Run, subnet_id: str, table_id: str) -> None:
        """A subnet that uses another table, of whomever, is led back to its own without a moment in between."""
        ec2 = run.at(self.region).ec2
        by_subnet: Any = [{"Name": "association.subnet-id", "Values": [subnet_id]}]
        for table in ec2.describe_route_tables(Filters=by_subnet)["RouteTables"]:
            for link in _subnet_links(table):
                if link["SubnetId"] == subnet_id and table["RouteTableId"] != table_id:
                    ec2.replace_route_table_association(AssociationId=link["RouteTableAssociationId"],
                                                        RouteTableId=table_id)

    def verify(self, run: Run, out: RouteTablesOut) -> Iterable[Finding]:
        if not out.reaches_internet:
            yield Finding(f"{out.public} has no working route to the internet gateway: the balancer is unreachable")
        for subnet_id, table_id in self._wanted(run, out).items():
            if out.associations.get(subnet_id) != table_id:
                yield Finding(f"{subnet_id} does not use its route table {table_id}")

    def destroy(self, run: Run) -> None:
        """Somebody else's subnet that uses a table of ours is told before it loses its routes."""
        ec2, tables = run.at(self.region).ec2, list(self._tables(run).values())
        users = foreign_subnets(run, self.region, [link["SubnetId"] for one in tables for link in _subnet_links(one)])
        for table in tables:
            refuse_strangers(users, self.region, table["VpcId"])
            for link in _subnet_links(table):
                with absent_is_fine():
                    ec2.disassociate_route_table(AssociationId=link["RouteTableAssociationId"])
            # an association is there for a moment longer (Terraform provider: route table association, 5 min)
            table_id = table["RouteTableId"]
            remove_when_free(run, self.region, table["VpcId"], f"no subnet uses {table_id} any more",
                             partial(ec2.delete_route_table, RouteTableId=table_id), within=PROPAGATION)

    def resources(self, out: RouteTablesOut) -> Iterable[Resource]:
        for table_id in (out.public, *out.inner):
            yield Resource("ec2:route-table", table_id, self.region)


def _subnet_links(table: Any) -> list[Any]:
    """Associations with subnets; a main table's own association has none."""
    return [link for link in table.get("Associations", []) if link.get("SubnetId")]
