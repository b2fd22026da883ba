"""What an Aurora cluster needs beside it: where it may run (subnet group) and how it is set (parameter groups).

A second region inherits none of it (Aurora User Guide, "Getting started with Aurora global databases"): both regions
get the same content, so that the standby behaves alike when it becomes the writer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, is_gone, is_one_of, or_none
from drctl.aws.tags import as_list, as_map, is_ours
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.waiting import minutes
from drctl.errors import NotOurs
from drctl.settings import Settings
from drctl.steps.subnets import Subnets

RPO_LIMIT = "rds.global_db_rpo"
#: A group is busy while a cluster that used it is going (Terraform provider: 3 min to delete a parameter group).
IN_USE = (Refusal("InvalidDBParameterGroupState"), Refusal("InvalidDBSubnetGroupStateFault"))
#: A parameter group takes no second change while it "has pending changes" (Terraform provider: 3 min).
UNSETTLED = IN_USE[:1]
RELEASE = minutes(5)


@dataclass(frozen=True)
class DatabaseGroupsOut:
    """Names of the groups, and what is in them."""

    subnet_group: str
    cluster_parameters: str
    instance_parameters: str
    subnets: frozenset[str]
    cluster_values: dict[str, str]
    instance_values: dict[str, str]


def family(engine_version: str) -> str:
    """Parameter group family of an engine version: `aurora-postgresql16` for `16.6`."""
    return f"aurora-postgresql{engine_version.split('.', maxsplit=1)[0]}"


def cluster_values(settings: Settings) -> dict[str, str]:
    """Cluster parameters that differ from Aurora's defaults.

    `log_statement` stays at its default: statements in a log would carry data out of the database. The limit on
    replication lag stays unset unless asked for: with one secondary region it blocks commits after a failover
    (Aurora User Guide, "Managing RPOs for Aurora PostgreSQL-based global databases").
    """
    limit = settings.database.rpo_limit_s
    return {"rds.force_ssl": "1", **({RPO_LIMIT: str(limit)} if limit else {})}


#: Instance parameters that differ from Aurora's defaults: who waits long for a lock is worth a line in the log.
INSTANCE_VALUES = {"log_lock_waits": "1"}


@dataclass(frozen=True, eq=False)
class DatabaseGroups(Step[DatabaseGroupsOut]):
    """Subnet group, cluster parameter group and instance parameter group of a region."""

    subnets: Subnets

    def _names(self, run: Run) -> tuple[str, str, str]:
        return (run.name("subnets", "database", self.site), run.name("cluster-params", "database", self.site),
                run.name("params", "database", self.site))

    def find(self, run: Run) -> DatabaseGroupsOut | None:
        rds, (subnet_group, cluster, instance) = run.at(self.site).rds, self._names(run)
        try:
            group = rds.describe_db_subnet_groups(DBSubnetGroupName=subnet_group)["DBSubnetGroups"][0]
            return DatabaseGroupsOut(
                subnet_group, cluster, instance, frozenset(subnet["SubnetIdentifier"] for subnet in group["Subnets"]),
                _values(partial(rds.get_paginator("describe_db_cluster_parameters").paginate,
                                DBClusterParameterGroupName=cluster), set(cluster_values(run.settings))),
                _values(partial(rds.get_paginator("describe_db_parameters").paginate, DBParameterGroupName=instance),
                        set(INSTANCE_VALUES)))
        except rds.exceptions.ClientError as error:
            if is_gone(error):
                return None
            raise

    def ensure(self, run: Run) -> DatabaseGroupsOut:
        out = run.found(self)
        if out is None:
            self._create_missing(run)
            out = run.wait_until("the database's groups are there", lambda: self.find(run),
                                 lambda seen: seen is not None, within=minutes(3)) or run.output(self)
        self._converge(run, out)
        return out

    def _create_missing(self, run: Run) -> None:
        rds, names, groups = run.at(self.site).rds, self._names(run), run.output(self.subnets).database
        tags = [as_list(run.tags(self.site, name)) for name in names]
        about, kind = f"drctl: database of {run.settings.environment}", family(run.settings.database.engine_version)
        self._create(run, "subgrp", names[0], lambda: rds.create_db_subnet_group(
            DBSubnetGroupName=names[0], DBSubnetGroupDescription=about, SubnetIds=list(groups), Tags=tags[0]))
        self._create(run, "cluster-pg", names[1], lambda: rds.create_db_cluster_parameter_group(
            DBClusterParameterGroupName=names[1], DBParameterGroupFamily=kind, Description=about, Tags=tags[1]))
        self._create(run, "pg", names[2], lambda: rds.create_db_parameter_group(
            DBParameterGroupName=names[2], DBParameterGroupFamily=kind, Description=about, Tags=tags[2]))

    def _create(self, run: Run, kind: str, name: str, create: Callable[[], Any]) -> None:
        """Make one group; one that is there already must be ours."""
        try:
            run.retry(f"{name} can be made", create, (Refusal("InvalidSubnet"),), within=minutes(5))
        except run.at(self.site).rds.exceptions.ClientError as error:
            if not is_one_of(error, Refusal("DBSubnetGroupAlreadyExists"), Refusal("DBParameterGroupAlreadyExists")):
                raise
            self._refuse_a_foreign(run, kind, name)

    def _refuse_a_foreign(self, run: Run, kind: str, name: str) -> None:
        """Groups show no tags when described, so they are asked for by ARN before anything is changed."""
        arn = f"arn:aws:rds:{self.region}:{run.settings.account_id}:{kind}:{name}"
        tags = as_map(run.at(self.site).rds.list_tags_for_resource(ResourceName=arn)["TagList"])
        if not is_ours(tags, run.settings.environment):
            raise NotOurs(f"{name} in {self.region} exists and does not belong to this stack",
                          next_step="delete that group, or choose another environment name")

    def _converge(self, run: Run, out: DatabaseGroupsOut) -> None:
        rds = run.at(self.site).rds
        if out.subnets != set(wanted := run.output(self.subnets).database):
            self._refuse_a_foreign(run, "subgrp", out.subnet_group)
            rds.modify_db_subnet_group(DBSubnetGroupName=out.subnet_group, SubnetIds=list(wanted))
        if RPO_LIMIT in out.cluster_values and RPO_LIMIT not in cluster_values(run.settings):
            self._refuse_a_foreign(run, "cluster-pg", out.cluster_parameters)
            run.retry("the cluster parameter group can be reset", lambda: rds.reset_db_cluster_parameter_group(
                DBClusterParameterGroupName=out.cluster_parameters, Parameters=[
                    {"ParameterName": RPO_LIMIT, "ApplyMethod": "immediate"}]), UNSETTLED, within=RELEASE)
        if changed := _changes(out.cluster_values, cluster_values(run.settings)):
            self._refuse_a_foreign(run, "cluster-pg", out.cluster_parameters)
            run.retry("the cluster parameter group takes changes", lambda: rds.modify_db_cluster_parameter_group(
                DBClusterParameterGroupName=out.cluster_parameters, Parameters=changed), UNSETTLED, within=RELEASE)
        if changes := _changes(out.instance_values, INSTANCE_VALUES):
            self._refuse_a_foreign(run, "pg", out.instance_parameters)
            run.retry("the parameter group takes changes", lambda: rds.modify_db_parameter_group(
                DBParameterGroupName=out.instance_parameters, Parameters=changes), UNSETTLED, within=RELEASE)

    def verify(self, run: Run, out: DatabaseGroupsOut) -> Iterable[Finding]:
        if out.subnets != set(run.output(self.subnets).database):
            yield Finding(f"{out.subnet_group} does not have the database subnets of {self.region}")
        if RPO_LIMIT in out.cluster_values and RPO_LIMIT not in cluster_values(run.settings):
            yield Finding(f"{out.cluster_parameters} sets {RPO_LIMIT}, which can block commits after a failover")
        for change in _changes(out.cluster_values, cluster_values(run.settings)):
            yield Finding(f"{out.cluster_parameters}: {change['ParameterName']} is not {change['ParameterValue']}")
        for change in _changes(out.instance_values, INSTANCE_VALUES):
            yield Finding(f"{out.instance_parameters}: {change['ParameterName']} is not {change['ParameterValue']}")

    def destroy(self, run: Run) -> None:
        rds, (subnet_group, cluster, instance) = run.at(self.site).rds, self._names(run)
        for kind, name, look, delete in (
                ("subgrp", subnet_group, partial(rds.describe_db_subnet_groups, DBSubnetGroupName=subnet_group),
                 partial(rds.delete_db_subnet_group, DBSubnetGroupName=subnet_group)),
                ("cluster-pg", cluster,
                 partial(rds.describe_db_cluster_parameter_groups, DBClusterParameterGroupName=cluster),
                 partial(rds.delete_db_cluster_parameter_group, DBClusterParameterGroupName=cluster)),
                ("pg", instance, partial(rds.describe_db_parameter_groups, DBParameterGroupName=instance),
                 partial(rds.delete_db_parameter_group, DBParameterGroupName=instance))):
            # asking a missing group for its tags is InvalidParameterValue, which says many things (Terraform: #17822)
            if or_none(look) is None:
                continue
            with absent_is_fine():
                self._refuse_a_foreign(run, kind, name)
                run.retry(f"{name} is not used any more", delete, IN_USE, within=RELEASE)

    def foreseen(self, run: Run, out: DatabaseGroupsOut | None) -> Mapping[str, Any]:
        return dict(zip(("subnet_group", "cluster_parameters", "instance_parameters"), self._names(run), strict=True))

    def resources(self, out: DatabaseGroupsOut) -> Iterable[Resource]:
        yield Resource("rds:subgrp", out.subnet_group, self.region)
        yield Resource("rds:cluster-pg", out.cluster_parameters, self.region)
        yield Resource("rds:pg", out.instance_parameters, self.region)


def _values(pages: Callable[..., Any], names: set[str]) -> dict[str, str]:
    """Values set by us; the hundreds of defaults are read only when AWS counts one of ours among them."""
    found: dict[str, str] = {}
    for only in ({"Source": "user"}, {}):
        found |= {one["ParameterName"]: one["ParameterValue"] for page in pages(**only) for one in page["Parameters"]
                  if "ParameterValue" in one and (only or one["ParameterName"] in names)}
        if names <= set(found):
            break
    return found


def _changes(found: dict[str, str], wanted: dict[str, str]) -> list[Any]:
    """Parameters to set; all of ours are dynamic, so they take effect at once."""
    return [{"ParameterName": name, "ParameterValue": value, "ApplyMethod": "immediate"}
            for name, value in wanted.items() if found.get(name) != value]
