"""The routes of one region to the other region's network over the peering, in public, private and database tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from drctl.aws.errors import absent_is_fine
from drctl.aws.tags import ours
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.settings import Site
from drctl.steps.network import PROPAGATION
from drctl.steps.peering import Peering
from drctl.steps.route import lead
from drctl.steps.route_tables import RouteTables


@dataclass(frozen=True)
class PeeringRoutesOut:
    """Target and state of the route to the other network, by table; `count` are the active ones over the peering."""

    count: int
    routes: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, eq=False)
class PeeringRoutes(Step[PeeringRoutesOut]):
    """One route in each table of the region; the other region's tables have their own step."""

    tables: RouteTables
    peering: Peering
    other: Site

    def _cidr(self) -> str:
        return str(self.other.cidr)

    def find(self, run: Run) -> PeeringRoutesOut | None:
        peering, tables = run.found(self.peering), run.found(self.tables)
        if peering is None or tables is None:
            return None
        routes = self._routes(run, *tables.inner, tables.public)
        count = sum(route == (peering.id, "active") for route in routes.values())
        return PeeringRoutesOut(count, routes) if routes else None

    def _routes(self, run: Run, *table_ids: str) -> dict[str, tuple[str, str]]:
        """Target and state of the routes to the other network; without ids, in all our tables of the region."""
        filters: list[Any] = ([{"Name": "route-table-id", "Values": list(table_ids)}] if table_ids
                              else ours(run.settings.environment))
        return {table["RouteTableId"]: (_target(route), route["State"])
                for table in run.at(self.region).ec2.describe_route_tables(Filters=filters)["RouteTables"]
                for route in table["Routes"] if route.get("DestinationCidrBlock") == self._cidr()}

    def ensure(self, run: Run) -> PeeringRoutesOut:
        stands = run.found(self)
        if stands is not None and not any(True for _ in self.verify(run, stands)):
            return stands
        tables, target = run.output(self.tables), run.output(self.peering).id
        ids = (*tables.inner, tables.public)
        routes = self._routes(run, *ids)
        if wrong := [table_id for table_id in ids if routes.get(table_id, ("", ""))[0] != target]:
            for table_id in wrong:
                # a route that led elsewhere, a black hole too, is replaced
                lead(run, self.region, table_id, self._cidr(), {"VpcPeeringConnectionId": target},
                     replace=table_id in routes)
        if wrong or any(state != "active" for _, state in routes.values()):
            routes = run.wait_until(
                f"{len(ids)} routes to {self._cidr()} are active", lambda: self._routes(run, *ids),
                lambda seen: list(seen.values()) == [(target, "active")] * len(ids), within=PROPAGATION,
                show=lambda seen: ", ".join(sorted(state for _, state in seen.values())) or "none")
        return PeeringRoutesOut(len(routes), routes)

    def verify(self, run: Run, out: PeeringRoutesOut) -> Iterable[Finding]:
        tables, target = run.output(self.tables), run.output(self.peering).id
        for table_id in (*tables.inner, tables.public):
            where = f"{table_id} in {self.region}"
            match out.routes.get(table_id):
                case None:
                    yield Finding(f"{where} has no route to {self._cidr()} ({self.other.region})")
                case (seen, _) if seen != target:
                    yield Finding(f"{where} leads to {self._cidr()} over {seen}, not over the peering {target}")
                case (_, state) if state != "active":
                    yield Finding(f"{where}: the route to {self._cidr()} is a {state}; the peering does not work")

    def destroy(self, run: Run) -> None:
        """Deleting the peering leaves routes behind as black holes, so they go first."""
        for table_id, (target, _) in self._routes(run).items():
            if target.startswith("pcx-"):
                with absent_is_fine():
                    run.at(self.region).ec2.delete_route(RouteTableId=table_id, DestinationCidrBlock=self._cidr())

    def resources(self, out: PeeringRoutesOut) -> Iterable[Resource]:
        for table_id in out.routes:
            yield Resource("ec2:route", f"{table_id} {self._cidr()}", self.region)


def _target(route: Any) -> str:
    """What a route leads to, whatever kind of thing it is."""
    kinds = ("VpcPeeringConnectionId", "NatGatewayId", "TransitGatewayId", "GatewayId", "NetworkInterfaceId",
             "InstanceId")
    return next((route[kind] for kind in kinds if route.get(kind)), "something else")
