"""The database's engine version: a minor upgrade goes through the members one by one, those that only read first.

The order is AWS's: a primary is not upgraded while a secondary is of a lower version (Aurora User Guide, "Upgrading an
Amazon Aurora global database"). Each cluster restarts for it, so each is waited for before the next. What cannot be
done this way, a downgrade or another major version, is refused by the global cluster before anything is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from drctl.engine.run import Run
from drctl.engine.step import Finding, Step
from drctl.engine.waiting import minutes
from drctl.errors import Refused
from drctl.steps.cluster import BUSY, Cluster
from drctl.steps.cluster_state import ClusterOut, dead_end
from drctl.steps.database_instances import DatabaseInstances
from drctl.steps.global_cluster import GlobalCluster, number
from drctl.steps.steady import PAUSE, steadily

#: Terraform provider: aws_rds_global_cluster, 120 min to upgrade a member.
UPGRADE = minutes(120)


@dataclass(frozen=True)
class EngineVersionOut:
    """The version of each member, by region."""

    versions: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class EngineVersion(Step[EngineVersionOut]):
    """The versions of both clusters; it makes nothing, for a cluster is made with the version of its database."""

    waits_to_change = ("engine-upgrade", "engine-upgrade")

    clusters: tuple[Cluster, Cluster]
    instances: tuple[DatabaseInstances, DatabaseInstances]
    global_cluster: GlobalCluster

    def find(self, run: Run) -> EngineVersionOut | None:
        found = {one.region: out.engine_version for one in self.clusters if (out := run.found(one)) is not None}
        return EngineVersionOut(found) if found else None

    def ensure(self, run: Run) -> EngineVersionOut:
        out = run.found(self)
        wanted = run.settings.database.engine_version
        if out is None or set(out.versions.values()) == {wanted}:
            return out or EngineVersionOut({})
        writer = run.output(self.global_cluster).writer
        self._refuse_what_no_upgrade_leads_to(run, out)
        for cluster in sorted(self.clusters, key=lambda one: one.region == writer):
            if out.versions.get(cluster.region, wanted) != wanted:
                self._upgrade(run, cluster, wanted)
        return self.find(run) or out

    def _refuse_what_no_upgrade_leads_to(self, run: Run, out: EngineVersionOut) -> None:
        """An upgrade that was begun is carried on; the global cluster has the version of its writer until the end."""
        wanted = run.settings.database.engine_version
        for problem in self.global_cluster.fixed_differences(run, run.output(self.global_cluster)):
            raise Refused(problem.text, next_step=problem.mend)
        for region, version in out.versions.items():
            if number(version) > number(wanted):
                raise Refused(f"the cluster in {region} runs {version} already, the configuration says {wanted}: "
                              "Aurora takes no version back",
                              next_step=f"set database.engine_version to {version}, then drctl provision")

    def _upgrade(self, run: Run, cluster: Cluster, wanted: str) -> None:
        rds, name = run.at(cluster.site).rds, cluster.cluster_id(run)
        run.retry(f"{name} can be upgraded", lambda: rds.modify_db_cluster(
            DBClusterIdentifier=name, EngineVersion=wanted, ApplyImmediately=True), BUSY, within=minutes(15))
        run.wait_until(
            f"{name} runs {wanted}", lambda: (run.refresh(cluster), self._states(run, cluster)), within=UPGRADE,
            ready=steadily(lambda seen: seen[0] is not None and seen[0].status == "available" and (
                seen[0].engine_version == wanted) and "EngineVersion" not in seen[0].pending
                and all(state == "available" for state in seen[1])), every=PAUSE,
            failed=lambda seen: dead_end(seen[0].status) if seen[0] else None, show=_in_words)
        run.refresh(self.global_cluster)

    def _states(self, run: Run, cluster: Cluster) -> list[str]:
        """Of its instances, which restart too."""
        instances = next(one for one in self.instances if one.cluster == cluster)
        found = run.refresh(instances)
        return [one.status for one in found.instances] if found else []

    def verify(self, run: Run, out: EngineVersionOut) -> Iterable[Finding]:
        wanted = run.settings.database.engine_version
        for region, version in out.versions.items():
            if version != wanted:
                yield Finding(f"the cluster in {region} runs {version}, not {wanted}")

    def destroy(self, run: Run) -> None:
        """It goes with the clusters."""


def _in_words(seen: tuple[ClusterOut | None, list[str]]) -> str:
    cluster, instances = seen
    return f"{cluster.status} {cluster.engine_version}; instances {', '.join(instances)}" if cluster else "not visible"
