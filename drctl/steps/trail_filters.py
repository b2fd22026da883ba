"""What the trail's log group is watched for: one metric filter for each kind of call that nobody makes every day.

The kinds are those that auditors ask for (CIS Amazon Web Services Foundations Benchmark, "Monitoring"), the calls of
each with them. drctl's own provision and teardown make some of them, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, or_none
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.waiting import minutes
from drctl.steps.trail import Trail, log_group_name

#: Somebody else changes the group at the same moment, or it is not known everywhere yet.
BUSY = (Refusal("OperationAbortedException"), Refusal("ResourceNotFoundException"))


@dataclass(frozen=True)
class Watched:
    """A kind of call: `purpose` names filter, metric and alarm; `says` tells the person who is woken."""

    purpose: str
    says: str
    pattern: str


def _calls(*names: str, source: str = "") -> str:
    """A filter pattern for calls by name, of one service where others have calls of the same name."""
    some = " || ".join(f"($.eventName = {name})" for name in names)
    return f"{{ ($.eventSource = {source}) && ({some}) }}" if source else f"{{ {some} }}"


WATCHED = (
    Watched("network-acls", "a network ACL was changed", _calls(
        "CreateNetworkAcl", "CreateNetworkAclEntry", "DeleteNetworkAcl", "DeleteNetworkAclEntry",
        "ReplaceNetworkAclEntry", "ReplaceNetworkAclAssociation")),
    Watched("gateways", "a way to the internet was made or removed", _calls(
        "CreateCustomerGateway", "DeleteCustomerGateway", "AttachInternetGateway", "CreateInternetGateway",
        "DeleteInternetGateway", "DetachInternetGateway")),
    Watched("routes", "a route was changed", _calls(
        "CreateRoute", "CreateRouteTable", "ReplaceRoute", "ReplaceRouteTableAssociation", "DeleteRouteTable",
        "DeleteRoute", "DisassociateRouteTable", source="ec2.amazonaws.com")),
    Watched("networks", "a VPC or a peering was changed", _calls(
        "CreateVpc", "DeleteVpc", "ModifyVpcAttribute", "AcceptVpcPeeringConnection", "CreateVpcPeeringConnection",
        "DeleteVpcPeeringConnection", "RejectVpcPeeringConnection", "AttachClassicLinkVpc", "DetachClassicLinkVpc",
        "DisableVpcClassicLink", "EnableVpcClassicLink")),
    Watched("sign-in-failures", "somebody failed to sign in to the console",
            '{ ($.eventName = ConsoleLogin) && ($.errorMessage = "Failed authentication") }'),
    Watched("root-used", "the account's root user did something", '{ $.userIdentity.type = "Root" && '
            '$.userIdentity.invokedBy NOT EXISTS && $.eventType != "AwsServiceEvent" }'),
)


def metric(run: Run, watched: Watched) -> tuple[str, str]:
    """Namespace and name of the metric that counts a kind of call."""
    return f"drctl/{run.settings.environment}", watched.purpose


@dataclass(frozen=True)
class TrailFiltersOut:
    """Each filter as it stands: its pattern and what it counts, by its name."""

    seen: dict[str, tuple[str, Any]]


@dataclass(frozen=True, eq=False)
class TrailFilters(Step[TrailFiltersOut]):
    """All of them, seen with one call; they go with the log group, which is the stack's."""

    trail: Trail

    def find(self, run: Run) -> TrailFiltersOut | None:
        group = log_group_name(run, self.site)
        there: Any = or_none(lambda: run.at(self.site).logs.describe_metric_filters(logGroupName=group)) or {}
        seen = {one["filterName"]: (one["filterPattern"], one["metricTransformations"])
                for one in there.get("metricFilters", [])}
        return TrailFiltersOut(seen) if seen else None

    def _wanted(self, run: Run) -> dict[str, tuple[str, Any]]:
        found: dict[str, tuple[str, Any]] = {}
        for one in WATCHED:
            namespace, name = metric(run, one)
            found[one.purpose] = one.pattern, [{"metricNamespace": namespace, "metricName": name, "metricValue": "1"}]
        return found

    def _differing(self, run: Run, out: TrailFiltersOut | None) -> list[str]:
        return [name for name, wanted in self._wanted(run).items() if out is None or not _is_as(
            out.seen.get(name), wanted)]

    def ensure(self, run: Run) -> TrailFiltersOut:
        out, wanted = run.found(self), self._wanted(run)
        if out is not None and not self._differing(run, out):
            return out
        logs, group = run.at(self.site).logs, log_group_name(run, self.site)
        for name in self._differing(run, out):
            put = partial(logs.put_metric_filter, logGroupName=group, filterName=name, filterPattern=wanted[name][0],
                          metricTransformations=wanted[name][1])
            run.retry(f"log group {group} takes filter {name}", put, BUSY, within=minutes(2))
        return run.wait_until(f"the filters of {group} stand", lambda: self.find(run), within=minutes(2),
                              ready=lambda seen: not self._differing(run, seen),
                              show=lambda seen: f"{len(seen.seen) if seen else 0} of {len(wanted)}"
                              ) or run.output(self)

    def verify(self, run: Run, out: TrailFiltersOut) -> Iterable[Finding]:
        for name in self._differing(run, out):
            yield Finding(f"filter {name} of log group {log_group_name(run, self.site)} does not count what it should")

    def destroy(self, run: Run) -> None:
        logs, group, out = run.at(self.site).logs, log_group_name(run, self.site), self.find(run)
        for name in set(out.seen) & set(self._wanted(run)) if out else ():
            with absent_is_fine():
                logs.delete_metric_filter(logGroupName=group, filterName=name)

    def resources(self, out: TrailFiltersOut) -> Iterable[Resource]:
        yield from (Resource("logs:metric-filter", name, self.region) for name in out.seen)


def _is_as(seen: tuple[str, Any] | None, wanted: tuple[str, Any]) -> bool:
    """AWS adds what it assumes to what is counted."""
    return seen is not None and seen[0] == wanted[0] and len(seen[1]) == 1 and all(
        seen[1][0].get(key) == value for key, value in wanted[1][0].items())
