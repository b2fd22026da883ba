"""The Aurora cluster in the stack's home region: the one that the database begins in.

Whether it writes is observed: after a failover it is a secondary, and stays one until somebody switches back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from drctl.aws.tags import as_list
from drctl.engine.run import Run
from drctl.engine.step import Finding
from drctl.engine.waiting import minutes
from drctl.settings import Site
from drctl.steps.cluster import BUSY, CLUSTER_CHANGE, Cluster
from drctl.steps.cluster_state import CREDENTIALS_TAG, ClusterOut, dead_end
from drctl.steps.database_groups import DatabaseGroups
from drctl.steps.global_cluster import GlobalCluster, GlobalClusterOut
from drctl.steps.key import Key
from drctl.steps.secret import DatabaseSecret
from drctl.steps.security_groups import SecurityGroups
from drctl.steps.steady import PAUSE, steadily


@dataclass(frozen=True, eq=False)
class PrimaryCluster(Cluster):
    """The first member of the global cluster, made with the credentials of the secret."""

    waits = ("cluster-create",)

    global_cluster: GlobalCluster
    groups: DatabaseGroups
    security: SecurityGroups
    encryption_key: Key
    secret: DatabaseSecret

    def origin(self, run: Run, members: GlobalClusterOut) -> dict[str, Any]:
        """An empty database, or, where the other region writes already, a copy of that one."""
        name, generation = self.cluster_id(run), run.output(self.secret).generation
        tags = as_list({**run.tags(self.site, name), CREDENTIALS_TAG: generation})
        if members.writer:
            return {"SourceRegion": members.writer, "Tags": tags}
        credentials = self.secret.credentials(run)
        return {"DatabaseName": run.settings.database.name, "MasterUsername": credentials.username,
                "MasterUserPassword": credentials.password, "Tags": tags}

    def ensure(self, run: Run) -> ClusterOut:
        out = super().ensure(run)
        writer = run.output(self.global_cluster).writer
        if self._has_an_earlier_password(run, out) and writer is not None:
            self._set_password(run, out, next(site for site in run.settings.sites if site.region == writer))
        return out

    def _has_an_earlier_password(self, run: Run, out: ClusterOut) -> bool:
        """Whether the secret holds another one than the database, or is about to (which a plan has to know)."""
        secret = run.output(self.secret)
        return (out.credentials != secret.generation
                or secret.password_generation < run.settings.database.password_generation)

    def _set_password(self, run: Run, out: ClusterOut, writer: Site) -> None:
        """The secret is another one than when the cluster was made (lost, changed, rotated): it is what counts.

        Passwords are replicated with the data, so the cluster that writes takes it, whichever that is; this one
        remembers which it was.
        """
        rds, name = run.at(writer).rds, run.name("aurora", "cluster", writer)
        password = self.secret.credentials(run).password
        run.retry(f"{name} can take its password", lambda: rds.modify_db_cluster(
            DBClusterIdentifier=name, MasterUserPassword=password, ApplyImmediately=True), BUSY, within=minutes(10))
        run.wait_until(
            f"{name} has its password", lambda: rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0],
            steadily(lambda seen: seen["Status"] == "available" and "MasterUserPassword" not in (
                seen.get("PendingModifiedValues") or {})), within=CLUSTER_CHANGE, every=PAUSE,
            failed=lambda seen: dead_end(seen["Status"]), show=lambda seen: seen["Status"])
        run.at(self.site).rds.add_tags_to_resource(ResourceName=out.arn, Tags=as_list(
            {CREDENTIALS_TAG: run.output(self.secret).generation}))

    def verify(self, run: Run, out: ClusterOut) -> Iterable[Finding]:
        yield from super().verify(run, out)
        if self._has_an_earlier_password(run, out):
            yield Finding(f"cluster {out.id} still has the password of an earlier secret")
