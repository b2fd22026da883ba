"""The instances of an Aurora cluster: the first serves, further ones take over inside the region.

A step of its own, because what talks to the cluster needs its endpoint only, and instances take the longest of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, already, or_none
from drctl.aws.tags import as_list, as_map, is_ours
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.usage import HOURS, Use
from drctl.engine.waiting import minutes
from drctl.errors import NotOurs, WaitTimeout
from drctl.steps.cluster import SERVERLESS, Cluster
from drctl.steps.cluster_state import dead_end
from drctl.steps.global_cluster import ENGINE, GlobalCluster, GlobalClusterOut, refuse_protected
from drctl.steps.key import Key
from drctl.steps.steady import PAUSE, steadily

#: Terraform provider: aws_rds_cluster_instance, 90 min to create, change or delete.
INSTANCE_CHANGE = minutes(90)
#: A fresh copy connects within minutes; an old primary after a failover may take hours, so long is not waited.
CONNECTION = minutes(30)
#: Days of Performance Insights that cost nothing (Aurora User Guide, "Pricing and data retention").
INSIGHTS_DAYS = 7
#: Cluster or instance busy, or a key or parameter group just made.
BUSY = (Refusal("InvalidDBInstanceState"), Refusal("InvalidDBClusterStateFault"), Refusal("KMSKeyNotAccessibleFault"),
        Refusal("DBParameterGroupNotFound"))


@dataclass(frozen=True)
class InstanceOut:
    """One instance as it stands."""

    id: str
    arn: str
    status: str
    instance_class: str
    is_writer: bool
    insights: bool
    #: What can change in place, under the names that ModifyDBInstance gives it.
    settings: Mapping[str, Any]
    #: What of that AWS has accepted and not made yet.
    pending: frozenset[str]


@dataclass(frozen=True)
class InstancesOut:
    """Our instances of the cluster, by identifier."""

    instances: tuple[InstanceOut, ...]


@dataclass(frozen=True, eq=False)
class DatabaseInstances(Step[InstancesOut]):
    """As many instances as configured, found by cluster and tag; the first is the preferred writer of its region."""

    cluster: Cluster
    global_cluster: GlobalCluster
    encryption_key: Key

    waits = ("instance-create",)
    waits_to_change = ("instance-create",)

    def __post_init__(self) -> None:
        if self.site.role == "standby":  # a copy is of use only when it is connected, too
            object.__setattr__(self, "waits", (*type(self).waits, "secondary-connect"))

    def _names(self, run: Run) -> list[str]:
        count = run.settings.database.instances
        return [run.name("aurora", f"instance-{index}", self.site) for index in range(1, count + 1)]

    def _seen(self, run: Run) -> list[Any]:
        """All instances of the cluster, whoever made them."""
        found = run.at(self.site).rds.describe_db_instances(
            Filters=[{"Name": "db-cluster-id", "Values": [self.cluster.cluster_id(run)]}])["DBInstances"]
        return sorted(found, key=lambda one: str(one["DBInstanceIdentifier"]))

    def _ours(self, run: Run) -> list[Any]:
        return [one for one in self._seen(run) if is_ours(as_map(one.get("TagList")), run.settings.environment)]

    def find(self, run: Run) -> InstancesOut | None:
        ours = [one for one in self._ours(run) if one["DBInstanceStatus"] != "deleting"]
        cluster = run.found(self.cluster) if ours else None
        writer = cluster.writer_instance if cluster else None
        return InstancesOut(tuple(_out(one, writer) for one in ours)) if ours else None

    def ensure(self, run: Run) -> InstancesOut:
        out = run.found(self) or InstancesOut(())
        missing = [name for name in self._names(run) if name not in {one.id for one in out.instances}]
        for name in missing:
            self._create(run, name)
        if missing or any(one.status != "available" for one in out.instances):
            out = self._available(run)
        if missing:
            run.refresh(self.cluster)  # it knows now which instance writes
            self._wait_until_connected(run)
            out = self.find(run) or out
        elif self._is_connecting(run):
            with suppress(WaitTimeout):  # verify tells what is missing, and what an old primary takes
                self._wait_until_connected(run)
        self._converge(run, out)
        self._remove_extra(run, out)
        return out

    # Creating ----------------------------------------------------------------------------------------------------

    def _create(self, run: Run, name: str) -> None:
        rds = run.at(self.site).rds
        self._wait_until_gone(run, [name])
        tier = min(self._names(run).index(name), 15)
        try:
            run.retry(f"{name} can be made", lambda: rds.create_db_instance(
                DBInstanceIdentifier=name, DBClusterIdentifier=self.cluster.cluster_id(run), Engine=ENGINE,
                PromotionTier=tier, Tags=as_list(run.tags(self.site, name)), **self._wanted(run),
                **self._insights(run)), BUSY, within=minutes(15))
        except rds.exceptions.DBInstanceAlreadyExistsFault:
            self._refuse_a_foreign(run, name)

    def _refuse_a_foreign(self, run: Run, name: str) -> None:
        """An instance of that name exists: made by us and not shown yet, or somebody else's."""
        rds = run.at(self.site).rds
        seen = run.wait_until(
            f"{name} is shown", lambda: or_none(lambda: rds.describe_db_instances(DBInstanceIdentifier=name)),
            lambda found: found is not None, within=minutes(5), show=lambda found: "there" if found else "not yet")
        one: Any = seen["DBInstances"][0] if seen else {}
        if (one.get("DBClusterIdentifier") != self.cluster.cluster_id(run)
                or not is_ours(as_map(one.get("TagList")), run.settings.environment)):
            raise NotOurs(f"instance {name} in {self.region} exists and does not belong to this stack",
                          next_step="delete it, or choose another environment name") from None

    def _wanted(self, run: Run) -> dict[str, Any]:
        """What can change in place. Members of a global database are upgraded together, by decision, never alone."""
        return {"DBInstanceClass": run.settings.database.instance_class, "AutoMinorVersionUpgrade": False,
                "PubliclyAccessible": False,
                "DBParameterGroupName": run.output(self.cluster.groups).instance_parameters}

    def _insights(self, run: Run) -> dict[str, Any]:
        return {"EnablePerformanceInsights": True, "PerformanceInsightsRetentionPeriod": INSIGHTS_DAYS,
                "PerformanceInsightsKMSKeyId": run.output(self.encryption_key).arn}

    def _available(self, run: Run) -> InstancesOut:
        names = set(self._names(run))
        return run.wait_until(
            f"the instances of {self.cluster.cluster_id(run)} are available", lambda: self.find(run),
            steadily(lambda seen: seen is not None and names <= {one.id for one in seen.instances}
                     and all(one.status == "available" for one in seen.instances)), within=INSTANCE_CHANGE, every=PAUSE,
            failed=_failure, show=_states) or run.output(self)

    def _is_connecting(self, run: Run) -> bool:
        """Whether the copy is not connected yet: a run that died after it had made the instance waited no further."""
        members = run.found(self.global_cluster)
        return (members is not None and members.writer not in {None, self.region}
                and _synchronization(members, self.region) != "connected")

    def _wait_until_connected(self, run: Run) -> None:
        """The first instance of a copy connects it; the writer's own cluster has nothing to connect to."""
        members = run.refresh(self.global_cluster)
        if members is None or members.writer == self.region:
            return
        run.wait_until(
            f"the copy in {self.region} is connected", lambda: run.refresh(self.global_cluster),
            lambda seen: _synchronization(seen, self.region) == "connected", within=CONNECTION,
            show=lambda seen: _synchronization(seen, self.region) or "no member")

    # Settings ----------------------------------------------------------------------------------------------------

    def _converge(self, run: Run, out: InstancesOut) -> None:
        """One instance after the other, the writer last: some changes restart an instance."""
        for one in sorted(out.instances, key=lambda instance: instance.is_writer):
            changes = {name: value for name, value in self._wanted(run).items() if one.settings[name] != value}
            if not one.insights:
                changes |= self._insights(run)
            if changes:
                self._modify(run, one.id, changes)

    def _modify(self, run: Run, name: str, changes: dict[str, Any]) -> None:
        rds = run.at(self.site).rds
        run.retry(f"{name} can be changed", lambda: rds.modify_db_instance(
            DBInstanceIdentifier=name, ApplyImmediately=True, **changes), BUSY, within=minutes(10))

        def changed(seen: InstancesOut | None) -> bool:
            one = next((one for one in seen.instances if one.id == name), None) if seen else None
            return one is not None and one.status == "available" and one.insights and not one.pending & set(
                changes) and all(one.settings[key] == value for key, value in changes.items() if key in one.settings)

        run.wait_until(f"{name} has its settings", lambda: self.find(run), steadily(changed),
                       within=INSTANCE_CHANGE, every=PAUSE, failed=_failure, show=_states)

    def _remove_extra(self, run: Run, out: InstancesOut) -> None:
        """More than configured: readers go, the writer stays until somebody fails over inside the cluster."""
        extra = [one for one in out.instances if one.id not in self._names(run)]
        for one in extra:
            if one.is_writer:
                run.say(f"{one.id} is the writer and stays, although the configuration has fewer instances")
        self._delete(run, [one.id for one in extra if not one.is_writer])

    def verify(self, run: Run, out: InstancesOut) -> Iterable[Finding]:
        for name in set(self._names(run)) - {one.id for one in out.instances}:
            yield Finding(f"instance {name} is missing")
        for one in out.instances:
            if one.status != "available":
                yield Finding(f"instance {one.id} is {one.status}", mend="wait until it is available")
            if one.id not in self._names(run) and not one.is_writer:
                yield Finding(f"instance {one.id} is one more than configured")
            if not one.insights:
                yield Finding(f"instance {one.id} is without Performance Insights")
            yield from (Finding(f"instance {one.id}: {name} is {one.settings[name]}, not {value}")
                        for name, value in self._wanted(run).items() if one.settings[name] != value)
        members = run.output(self.global_cluster)
        if members.writer != self.region and (state := _synchronization(members, self.region)) != "connected":
            yield Finding(f"the copy in {self.region} is not connected: {state or 'it is no member'}",
                          mend="wait: after a failover the old primary is rebuilt, which may take hours")

    # Teardown ----------------------------------------------------------------------------------------------------

    def destroy(self, run: Run) -> None:
        """The global cluster is dissolved first: then every cluster is one of its own, whatever its role was."""
        ours = self._ours(run)
        if not ours:
            return
        refuse_protected(run, f"cluster {self.cluster.cluster_id(run)}")
        self.global_cluster.dissolve(run)
        self._delete(run, [one["DBInstanceIdentifier"] for one in ours])

    def remove_alone(self, run: Run) -> None:
        """Remove the instances of a cluster that is in no global cluster, and leave the other region's alone."""
        self._delete(run, [one["DBInstanceIdentifier"] for one in self._ours(run)])
        run.forget(self)

    def _delete(self, run: Run, names: list[str]) -> None:
        for name in names:
            run.retry(f"{name} can be deleted", partial(self._delete_unless_going, run, name), BUSY,
                      within=INSTANCE_CHANGE)
        self._wait_until_gone(run, names)

    def _delete_unless_going(self, run: Run, name: str) -> None:
        with absent_is_fine(), already(Refusal("InvalidDBInstanceState", "already being deleted")):
            run.at(self.site).rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)

    def _wait_until_gone(self, run: Run, names: list[str]) -> None:
        if names:
            run.wait_until(
                f"{', '.join(names)} {'are' if len(names) > 1 else 'is'} gone",
                lambda: [one["DBInstanceStatus"] for one in self._seen(run) if one["DBInstanceIdentifier"] in names],
                lambda left: not left, within=INSTANCE_CHANGE, show=lambda left: ", ".join(left) or "gone", every=15)

    def uses(self, run: Run, out: InstancesOut | None) -> Iterable[Use]:
        """A serverless instance is taken to stay at its least."""
        wanted, cluster = run.settings.database, run.found(self.cluster) if out else None
        classes = [one.instance_class for one in out.instances] if out else [wanted.instance_class] * wanted.instances
        scaling = cluster.settings["ServerlessV2ScalingConfiguration"] if cluster else {}
        for name in classes:
            yield (Use("database instances", "aurora-acu-hour", (scaling.get("MinCapacity") or wanted.min_acu) * HOURS)
                   if name == SERVERLESS else Use("database instances", name, HOURS))

    def resources(self, out: InstancesOut) -> Iterable[Resource]:
        for one in out.instances:
            yield Resource("rds:db", one.arn, self.region)


