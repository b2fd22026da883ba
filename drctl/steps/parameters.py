"""What an application needs to know about its region, in SSM parameters below `/drctl/<environment>`.

Parameters do not cross regions (Systems Manager User Guide): each region gets its own, with local names and endpoints,
so that an application starts in the standby region without asking the lost one. The zone's name servers are among them
for drctl itself: a failover proves what DNS answers without asking Route 53, whose control plane is in us-east-1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drctl.aws.errors import Refusal, or_none
from drctl.aws.tags import as_list, as_map, refuse_foreign
from drctl.engine.run import NotBuilt, Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.waiting import minutes
from drctl.settings import Site

if TYPE_CHECKING:
    from drctl.steps.data_bucket import DataBucket
    from drctl.steps.event_bus import EventBus
    from drctl.steps.primary_cluster import PrimaryCluster
    from drctl.steps.secret import DatabaseSecret
    from drctl.steps.standby_cluster import StandbyCluster
    from drctl.steps.zone import Zone

NAMES = ("app-name", "bucket", "database-host", "database-name", "database-port", "database-reader-host",
         "database-secret", "event-bus", "name-servers", "peer-region", "role")
#: Names that one call takes (Systems Manager API Reference, GetParameters and DeleteParameters).
AT_ONCE = 10

#: Another change of the same parameter is under way (Systems Manager API Reference, PutParameter).
BUSY = (Refusal("TooManyUpdates"),)


def path(run: Run) -> str:
    """The path of all parameters, without final slash."""
    return f"/drctl/{run.settings.environment}"


def full_name(run: Run, name: str) -> str:
    """The name of a parameter with its path."""
    return f"{path(run)}/{name}"


def value_of(run: Run, site: Site, name: str) -> str:
    """What a parameter of a region says, asked of that region with one call; NotBuilt when it is absent."""
    answer = or_none(lambda: run.at(site).ssm.get_parameter(Name=full_name(run, name)))
    if answer is None:
        raise NotBuilt(f"parameter {full_name(run, name)} is absent in {site.region}", next_step="drctl provision")
    return answer["Parameter"]["Value"]


@dataclass(frozen=True)
class ParametersOut:
    """The parameters that stand, and their values by name."""

    names: tuple[str, ...]
    values: dict[str, str]


@dataclass(frozen=True, eq=False)
class Parameters(Step[ParametersOut]):
    """The stack's own path in the region; what else somebody puts there stays."""

    cluster: PrimaryCluster | StandbyCluster
    secret: DatabaseSecret
    bucket: DataBucket
    bus: EventBus
    zone: Zone

    def _wanted(self, run: Run) -> dict[str, str]:
        settings, cluster, secret = run.settings, run.output(self.cluster), run.output(self.secret)
        values = {
            "app-name": settings.dns.name, "bucket": run.output(self.bucket).name, "database-host": cluster.endpoint,
            "database-name": settings.database.name, "database-port": str(cluster.port),
            "database-reader-host": cluster.reader_endpoint,
            "database-secret": secret.arn if self.site.role == "primary" else secret.standby_arn,
            "event-bus": run.output(self.bus).name,
            "name-servers": ",".join(run.output(self.zone).name_servers),
            "peer-region": settings.other(self.site).region, "role": self.site.role}
        return {full_name(run, name): values[name] for name in NAMES}

    def find(self, run: Run) -> ParametersOut | None:
        names = [full_name(run, name) for name in NAMES]
        answers = [run.at(self.site).ssm.get_parameters(Names=some) for some in _few(names)]
        values = {one["Name"]: one["Value"] for answer in answers for one in answer["Parameters"]}
        return ParametersOut(tuple(values), values) if values else None

    def ensure(self, run: Run) -> ParametersOut:
        out, wanted = run.found(self) or ParametersOut((), {}), self._wanted(run)
        if out.values == wanted:
            return out
        self._refuse_foreign(run, {name for name in out.names if out.values[name] != wanted[name]})
        for name, value in wanted.items():
            if out.values.get(name) != value:
                self._put(run, name, value, exists=name in out.values)
        return run.wait_until("all parameters can be read", lambda: self.find(run), within=minutes(2),
                              ready=lambda seen: seen is not None and seen.values == wanted,
                              show=lambda seen: f"{len(seen.names) if seen else 0} of {len(wanted)}") or out

    def _put(self, run: Run, name: str, value: str, *, exists: bool) -> None:
        """Tags go only with a new parameter: Overwrite and Tags exclude each other."""
        ssm = run.at(self.site).ssm
        if not exists:
            try:
                run.retry(f"parameter {name} can be made", lambda: ssm.put_parameter(
                    Name=name, Value=value, Type="String", Tags=as_list(run.tags(self.site)),
                    Description=f"drctl: {run.settings.environment}"), BUSY, within=minutes(2))
            except ssm.exceptions.ParameterAlreadyExists:
                # Made moments ago, by a call whose answer was lost or by somebody else: reads miss it still.
                tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
                refuse_foreign("parameter", f"{name} in {self.region}", as_map(tags), run.settings.environment)
            else:
                return
        run.retry(f"parameter {name} takes its value", lambda: ssm.put_parameter(
            Name=name, Value=value, Type="String", Overwrite=True), BUSY, within=minutes(2))

    def verify(self, run: Run, out: ParametersOut) -> Iterable[Finding]:
        for name, value in self._wanted(run).items():
            if name not in out.values:
                yield Finding(f"parameter {name} is absent in {self.region}")
            elif out.values[name] != value:
                yield Finding(f"parameter {name} in {self.region} is {out.values[name]!r}, not {value!r}")

    def destroy(self, run: Run) -> None:
        if (out := self.find(run)) is None:
            return
        self._refuse_foreign(run, set(out.names))
        for some in _few(out.names):
            run.at(self.site).ssm.delete_parameters(Names=some)

    def _refuse_foreign(self, run: Run, names: set[str]) -> None:
        if names and (foreign := names - self._ours(run)):
            refuse_foreign("parameter", f"{min(foreign)} in {self.region}", {}, run.settings.environment)

    def _ours(self, run: Run) -> set[str]:
        """Names of the path's parameters that carry the stack's tag."""
        pages = run.at(self.site).ssm.get_paginator("describe_parameters").paginate(ParameterFilters=[
            {"Key": "Path", "Option": "OneLevel", "Values": [path(run)]},
            {"Key": "tag:drctl:stack", "Values": [run.settings.environment]}])
        return {one["Name"] for page in pages for one in page["Parameters"]}

    def resources(self, out: ParametersOut) -> Iterable[Resource]:
        yield from (Resource("ssm:parameter", name, self.region) for name in out.names)


def _few(names: Sequence[str]) -> Iterator[list[str]]:
    """The names, as many at once as one call takes."""
    return (list(names[start:start + AT_ONCE]) for start in range(0, len(names), AT_ONCE))
