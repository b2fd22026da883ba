"""The one instance of a temporary copy: it serves what the copy's functions ask."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, already, or_none
from drctl.aws.tags import as_list, as_map, is_ours, refuse_foreign
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.waiting import minutes
from drctl.steps.cluster_state import dead_end
from drctl.steps.database_instances import BUSY, INSTANCE_CHANGE
from drctl.steps.global_cluster import ENGINE
from drctl.steps.steady import PAUSE, steadily
from drctl.steps.temporary_cluster import TemporaryCluster


@dataclass(frozen=True)
class TemporaryInstanceOut:
    """The instance as it stands."""

    id: str
    arn: str
    status: str
    instance_class: str
    public: bool


@dataclass(frozen=True, eq=False)
class TemporaryInstance(Step[TemporaryInstanceOut]):
    """One instance of the configured class, found by its identifier."""

    waits = ("instance-create",)

    label: str
    cluster: TemporaryCluster

    @property
    def purpose(self) -> str:
        return self.label

    def _name(self, run: Run) -> str:
        return run.name("aurora", f"{self.label}-instance", self.site)

    def _seen(self, run: Run) -> Any:
        answer: Any = or_none(lambda: run.at(self.site).rds.describe_db_instances(
            DBInstanceIdentifier=self._name(run)))
        return answer["DBInstances"][0] if answer else None

    def find(self, run: Run) -> TemporaryInstanceOut | None:
        seen = self._seen(run)
        if (seen is None or seen["DBInstanceStatus"] == "deleting"
                or not is_ours(as_map(seen.get("TagList")), run.settings.environment)):
            return None
        return TemporaryInstanceOut(seen["DBInstanceIdentifier"], seen["DBInstanceArn"], seen["DBInstanceStatus"],
                                    seen["DBInstanceClass"], bool(seen.get("PubliclyAccessible")))

    def ensure(self, run: Run) -> TemporaryInstanceOut:
        out = run.found(self)
        if out is None:
            self._create(run)
        elif out.status == "available":
            return out
        return run.wait_until(
            f"{self._name(run)} is available", lambda: self.find(run), steadily(
                lambda seen: seen is not None and seen.status == "available"), within=INSTANCE_CHANGE, every=PAUSE,
            failed=lambda seen: dead_end(seen.status) if seen else None,
            show=lambda seen: seen.status if seen else "not visible yet") or run.output(self)

    def _create(self, run: Run) -> None:
        rds, name = run.at(self.site).rds, self._name(run)
        if (seen := self._seen(run)) and seen["DBInstanceStatus"] != "deleting":
            self._refuse_a_foreign(run, seen)
        self._wait_until_gone(run)
        with already(Refusal("DBInstanceAlreadyExists")):
            run.retry(f"{name} can be made", lambda: rds.create_db_instance(
                DBInstanceIdentifier=name, DBClusterIdentifier=self.cluster.cluster_id(run), Engine=ENGINE,
                DBInstanceClass=run.settings.database.instance_class, PubliclyAccessible=False,
                AutoMinorVersionUpgrade=False, Tags=as_list(run.tags(self.site, name)),
                DBParameterGroupName=run.output(self.cluster.groups).instance_parameters), BUSY, within=minutes(15))

    def _refuse_a_foreign(self, run: Run, seen: Any) -> None:
        refuse_foreign("instance", f"{seen['DBInstanceIdentifier']} in {self.region}", as_map(seen.get("TagList")),
                       run.settings.environment)

    def verify(self, run: Run, out: TemporaryInstanceOut) -> Iterable[Finding]:
        if out.status != "available":
            yield Finding(f"instance {out.id} is {out.status}", mend="wait until it is available")
        if out.public:
            yield Finding(f"instance {out.id} is publicly accessible", mend="remove it")

    def destroy(self, run: Run) -> None:
        seen = self._seen(run)
        if seen is not None:
            self._refuse_a_foreign(run, seen)
            run.retry(f"{self._name(run)} can be deleted", lambda: self._delete_unless_going(run), BUSY,
                      within=INSTANCE_CHANGE)
            self._wait_until_gone(run)

    def _delete_unless_going(self, run: Run) -> None:
        with absent_is_fine(), already(Refusal("InvalidDBInstanceState", "already being deleted")):
            if (seen := self._seen(run)) and seen["DBInstanceStatus"] != "deleting":
                run.at(self.site).rds.delete_db_instance(DBInstanceIdentifier=self._name(run), SkipFinalSnapshot=True)

    def _wait_until_gone(self, run: Run) -> None:
        run.wait_until(f"{self._name(run)} is gone", lambda: self._seen(run), lambda seen: seen is None,
                       within=INSTANCE_CHANGE, show=lambda seen: seen["DBInstanceStatus"] if seen else "gone", every=15)

    def resources(self, out: TemporaryInstanceOut) -> Iterable[Resource]:
        yield Resource("rds:db", out.arn, self.region)
