"""Before a cluster is deleted for good: proof that nobody works with it.

The global database is no witness. Where a failover was ended by taking the surviving cluster out, it shows the lost
region alone, as the writer, while users work with the cluster outside of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

from drctl.actions import probe
from drctl.actions.aftermath import aftermath_in
from drctl.actions.dns_switch import Sent, sent_by_name
from drctl.actions.fencing import is_fenced
from drctl.actions.probe import Ask, attempt
from drctl.actions.switchover import anew
from drctl.aws.commands import Command
from drctl.engine.run import Run
from drctl.engine.runbook import Action
from drctl.errors import Refused
from drctl.settings import Site
from drctl.steps.balancer import Balancer
from drctl.steps.cluster import Cluster
from drctl.steps.global_cluster import GlobalCluster


@dataclass(frozen=True, eq=False)
class ProveUnused(Action):
    """Refused while anything shows that the cluster in `site`, which stands outside, is the one that users work with.

    What cannot be seen fails the line, for then nobody knows; but a database that does not answer serves nobody.
    """

    global_cluster: GlobalCluster
    cluster: Cluster
    balancer: Balancer
    site: Site
    ask: Ask = probe.ask
    sent: Callable[[Run, Balancer], Sent] = sent_by_name
    why = "a rebuild deletes a cluster; the one that users work with may be the one outside of the global database"
    typical_minutes = 0.1
    if_stuck = "nothing was deleted; drctl status and the name servers' answer show where users are"
    phase: ClassVar[str] = "prepare"

    @property
    def title(self) -> str:
        return f"prove that nobody works with a cluster in {self.site.region} that is to be deleted"

    @property
    def region(self) -> str:
        return self.site.region

    def by_hand(self, run: Run) -> Iterable[Command]:
        yield Command(self.site.region, "rds", "DescribeGlobalClusters", {
            "GlobalClusterIdentifier": self.global_cluster.name(run)})
        yield probe.invocation(run, self.site, "probe", {"action": "health"})

    def needless(self, run: Run) -> bool:
        """A member is never deleted, and what does not stand cannot be."""
        return (anew(run, self.global_cluster).member(self.site.region) is not None
                or run.refresh(self.cluster) is None)

    def do(self, run: Run) -> None:
        signs = tuple(self._signs(run))
        for text in signs:
            run.events.emit("finding", text=text)
        if signs:
            other = run.settings.other(self.site).region
            raise Refused(
                f"the cluster {self.cluster.cluster_id(run)} in {self.site.region} may be the one that users work with:"
                " it is not deleted", findings=signs, next_step=f"drctl status; is it the right one, the stale one is "
                f"that of {other}, and both stay as they are until somebody has saved its data. Is it the stale one: "
                f"bring users to {other}, stop the app in {self.site.region} (aws lambda put-function-concurrency with "
                "zero), then the same command again")

    def _signs(self, run: Run) -> Iterable[str]:
        here = self.site.region
        notes = {place.region: note for place in run.settings.sites if (note := aftermath_in(run, place)) is not None}
        for place, note in notes.items():
            if note.to == here:
                yield (f"the note in {place} says that {f'run {note.run}' if note.run else 'a failover'} went from "
                       f"{note.lost} to {here}")
        answer = attempt(self.ask, run, self.site, action="health")
        # A cluster that stands alone can always write: it is harmless once the app, which would, is stopped. Where a
        # note says that this region was lost, failback stops it first thing.
        if (answer.get("ok") and answer.get("writer") and not is_fenced(run, self.site)
                and here not in {note.lost for note in notes.values()}):
            yield f"its database takes writes, and the app in {here} is not stopped"
        yield from self._sent(run)

    def _sent(self, run: Run) -> Iterable[str]:
        seen, name = self.sent(run, self.balancer), run.settings.dns.name
        if not (seen.answer.addresses and seen.balancer.addresses):
            yield f"where {name} sends users cannot be seen: {seen}"
        elif seen.is_with_the_balancer:
            yield f"{name} sends users to {self.site.region}"
