"""A temporary copy of the database with the app and the probe at it: which step feeds which."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from drctl.engine.step import Step
from drctl.settings import Site
from drctl.steps import temporary_function
from drctl.steps.cluster import Cluster
from drctl.steps.cluster_snapshot import ClusterSnapshot
from drctl.steps.database_instances import DatabaseInstances
from drctl.steps.network import Network
from drctl.steps.role import Role
from drctl.steps.secret import DatabaseSecret
from drctl.steps.subnets import Subnets
from drctl.steps.temporary_cluster import TemporaryCluster
from drctl.steps.temporary_endpoint import TemporaryEndpoint
from drctl.steps.temporary_function import TemporaryFunction
from drctl.steps.temporary_groups import TemporaryGroups
from drctl.steps.temporary_instance import TemporaryInstance

#: What the copy of an isolated drill is called.
ISOLATED = "isolated"


@dataclass(frozen=True)
class TemporaryCopy:
    """The steps of one copy, and those of the stack that it stands beside."""

    label: str
    site: Site
    source: Cluster
    origin: Step[Any]
    groups: TemporaryGroups
    endpoint: TemporaryEndpoint
    cluster: TemporaryCluster
    instance: TemporaryInstance
    roles: tuple[Role, Role]
    app: TemporaryFunction
    probe: TemporaryFunction

    @property
    def steps(self) -> tuple[Step[Any], ...]:
        """All that is made for the copy and removed with it, what is needed first; what it is made of is not in it,
        but for a snapshot that drctl makes for it."""
        made = (self.origin,) if isinstance(self.origin, ClusterSnapshot) else ()
        return (*made, self.groups, self.endpoint, self.cluster, self.instance, *self.roles, self.app, self.probe)

    @property
    def reading(self) -> tuple[Step[Any], ...]:
        """What is enough to read the copy through the probe: all but the app."""
        return tuple(step for step in self.steps if step is not self.app)


@dataclass(frozen=True)
class Beside:
    """What of the stack a copy in one region stands beside."""

    network: Network
    subnets: Subnets
    cluster: Cluster
    instances: DatabaseInstances
    secret: DatabaseSecret


def snapshot_in(site: Site, label: str, beside: Beside) -> ClusterSnapshot:
    """The snapshot that a copy is restored from where cloning is refused."""
    return ClusterSnapshot(site, label, beside.cluster)


def copy_in(site: Site, label: str, beside: Beside, origin: Step[Any]) -> TemporaryCopy:
    """A copy called `label` in `site`; `origin` as `TemporaryCluster` takes it."""
    cluster, secret = beside.cluster, beside.secret
    key, groups = cluster.encryption_key, TemporaryGroups(site, beside.network, label=label)
    endpoint = TemporaryEndpoint(site, label, beside.network, beside.subnets, groups, secret)
    copied = TemporaryCluster(site, label, origin, cluster.groups, groups, key)

    def role(code: str) -> Role:
        name = f"{label}-{code}"
        return Role(site, name, "lambda", partial(
            temporary_function.policy, site=site, label=name, key=key, secret=secret), (key, secret))

    roles = (role("app"), role("probe"))

    def function(code: str, own: Role) -> TemporaryFunction:
        return TemporaryFunction(site, f"{label}-{code}", key, own, beside.subnets, groups, secret, copied, (),
                                 sharing=roles, endpoint=endpoint)

    return TemporaryCopy(label, site, cluster, origin, groups, endpoint, copied, TemporaryInstance(
        site, label, copied), roles, function("app", roles[0]), function("probe", roles[1]))
