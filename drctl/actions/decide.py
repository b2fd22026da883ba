"""The decision before an unplanned failover: what is alive, what would be lost, what speaks against it.

Every look is bounded: those at the surviving region are waited for some seconds, those at the lost one only as long as
nobody has to wait for them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from drctl.actions import probe
from drctl.actions.aftermath import OUTAGE_BEGAN, Aftermath, aftermath_in
from drctl.actions.dns_switch import Sent, name_servers, where_users_are_sent
from drctl.actions.steady_state import instances, lag_by_hand, replication_lag_s
from drctl.actions.switchover import anew
from drctl.aws.commands import Command
from drctl.engine.looks import Answers, Unanswered, look_all
from drctl.engine.run import Run
from drctl.engine.runbook import Action
from drctl.errors import Refused
from drctl.settings import Site
from drctl.steps.balancer import Balancer
from drctl.steps.global_cluster import GlobalCluster, GlobalClusterOut

#: Real seconds that looks at the surviving region may take.
LOOK_S = 6.0
#: The looks at the lost region; the second goes through the probe to its database.
LOST_PROBE = "lost probe"
THERE = ("lost database", LOST_PROBE)
#: Real seconds that reading the note of an earlier run may take.
NOTE_S = 1.0


@dataclass(frozen=True)
class Picture:
    """What an operator decides by; `alive` says in words what answered and what did not."""

    lost: str
    to: str
    alive: dict[str, str]
    lag_s: float | None
    lag_from: str
    #: Minutes that a failover takes, and what says so.
    minutes: float
    minutes_from: str
    blockers: tuple[str, ...]
    #: What a failover stands on and what could not be seen in time.
    unseen: tuple[str, ...]
    #: wait, switchover or failover.
    word: str
    because: str
    #: What will not come back by itself.
    gone: tuple[str, ...]
    #: Whether the database has been promoted already, so that nothing more can be lost.
    promoted: bool


@dataclass(frozen=True)
class Terms:
    """What the operator has said: the bound in seconds, and why it is to be done although a guard speaks against it."""

    allowed_loss_s: float | None = None
    force: str = ""


@dataclass(frozen=True, eq=False)
class Decide(Action):
    """The gate of an unplanned failover; Refused when it must not be, or nobody has said what may be lost."""

    global_cluster: GlobalCluster
    balancer: Balancer
    source: Site
    to: Site
    terms: Terms = Terms()
    #: Minutes that failovers of this stack have taken, None when there was none.
    usual_minutes: float | None = None
    #: Shows the picture to whoever decides, and, when nothing speaks against it, has it confirmed and tells how.
    show: Callable[[Picture], None] = lambda _: None
    confirm: Callable[[Picture], str] = lambda _: ""
    #: Real seconds that are waited for the lost region once the surviving one has answered.
    grace_s: float = 0.0
    #: Whether a failover to `to` was begun before and is gone on with; asked only where its database writes already.
    goes_on: Callable[[], bool] = lambda: True
    decides: ClassVar[bool] = True
    why = "an unplanned failover loses what was not replicated: somebody has to have seen how much, and said yes"
    typical_minutes = 1.0
    if_stuck = "what could not be seen is shown as such; --force 'REASON' goes on without having seen it"
    phase: ClassVar[str] = "decide"

    @property
    def title(self) -> str:
        return f"decide on the failover from {self.source.region} to {self.to.region}"

    @property
    def region(self) -> str:
        return self.to.region

    def by_hand(self, run: Run) -> Iterable[Command]:
        cluster = run.name("aurora", "cluster", self.to)
        yield Command(self.to.region, "rds", "DescribeGlobalClusters", {
            "GlobalClusterIdentifier": self.global_cluster.name(run)})
        yield Command(self.to.region, "rds", "DescribeDBInstances", {
            "Filters": [{"Name": "db-cluster-id", "Values": [cluster]}]})
        yield lag_by_hand(run, self.to)
        yield probe.invocation(run, self.to, "probe", {"action": "health"})

    def do(self, run: Run) -> None:
        picture = self.picture(run)
        run.events.emit("decision", picture=asdict(picture), allowed_loss_s=self.terms.allowed_loss_s,
                        force=self.terms.force)
        self.show(picture)
        if refusals := tuple(self._refusals(picture)):
            for text in refusals:
                run.events.emit("finding", text=text)
            raise Refused(f"no failover to {self.to.region}: {refusals[0]}; nothing was changed", findings=refusals[1:],
                          next_step=_next_step(picture, self.terms))
        run.events.emit("approved", approval=self.confirm(picture))
        if picture.promoted:
            self._recall(run)
        elif picture.lag_s is not None:
            began = round(time.time() - picture.lag_s / run.clock.speed, 3)
            run.measure("lag_s", round(picture.lag_s, 1), "s")
            run.measure(OUTAGE_BEGAN, run.measures.get(OUTAGE_BEGAN, began), "seconds since 1970")

    def _recall(self, run: Run) -> None:
        """What was known when it was decided, as the run that promoted has noted it; nobody waits long for the note."""
        note = look_all({"note": lambda: aftermath_in(run, self.to)}, NOTE_S)["note"]
        if isinstance(note, Aftermath) and note.lost == self.source.region:
            for name, value in (("lag_s", note.lag_s), (OUTAGE_BEGAN, note.outage_began)):
                if value is not None and name not in run.measures:
                    run.measure(name, value)

    # The picture -------------------------------------------------------------------------------------------------

    def picture(self, run: Run) -> Picture:
        """Look at both regions at once."""
        here = {"database": lambda: anew(run, self.global_cluster), "instances": lambda: [*instances(run, self.to)],
                "lag": lambda: replication_lag_s(run, self.to), "probe": lambda: _health(run, self.to),
                "dns": lambda: where_users_are_sent(
                    run, name_servers(run, self.to), self.balancer.dns_name(run))}
        there = self._looks_at_the_lost(run)
        seen = look_all({**here, **there}, LOOK_S, needed=tuple(here), grace_s=self.grace_s)
        if run.aside is not None:  # what the service that stops the app has answered, not another one
            run.aside.answers = not isinstance(seen[LOST_PROBE], Unanswered)
        return self._judge(seen)

    def _looks_at_the_lost(self, run: Run) -> dict[str, Callable[[], Any]]:
        if run.aside is None:
            return {}
        there = run.aside.aws
        cluster = Command(self.source.region, "rds", "DescribeDBClusters", {
            "DBClusterIdentifier": run.name("aurora", "cluster", self.source)})
        call = probe.invocation(run, self.source, "probe", {"action": "health"})
        return {"lost database": lambda: cluster.send(there)["DBClusters"][0]["Status"],
                LOST_PROBE: lambda: probe.told(run, self.source, "probe", call.send(there))}

    def _judge(self, seen: Answers) -> Picture:
        database, lag, lag_from = seen["database"], *_lag(seen)
        promoted = isinstance(database, GlobalClusterOut) and database.writer == self.to.region
        blockers = tuple(self._after_promotion(database) if promoted else self._blockers(seen))
        unseen = () if promoted else tuple(self._unseen(seen))
        word, because = self._word(seen, (*blockers, *unseen), promoted)
        minutes = (documented_minutes(), "documented durations; no run of this stack was measured yet") if (
            self.usual_minutes is None) else (self.usual_minutes, "earlier runs of this stack")
        return Picture(self.source.region, self.to.region, dict(self._alive(seen)), lag, lag_from, *minutes, blockers,
                       unseen, word, because, tuple(self._gone(lag)), promoted)

    def _alive(self, seen: Answers) -> Iterable[tuple[str, str]]:
        for name, text in (("database", "global database"), ("probe", f"database of {self.to.region}, through the "
                           "probe"), ("dns", "users' name"), ("lost database", f"API of {self.source.region}"),
                           (LOST_PROBE, f"database of {self.source.region}, through the probe")):
            if name in seen:
                yield text, self._sent(seen[name]) if isinstance(seen[name], Sent) else _in_words(seen[name])

    def _sent(self, sent: Sent) -> str:
        if sent.is_with_the_balancer:
            return f"answers with {self.to.region}"
        return f"answers with something else than {self.to.region}: " + (
            ", ".join(sent.answer.addresses) or sent.answer.problem)

    def _after_promotion(self, database: GlobalClusterOut) -> Iterable[str]:
        """What is promoted is no longer asked about, but for this: whether it was a failover that has promoted it."""
        if database.is_copy(self.source.region) and not self.goes_on():
            yield (f"{self.to.region} is the writer already, {self.source.region} holds a connected copy of it, and no "
                   "failover is under way")

    def _blockers(self, seen: Answers) -> Iterable[str]:
        """What is known to keep Aurora from promoting: no reason overrules it."""
        database = seen["database"]
        if isinstance(database, GlobalClusterOut):
            member = database.member(self.to.region)
            if member is None:
                yield f"the global database has no member in {self.to.region}"
            elif member.synchronization == "pending-resync":
                yield f"the copy in {self.to.region} is being rebuilt (pending-resync): Aurora promotes none such"
        if not isinstance(seen["instances"], Unanswered):
            yield from seen["instances"]

    def _unseen(self, seen: Answers) -> Iterable[str]:
        """What may keep Aurora from promoting, or not: nobody could look."""
        for name, text in (("database", f"the global database cannot be seen from {self.to.region}"),
                           ("instances", f"the instances in {self.to.region} cannot be seen")):
            if isinstance(seen[name], Unanswered):
                yield f"{text}: {seen[name].why}"

    def _word(self, seen: Answers, blockers: tuple[str, ...], promoted: bool) -> tuple[str, str]:
        if promoted and blockers:
            return "wait", "there is nothing to fail over"
        if promoted:
            return "failover", f"{self.to.region} is the writer already: what is left is to bring users there"
        if blockers:
            return "wait", f"{self.to.region} cannot take over now, as far as is seen"
        there = seen.get(LOST_PROBE)
        if isinstance(there, dict) and there.get("ok") and there.get("writer"):
            return "switchover", (f"{self.source.region} answers and its database writes: a planned failover loses "
                                  "nothing (drctl failover --planned)")
        if seen["database"].changing_roles:
            return "wait", "roles are being changed; a switchover under way ends or is cancelled by Aurora"
        answers = any(not isinstance(seen.get(name, Unanswered()), Unanswered) for name in THERE)
        seems = "answers, but its database does not write" if answers else "does not answer"
        return "failover", f"{self.source.region} {seems}, and {self.to.region} is ready"

    def _gone(self, lag: float | None) -> Iterable[str]:
        span = "an unknown time" if lag is None else f"up to {lag:.1f} s"
        yield (f"writes that {self.source.region} acknowledged and did not replicate: {span}; failback lists what a "
               "rescue snapshot holds of them")
        yield f"the database volume of {self.source.region}: rebuilt from the new writer once the region is back"
        yield f"objects and events not yet replicated stay in {self.source.region} until it is back"

    # Refusals ----------------------------------------------------------------------------------------------------

    def _refusals(self, picture: Picture) -> Iterable[str]:
        yield from picture.blockers
        if picture.promoted:
            return
        bound = self.terms.allowed_loss_s
        if bound is None:
            yield "nobody has said how much data may be lost"
        if self.terms.force:
            return
        yield from picture.unseen
        if picture.word == "switchover":
            yield picture.because
        if bound is not None and picture.lag_s is None:
            yield "the replication lag is not known, so the loss may be larger than the bound"
        if bound is not None and picture.lag_s is not None and picture.lag_s > bound:
            yield f"the newest known lag is {picture.lag_s:.1f} s, over the bound of {bound:g} s"


def _next_step(picture: Picture, terms: Terms) -> str:
    if picture.promoted:
        return f"drctl status; drctl failover without --to leaves {picture.to}"
    if picture.blockers:
        return "drctl status; the same command again once that is mended"
    if terms.allowed_loss_s is None:
        return "the same command with --allow-data-loss 60s, or whatever the business accepts"
    if picture.word == "switchover":
        return "drctl failover --planned; or the same command with --force 'REASON'"
    if picture.unseen:
        return "the same command again; or with --force 'REASON', which goes into the report"
    return "a larger --allow-data-loss, or --force 'REASON', which goes into the report"


def _health(run: Run, site: Site) -> dict[str, Any]:
    return probe.ask(run, site, action="health")


def _lag(seen: Answers) -> tuple[float | None, str]:
    """What CloudWatch says last, else what the database says itself; None when neither says anything."""
    told, probed = seen["lag"], seen["probe"]
    if isinstance(told, int | float):
        return float(told), "AuroraGlobalDBRPOLag"
    own = probed.get("lag_s") if isinstance(probed, dict) else None
    return (None, "nothing that answered") if own is None else (float(own), "the database itself")


def _in_words(answer: Any) -> str:
    if isinstance(answer, Unanswered):
        return f"NO ANSWER ({answer.why})" if answer.why != Unanswered().why else "NO ANSWER within the time for a look"
    if isinstance(answer, dict):
        role = "writes" if answer.get("writer") else "reads"
        return f"answers, {role}" if answer.get("ok") else f"NO: {probe.in_words(answer)}"
    return str(answer)


def documented_minutes() -> float:
    """Promotion and DNS side by side, then a proof; from the table of usual durations."""
    from drctl.aws.durations import seconds

    return round((max(seconds("failover"), seconds("health-check-first") * 4) + 15) / 60, 1)
