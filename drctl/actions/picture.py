"""What an operator decides by before an unplanned failover, made of what was seen of both regions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from drctl.actions import probe
from drctl.actions.dns_switch import Sent
from drctl.actions.steady_state import Lag
from drctl.engine.looks import Answers, Unanswered
from drctl.settings import Site
from drctl.steps.global_cluster import GlobalClusterOut

#: The looks at the lost region; the second goes through the probe to its database.
LOST_PROBE = "lost probe"
THERE = ("lost database", LOST_PROBE)


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
    #: The newest known lag with its time.
    lag: Lag | None = None


@dataclass(frozen=True)
class View:
    """A failover from one region to the other, as it looks to whoever has looked at both."""

    source: Site
    to: Site
    #: Minutes that failovers of this stack have taken, None when there was none.
    usual_minutes: float | None
    #: Whether a failover to `to` was begun before; asked only where its database writes already.
    goes_on: Callable[[], bool]

    def picture(self, seen: Answers) -> Picture:
        """What the answers say, by the name of each look."""
        database, known, lag_from = seen["database"], *newest_lag(seen["lag"], seen["probe"])
        lag = None if known is None else known.seconds
        promoted = isinstance(database, GlobalClusterOut) and database.writer == self.to.region
        blockers = tuple(self._after_promotion(database) if promoted else self._blockers(seen))
        unseen = () if promoted else tuple(self._unseen(seen))
        word, because = self._word(seen, (*blockers, *unseen), promoted)
        return Picture(self.source.region, self.to.region, dict(self._alive(seen)), lag, lag_from,
                       *expected_minutes(self.usual_minutes), blockers, unseen, word, because, tuple(self._gone(lag)),
                       promoted, known)

    def _alive(self, seen: Answers) -> Iterable[tuple[str, str]]:
        for name, text in (("database", "global database"), ("probe", f"database of {self.to.region}, through the "
                           "probe"), ("dns", "users' name"), ("lost database", f"API of {self.source.region}"),
                           (LOST_PROBE, f"database of {self.source.region}, through the probe")):
            if name in seen:
                yield text, self._sent(seen[name]) if isinstance(seen[name], Sent) else _in_words(seen[name])

    def _sent(self, sent: Sent) -> str:
        if sent.is_with_the_balancer:
            return f"answers with {self.to.region}"
        return f"does not lead to {self.to.region} so far: " + (
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


def newest_lag(told: Any, probed: Any) -> tuple[Lag | None, str]:
    """What CloudWatch says last, else what the database says itself through its probe, with who says it; None when
    neither does."""
    if isinstance(told, Lag):
        return told, f"AuroraGlobalDBRPOLag{f', {told.age_s / 60:.0f} min old' if told.is_old else ''}"
    own = probed.get("lag_s") if isinstance(probed, dict) else None
    if own is None:
        return None, "nothing that answered"
    at = datetime.fromisoformat(probed["at"]) if "at" in probed else datetime.now(UTC)
    return Lag(float(own), at.timestamp()), "the database itself"


def _in_words(answer: Any) -> str:
    if isinstance(answer, Unanswered):
        return f"NO ANSWER ({answer.why})" if answer.why != Unanswered().why else "NO ANSWER within the time for a look"
    if isinstance(answer, dict):
        role = "writes" if answer.get("writer") else "reads"
        return f"answers, {role}" if answer.get("ok") else f"NO: {probe.in_words(answer)}"
    return str(answer)


def expected_minutes(usual: float | None) -> tuple[float, str]:
    """Minutes that a failover takes, and what says so: what earlier ones took, else the documented durations."""
    if usual is None:
        return documented_minutes(), "documented durations; no run of this stack was measured yet"
    return usual, "earlier runs of this stack"


def documented_minutes() -> float:
    """Promotion and DNS side by side, then a proof; from the table of usual durations."""
    from drctl.aws.durations import seconds

    return round((max(seconds("failover"), seconds("health-check-first") * 4) + 15) / 60, 1)
