"""VPC endpoints of a region: the private way of the functions to AWS services, without NAT and without the internet.

What the app and the probe call from inside the network, and nothing more, because each interface endpoint costs by zone
and hour: `secretsmanager` for the database's credentials, `events` to publish on the region's bus, and S3 through a
gateway endpoint, which is free. Not needed: `logs` (Lambda ships a function's output itself), `kms` (Secrets Manager
and S3 decrypt for the caller), `sts` (Lambda hands out the role's credentials), `sqs` and `monitoring` (not called).
A package that needs more chooses `network.egress: nat`; then only the S3 endpoint stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from drctl.aws.errors import Refusal, already, is_one_of, refuse_partial
from drctl.aws.tags import as_map, ours, specification
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.usage import HOURS, Use
from drctl.engine.waiting import minutes
from drctl.errors import Refused
from drctl.steps.network import PROPAGATION, Network
from drctl.steps.route_tables import RouteTables
from drctl.steps.security_groups import SecurityGroups
from drctl.steps.subnets import Subnets

GATEWAY = "s3"
INTERFACES = ("secretsmanager", "events")
#: Ways an endpoint ends; it stays visible for a while (EC2 API Reference, VpcEndpoint).
DEAD = frozenset({"deleting", "deleted", "failed", "rejected", "expired"})
#: Terraform provider: vpc endpoint, 10 min to create and to delete.
LIFE = minutes(10)
TOO_YOUNG = (Refusal("InvalidRouteTableId.NotFound"), Refusal("InvalidRouteTableID.NotFound"),
             Refusal("InvalidVpcID.NotFound"), Refusal("InvalidVpcId.NotFound"), Refusal("InvalidSubnetID.NotFound"),
             Refusal("InvalidSubnetId.NotFound"), Refusal("InvalidGroup.NotFound"),
             Refusal("InvalidSecurityGroupId.NotFound"))
#: A gateway endpoint just made does not show all of its tables for a moment; adding one again is refused.
THERE_ALREADY = Refusal("RouteAlreadyExists")


@dataclass(frozen=True)
class Endpoint:
    """One endpoint as EC2 shows it."""

    id: str
    state: str
    private_dns: bool
    subnets: frozenset[str]
    groups: frozenset[str]
    tables: frozenset[str]


@dataclass(frozen=True)
class EndpointsOut:
    """The endpoints as they stand, by service."""

    ids: Mapping[str, str]
    seen: Mapping[str, Endpoint]


@dataclass(frozen=True, eq=False)
class Endpoints(Step[EndpointsOut]):
    """All endpoints of a region, each found by its Name tag; made side by side, waited for together."""

    waits = ("endpoint-create",)
    waits_to_change = ("endpoint-delete",)

    network: Network
    subnets: Subnets
    tables: RouteTables
    groups: SecurityGroups

    def _services(self, run: Run) -> tuple[str, ...]:
        return (GATEWAY, *(INTERFACES if run.settings.network.egress == "endpoints" else ()))

    def _name(self, run: Run, service: str) -> str:
        return run.name("ec2", f"endpoint-{service}", self.region)

    def find(self, run: Run) -> EndpointsOut | None:
        seen = self._living(run)
        return None if set(self._services(run)) - set(seen) else _out(seen)

    def _all(self, run: Run) -> list[tuple[str, Endpoint]]:
        """Service and endpoint, dead ones too."""
        services = {self._name(run, service): service for service in (GATEWAY, *INTERFACES)}
        answer = run.at(self.region).ec2.describe_vpc_endpoints(Filters=ours(run.settings.environment, *services))
        return [(services[as_map(one["Tags"])["Name"]], _endpoint(one)) for one in answer["VpcEndpoints"]]

    def _living(self, run: Run) -> dict[str, Endpoint]:
        return {service: endpoint for service, endpoint in self._all(run) if endpoint.state not in DEAD}

    def ensure(self, run: Run) -> EndpointsOut:
        stands = run.found(self)
        if stands is not None and not any(True for _ in self.verify(run, stands)):
            return stands
        every = self._all(run)
        seen = {service: endpoint for service, endpoint in every if endpoint.state not in DEAD}
        if missing := [service for service in self._services(run) if service not in seen]:
            made = {self._create(run, service, [one.id for name, one in every if name == service])
                    for service in missing}
            seen = self._await(run, made)
        elif any(endpoint.state != "available" for endpoint in seen.values()):
            seen = self._await(run, {endpoint.id for endpoint in seen.values()})
        changes = {service: self._changes(run, service, endpoint) for service, endpoint in seen.items()}
        for service, change in changes.items():
            if change:
                self._change(run, seen[service].id, change)
        self._remove(run, [one.id for service, one in seen.items() if service not in self._services(run)])
        return self._settled(run) if any(changes.values()) else _out(seen)

    def _create(self, run: Run, service: str, former: list[str]) -> str:
        """The token names former endpoints too: AWS remembers a token longer than what it made."""
        name, vpc_id = self._name(run, service), run.output(self.network).vpc_id
        where: dict[str, Any] = {"VpcEndpointType": "Gateway", "RouteTableIds": list(run.output(self.tables).inner)}
        if service != GATEWAY:
            where = {"VpcEndpointType": "Interface", "PrivateDnsEnabled": True, "SubnetIds": self._zoned(run, service),
                     "SecurityGroupIds": [run.output(self.groups).endpoints]}
        made: Any = run.retry(f"subnets, tables and groups of the {service} endpoint are known", partial(
            run.at(self.region).ec2.create_vpc_endpoint, VpcId=vpc_id, ServiceName=self._service_name(service),
            ClientToken=run.names.token(vpc_id, name, *sorted(former)),
            TagSpecifications=specification("vpc-endpoint", run.tags(self.site, name)), **where),
            TOO_YOUNG, within=PROPAGATION)
        endpoint = _endpoint(made["VpcEndpoint"])
        return self._create(run, service, [*former, endpoint.id]) if endpoint.state in DEAD else endpoint.id

    def _service_name(self, service: str) -> str:
        return f"com.amazonaws.{self.region}.{service}"

    def _zoned(self, run: Run, service: str) -> list[str]:
        """The private subnets in zones that offer the service: a subnet in another zone is InvalidParameter."""
        offered = set(run.at(self.region).ec2.describe_vpc_endpoint_services(
            ServiceNames=[self._service_name(service)])["ServiceDetails"][0]["AvailabilityZones"])
        subnets = run.output(self.subnets)
        chosen = [subnet for zone, subnet in zip(subnets.zones, subnets.private, strict=True) if zone in offered]
        if not chosen:
            raise Refused(f"{self._service_name(service)} is offered in none of the zones {', '.join(subnets.zones)}",
                          next_step="choose another region, or network.egress: nat")
        return chosen

    def _await(self, run: Run, ids: set[str]) -> dict[str, Endpoint]:
        """One wait for all of `ids`, ended early when one of them can no longer become available."""
        every = run.wait_until(
            "the VPC endpoints are available", lambda: self._all(run),
            lambda seen: ids <= {one.id for _, one in seen if one.state == "available"}, within=LIFE,
            failed=lambda seen: next((f"{one.id} is {one.state}" for _, one in seen
                                      if one.id in ids and one.state in DEAD), None),
            show=lambda seen: ", ".join(f"{service} {one.state}" for service, one in sorted(
                seen, key=lambda item: item[0])) or "none")
        return {service: endpoint for service, endpoint in every if endpoint.state not in DEAD}

    def _changes(self, run: Run, service: str, endpoint: Endpoint) -> dict[str, Any]:
        """Parameters of ModifyVpcEndpoint that mend the endpoint; empty when it is as it should be."""
        if service not in self._services(run):
            return {}
        if service == GATEWAY:
            return _difference("RouteTableIds", frozenset(run.output(self.tables).inner), endpoint.tables)
        subnets = frozenset(run.output(self.subnets).private)
        if endpoint.subnets != subnets:  # asked only now: usually every zone has every service
            subnets = frozenset(self._zoned(run, service))
        return {**_difference("SubnetIds", subnets, endpoint.subnets),
                **_difference("SecurityGroupIds", frozenset({run.output(self.groups).endpoints}), endpoint.groups),
                **({} if endpoint.private_dns else {"PrivateDnsEnabled": True})}

    def _change(self, run: Run, endpoint_id: str, change: dict[str, Any]) -> None:
        """One table that is there but not shown yet fails the whole call: then one by one."""
        ec2, tables = run.at(self.region).ec2, change.get("AddRouteTableIds", [])
        modify = partial(ec2.modify_vpc_endpoint, VpcEndpointId=endpoint_id)
        try:
            run.retry(f"what {endpoint_id} is to have is known", partial(modify, **change), TOO_YOUNG,
                      within=PROPAGATION)
        except ClientError as error:
            if not is_one_of(error, THERE_ALREADY):
                raise
            rest = {name: value for name, value in change.items() if name != "AddRouteTableIds"}
            for part in [*({"AddRouteTableIds": [table]} for table in tables), *([rest] if rest else [])]:
                with already(THERE_ALREADY):
                    modify(**part)

    def _settled(self, run: Run) -> EndpointsOut:
        return _out(run.wait_until(
            "the changed VPC endpoints are as they should be", lambda: self._living(run),
            lambda seen: all(one.state == "available" and not self._changes(run, service, one)
                             for service, one in seen.items()), within=LIFE, show=lambda seen: f"{len(seen)} seen"))

    def verify(self, run: Run, out: EndpointsOut) -> Iterable[Finding]:
        for service, endpoint in out.seen.items():
            where = f"VPC endpoint {endpoint.id} ({service}, {self.region})"
            if service not in self._services(run):
                yield Finding(f"{where} is no longer needed and costs money")
            elif endpoint.state != "available":
                yield Finding(f"{where} is {endpoint.state}")
            for parameter, value in self._changes(run, service, endpoint).items():
                yield Finding(f"{where} is not as it should be: {parameter} {value}")

    def destroy(self, run: Run) -> None:
        self._remove(run, [endpoint.id for endpoint in self._living(run).values()])
        self._await_gone(run)

    def _remove(self, run: Run, ids: list[str]) -> None:
        """DeleteVpcEndpoints answers 200 and tells what it refused in the body."""
        if ids:
            failures = run.at(self.region).ec2.delete_vpc_endpoints(VpcEndpointIds=ids)["Unsuccessful"]
            refuse_partial("DeleteVpcEndpoints", [one for one in failures if "NotFound" not in one["Error"]["Code"]])
            self._await_gone(run, *ids)

    def _await_gone(self, run: Run, *ids: str) -> None:
        """Until it is gone, an endpoint's interfaces hold subnets and security groups; without ids, all of ours."""
        run.wait_until("the VPC endpoints are gone", lambda: [
            one for _, one in self._all(run) if one.state not in {"deleted", "failed", "rejected", "expired"}
            and (not ids or one.id in ids)], lambda left: not left, within=LIFE,
            show=lambda left: ", ".join(f"{one.id} {one.state}" for one in left) or "none left")

    def uses(self, run: Run, out: EndpointsOut | None) -> Iterable[Use]:
        """The gateway endpoint is free."""
        zones = run.settings.network.availability_zones
        count = (zones * len(self._services(run)[1:]) if out is None else
                 sum(len(one.subnets) for service, one in out.seen.items() if service != GATEWAY))
        yield Use("endpoints and NAT", "endpoint-hour", count * HOURS)
        if count and self.site.role == "primary":
            yield Use("endpoints and NAT", "endpoint-gb", run.settings.estimate.egress_gb)

    def resources(self, out: EndpointsOut) -> Iterable[Resource]:
        for endpoint_id in out.ids.values():
            yield Resource("ec2:vpc-endpoint", endpoint_id, self.region)


def _out(seen: Mapping[str, Endpoint]) -> EndpointsOut:
    return EndpointsOut({service: endpoint.id for service, endpoint in seen.items()}, seen)


def _endpoint(one: Any) -> Endpoint:
    return Endpoint(one["VpcEndpointId"], one["State"].lower(), bool(one.get("PrivateDnsEnabled")),
                    frozenset(one.get("SubnetIds", [])), frozenset(group["GroupId"] for group in one.get("Groups", [])),
                    frozenset(one.get("RouteTableIds", [])))


def _difference(name: str, want: frozenset[str], seen: frozenset[str]) -> dict[str, list[str]]:
    """`Add…` and `Remove…` parameters that lead from `seen` to `want`."""
    pairs = (("Add", want - seen), ("Remove", seen - want))
    return {f"{verb}{name}": sorted(some) for verb, some in pairs if some}
