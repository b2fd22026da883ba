"""The one way of a temporary copy's functions to AWS: an interface endpoint of their own, for the database's secret.

It has no private DNS name: that belongs to the stack's own endpoint and, in the same VPC, would be answered to the
stack's functions too. The copy's functions are told its name instead (AWS SDKs and Tools Reference Guide,
"Service-specific endpoints").
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from drctl.aws.errors import refuse_partial
from drctl.aws.policies import document, same
from drctl.aws.tags import ours, specification
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.errors import Refused
from drctl.steps.endpoints import DEAD, LIFE, TOO_YOUNG
from drctl.steps.network import PROPAGATION, Network
from drctl.steps.secret import DatabaseSecret
from drctl.steps.subnets import Subnets
from drctl.steps.temporary_groups import TemporaryGroups

SERVICE = "secretsmanager"
#: Variable that tells every AWS SDK where Secrets Manager is (AWS SDKs and Tools Reference Guide, "Identifiers for
#: service-specific endpoints").
VARIABLE = "AWS_ENDPOINT_URL_SECRETS_MANAGER"


@dataclass(frozen=True)
class TemporaryEndpointOut:
    """The endpoint as it stands; `url` is how it is reached by name."""

    id: str
    state: str
    url: str
    groups: frozenset[str]
    private_dns: bool
    policy: str


@dataclass(frozen=True, eq=False)
class TemporaryEndpoint(Step[TemporaryEndpointOut]):
    """An endpoint in one subnet, found by its Name tag; its policy lets nothing through but reading the one secret."""

    waits = ("endpoint-create",)

    label: str
    network: Network
    subnets: Subnets
    groups: TemporaryGroups
    secret: DatabaseSecret

    @property
    def purpose(self) -> str:
        return self.label

    def _name(self, run: Run) -> str:
        return run.name("ec2", f"{self.label}-endpoint", self.site)

    def _all(self, run: Run) -> list[Any]:
        """Every one of the name, dead ones too."""
        found: list[Any] = run.at(self.site).ec2.describe_vpc_endpoints(
            Filters=ours(run.settings.environment, self._name(run)))["VpcEndpoints"]
        return found

    def find(self, run: Run) -> TemporaryEndpointOut | None:
        return next((_out(one) for one in self._all(run) if one["State"].lower() not in DEAD), None)

    def _policy(self, run: Run) -> str:
        return json.dumps(document({
            "Effect": "Allow", "Principal": "*", "Action": "secretsmanager:GetSecretValue",
            "Resource": run.output(self.secret).local(self.region)}))

    def ensure(self, run: Run) -> TemporaryEndpointOut:
        out = run.found(self)
        if out is None:
            self._create(run, [one["VpcEndpointId"] for one in self._all(run)])
        elif not same(out.policy, self._policy(run)):
            run.at(self.site).ec2.modify_vpc_endpoint(VpcEndpointId=out.id, PolicyDocument=self._policy(run))
        if out is not None and out.state == "available":
            return out
        return run.wait_until(
            f"the endpoint of the {self.label} copy is available", lambda: self.find(run),
            lambda seen: seen is not None and seen.state == "available", within=LIFE,
            show=lambda seen: seen.state if seen else "not visible yet") or run.output(self)

    def _create(self, run: Run, former: list[str]) -> None:
        """The token names former endpoints too: AWS remembers a token longer than what it made."""
        ec2, name, vpc_id = run.at(self.site).ec2, self._name(run), run.output(self.network).vpc_id
        made: Any = run.retry(f"subnet and group of the {self.label} copy's endpoint are known", partial(
            ec2.create_vpc_endpoint, VpcId=vpc_id, VpcEndpointType="Interface", PrivateDnsEnabled=False,
            ServiceName=self._service, SubnetIds=[self._subnet(run)], PolicyDocument=self._policy(run),
            SecurityGroupIds=[run.output(self.groups).endpoints], ClientToken=run.names.token(
                vpc_id, name, *sorted(former)), TagSpecifications=specification(
                "vpc-endpoint", run.tags(self.site, name))), TOO_YOUNG, within=PROPAGATION)
        endpoint = made["VpcEndpoint"]
        if endpoint["State"].lower() in DEAD:
            self._create(run, [*former, endpoint["VpcEndpointId"]])

    @property
    def _service(self) -> str:
        return f"com.amazonaws.{self.region}.{SERVICE}"

    def _subnet(self, run: Run) -> str:
        """The first private subnet in a zone that offers the service: one is enough for a drill."""
        offered = set(run.at(self.site).ec2.describe_vpc_endpoint_services(
            ServiceNames=[self._service])["ServiceDetails"][0]["AvailabilityZones"])
        subnets = run.output(self.subnets)
        for zone, subnet in zip(subnets.zones, subnets.private, strict=True):
            if zone in offered:
                return subnet
        raise Refused(f"{self._service} is offered in none of the zones {', '.join(subnets.zones)}",
                      next_step="choose another region")

    def verify(self, run: Run, out: TemporaryEndpointOut) -> Iterable[Finding]:
        where = f"endpoint {out.id} of the {self.label} copy"
        if out.state != "available":
            yield Finding(f"{where} is {out.state}")
        if out.groups != {run.output(self.groups).endpoints}:
            yield Finding(f"{where} carries other groups than its own", mend="remove it")
        if out.private_dns:
            yield Finding(f"{where} has private DNS, which the stack's functions are answered too", mend="remove it")
        if not same(out.policy, self._policy(run)):
            yield Finding(f"{where} lets more through than the database's secret")

    def destroy(self, run: Run) -> None:
        if ids := [one["VpcEndpointId"] for one in self._all(run) if one["State"].lower() not in DEAD]:
            failures = run.at(self.site).ec2.delete_vpc_endpoints(VpcEndpointIds=ids)["Unsuccessful"]
            refuse_partial("DeleteVpcEndpoints", [one for one in failures if "NotFound" not in one["Error"]["Code"]])
        run.wait_until(
            f"the endpoint of the {self.label} copy is gone", lambda: [
                one["State"] for one in self._all(run) if one["State"].lower() not in DEAD - {"deleting"}],
            lambda left: not left, within=LIFE, show=lambda left: ", ".join(left) or "gone")

    def resources(self, out: TemporaryEndpointOut) -> Iterable[Resource]:
        yield Resource("ec2:vpc-endpoint", out.id, self.region)


def _out(one: Any) -> TemporaryEndpointOut:
    name = next((entry["DnsName"] for entry in one.get("DnsEntries", [])), "")
    return TemporaryEndpointOut(one["VpcEndpointId"], one["State"].lower(), f"https://{name}", frozenset(
        group["GroupId"] for group in one.get("Groups", [])), bool(one.get("PrivateDnsEnabled")),
        one.get("PolicyDocument", ""))