def _out(seen: Any, writer: str | None) -> InstanceOut:
    pending = seen.get("PendingModifiedValues") or {}
    settings = {"DBInstanceClass": pending.get("DBInstanceClass", seen["DBInstanceClass"]),
                "AutoMinorVersionUpgrade": bool(seen.get("AutoMinorVersionUpgrade")),
                "PubliclyAccessible": bool(seen.get("PubliclyAccessible")),
                "DBParameterGroupName": next(
                    (group["DBParameterGroupName"] for group in seen.get("DBParameterGroups", [])), "")}
    return InstanceOut(seen["DBInstanceIdentifier"], seen["DBInstanceArn"], seen["DBInstanceStatus"],
                       seen["DBInstanceClass"], seen["DBInstanceIdentifier"] == writer,
                       bool(seen.get("PerformanceInsightsEnabled")), settings, frozenset(pending))


def _states(seen: InstancesOut | None) -> str:
    return ", ".join(f"{one.id} {one.status}" for one in seen.instances) if seen else "none yet"


def _failure(seen: InstancesOut | None) -> str | None:
    return next((f"{one.id}: {why}" for one in (seen.instances if seen else ()) if (why := dead_end(one.status))), None)


def _synchronization(members: GlobalClusterOut | None, region: str) -> str:
    member = members.member(region) if members else None
    return member.synchronization if member else ""
