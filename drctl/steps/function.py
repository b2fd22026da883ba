"""A Lambda function in the private subnets, with the database's address in its environment: the app, or the probe."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from drctl.engine.run import Run
from drctl.engine.step import Step
from drctl.engine.usage import CHECK_MS, Use, visits
from drctl.engine.waiting import minutes
from drctl.packaging import Package
from drctl.steps.cluster_state import ClusterOut
from drctl.steps.deployed_function import ALIAS, DeployedFunction, FunctionOut
from drctl.steps.role import Role
from drctl.steps.secret import DatabaseSecret
from drctl.steps.security_groups import SecurityGroups
from drctl.steps.subnets import Subnets

__all__ = ["ALIAS", "Function", "FunctionOut"]

#: Lambda gives its network interfaces back 20 minutes and more after the last function (Terraform provider: 45 min).
INTERFACES = minutes(45)
#: How EC2 describes them.
INTERFACE = "AWS Lambda VPC ENI"


@dataclass(frozen=True, eq=False)
class Function(DeployedFunction):
    """In the VPC, so gone only when its network interfaces are."""

    subnets: Subnets
    groups: SecurityGroups
    secret: DatabaseSecret
    cluster: Step[ClusterOut]
    #: What must stand so that the function can reach AWS from its subnets: endpoints, or NAT.
    egress: tuple[Step[Any], ...]
    #: Roles of the functions in the same subnets and group: Lambda shares network interfaces among them and removes
    #: them with the rights of whichever made them, so that every role outlives the last function.
    sharing: tuple[Role, ...] = ()

    @property
    def is_released_apart(self) -> bool:
        """The app, which users work with; nobody waits for the probe, nor for the app at a copy."""
        return self.label == "app"

    def _size(self, run: Run) -> tuple[int, int]:
        return run.settings.app.memory_mb, run.settings.app.timeout_s

    def _network(self, run: Run) -> dict[str, list[str]]:
        return {"SubnetIds": sorted(run.output(self.subnets).private),
                "SecurityGroupIds": [run.output(self.groups).app]}

    def _environment(self, run: Run, code: Package) -> dict[str, str]:
        cluster = run.output(self.cluster)
        return {"DRCTL_REGION": self.region, "DRCTL_ROLE": self.site.role, "DRCTL_STACK": run.settings.environment,
                "DATABASE_HOST": cluster.endpoint, "DATABASE_PORT": str(cluster.port),
                "DATABASE_NAME": run.settings.database.name,
                "DATABASE_SECRET": run.output(self.secret).local(self.region),
                "SERVICE_VERSION": base64.b64decode(code.sha256).hex()[:12]}

    def _after_deletion(self, run: Run, seen: Any) -> None:
        """Its interfaces hold subnets and groups, and their removal needs the role."""
        groups = run.found(self.groups)
        held = [groups.app] if groups else []
        if seen is not None:
            held = held or seen["Configuration"].get("VpcConfig", {}).get("SecurityGroupIds", [])
        for group in held:
            self._wait_for_interfaces(run, group)

    def _wait_for_interfaces(self, run: Run, group: str) -> None:
        """Functions in the same subnets and group share them: the last function to go waits."""
        run.wait_until(
            f"Lambda has given back the network interfaces of {group}", lambda: self._interfaces(run, group),
            lambda left: left == 0 or self._is_shared(run, group), within=INTERFACES, every=30,
            show=lambda left: f"{left} left")

    def _interfaces(self, run: Run, group: str) -> int:
        found = run.at(self.site).ec2.describe_network_interfaces(
            Filters=[{"Name": "group-id", "Values": [group]}])["NetworkInterfaces"]
        return sum(1 for one in found if one.get("Description", "").startswith(INTERFACE))

    def _is_shared(self, run: Run, group: str) -> bool:
        pages = run.at(self.site).lambda_.get_paginator("list_functions").paginate()
        return any(group in one.get("VpcConfig", {}).get("SecurityGroupIds", [])
                   for page in pages for one in page["Functions"] if one["FunctionName"] != self.name(run))

    def uses(self, run: Run, out: FunctionOut | None) -> Iterable[Use]:
        """Beside the app, functions work for seconds a day."""
        if self.label != "app":
            return
        seen, estimate, millions = visits(run.settings, self.site), run.settings.estimate, 1e6
        memory_mb = out.configuration["MemorySize"] if out else run.settings.app.memory_mb
        seconds = (seen.checks * CHECK_MS + seen.users * estimate.request_ms) / 1e3 * millions
        yield Use("functions", "function-million", seen.all)
        yield Use("functions", "function-gb-second", seconds * memory_mb / 1024)
