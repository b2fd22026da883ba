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
from drctl.steps.cluster import Cluster
from drctl.steps.cluster_state import CREDENTIALS_TAG, ClusterOut
from drctl.steps.database_groups import DatabaseGroups
from drctl.steps.global_cluster import GlobalCluster, GlobalClusterOut
from drctl.steps.key import Key
from drctl.steps.secret import DatabaseSecret
from drctl.steps.security_groups import SecurityGroups


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
        members = run.output(self.global_cluster)
        if out.credentials != run.output(self.secret).generation and members.writer == self.region:
            self._set_password(run, out)
        return out

    def _set_password(self, run: Run, out: ClusterOut) -> None:
        """The secret is not the one that the cluster was made with (it was lost or changed): it is what counts."""
        rds, credentials = run.at(self.site).rds, self.secret.credentials(run)
        self._modify(run, {"MasterUserPassword": credentials.password})
        rds.add_tags_to_resource(ResourceName=out.arn, Tags=as_list(
            {CREDENTIALS_TAG: run.output(self.secret).generation}))

    def verify(self, run: Run, out: ClusterOut) -> Iterable[Finding]:
        yield from super().verify(run, out)
        if out.credentials != run.output(self.secret).generation:
            yield Finding(f"cluster {out.id} still has the password of an earlier secret",
                          mend=f"drctl provision while {self.region} is the writer")
