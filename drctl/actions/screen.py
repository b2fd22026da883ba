"""What one screen tells of a stack, made of what a glance at both regions has seen and of what this machine knows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from drctl.actions import holders, look, probe
from drctl.actions.aftermath import Aftermath
from drctl.actions.answering import Unseen, is_absent, is_unseen, manner, unseen
from drctl.actions.dns_switch import Sent
from drctl.actions.fencing import NO_APP
from drctl.actions.picture import expected_minutes, newest_lag
from drctl.actions.readiness import Published
from drctl.actions.steady_state import Lag
from drctl.engine.lease import Seen
from drctl.engine.looks import Answers
from drctl.settings import Settings, Site
from drctl.steps.global_cluster import GlobalClusterOut, Member

Told = dict[str, Any]
#: What shows whether a region's part of the stack stands, of what is looked at, and what is missed without it.
LACKING = {look.APP: "app", look.LEASE: "control bucket", look.CERTIFICATE: "certificate", look.NAME: "parameters"}


@dataclass(frozen=True)
class Local:
    """What this machine knows itself: its newest drill, runs under way or stopped on their way, and the minutes that
    moves took, None without any."""

    drill: Told | None = None
    runs: tuple[Mapping[str, str], ...] = ()
    usual_minutes: float | None = None
    #: Why that is not known.
    unknown: str = ""


@dataclass(frozen=True)
class Screen:
    """`seen` are the answers by region and look."""

    settings: Settings
    seen: Mapping[str, Answers]
    local: Local = Local()

    def as_dict(self) -> Told:
        """The whole as one document."""
        return {
            "environment": self.settings.environment, "target": self.settings.target,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "silent": self.silent, "users": self._users(),
            "next": self._next(), "regions": self.regions, "database": self._database(), "health": self._health(),
            "probes": {region: self._probe(region) for region in self.seen}, "failover": self._failover(),
            "switch": self._switches(), "dns": self._name(), "certificates": self._certificates(),
            "readiness": self._readiness(), "last_drill": self._last_drill(),
            "lease": {region: holders.in_words(answers[look.LEASE]) for region, answers in self.seen.items()},
            "runs": [dict(one) for one in self.local.runs], "left": [*self._left()],
            "not_seen": [asdict(one) for one in (*unseen(self.seen), *self._unseen_here())]}

    def _unseen_here(self) -> Iterator[Unseen]:
        if why := self.local.unknown:
            yield Unseen("this machine", "its runs", why, why)

    # Who answers, and who writes -------------------------------------------------------------------------------------

    @cached_property
    def regions(self) -> dict[str, dict[str, str]]:
        """By region its role by design, how it answers, and what came instead."""
        found = {}
        for site in self.settings.sites:
            answers = {name: one for name, one in self.seen[site.region].items() if name != look.CHECKS}
            found[site.region] = {"role": site.role, **dict(zip(("answers", "why"), manner(answers), strict=True))}
        return found

    @property
    def silent(self) -> list[str]:
        """Regions that have told nothing."""
        return [region for region, told in self.regions.items() if told["answers"] in {"no", "with errors only"}]

    @cached_property
    def database(self) -> GlobalClusterOut | None:
        """The global database as a region shows it that says that it writes itself, else as any does."""
        shown = {region: answers[look.DATABASE] for region, answers in self.seen.items()
                 if isinstance(answers[look.DATABASE], GlobalClusterOut)}
        return next((out for region, out in shown.items() if out.writer == region), next(iter(shown.values()), None))

    @property
    def writer(self) -> str | None:
        """The region that writes, as far as is seen."""
        return self.database.writer if self.database else None

    @property
    def is_nowhere(self) -> bool:
        """Whether both regions answer, and nothing of the stack was found in either."""
        return not self.silent and all(
            _is_lacking(name, answers[name]) for answers in self.seen.values()
            for name in (look.DATABASE, *LACKING) if name in answers)

    def _users(self) -> str:
        return what_users_get(self.silent, self.writer, self._name()) if self.silent else ""

    def _next(self) -> str:
        return "drctl failover" if self.writer in self.silent else ""

    # The database ----------------------------------------------------------------------------------------------------

    @property
    def reader(self) -> Site:
        """The region that a failover would go to."""
        primary, standby = self.settings.sites
        return primary if self.writer == standby.region else standby

    @cached_property
    def _lag(self) -> tuple[Lag | None, str]:
        answers = self.seen[self.reader.region]
        return newest_lag(answers[look.LAG], answers[look.PROBE])

    def _database(self) -> Told:
        out, (lag, lag_from) = self.database, self._lag
        told: Told = {"active": self.writer, "lag_s": None if lag is None else round(lag.seconds, 3),
                      "lag_age_s": None if lag is None else round(lag.age_s), "lag_from": lag_from}
        if out is None:
            hidden = any(is_unseen(answers[look.DATABASE]) for answers in self.seen.values())
            return told | {"status": "not seen" if hidden else "absent", "members": {}, "told_otherwise": {}}
        return told | {
            "status": out.status, "changing_roles": out.changing_roles, "engine_version": out.engine_version,
            "members": {member.region: "writer" if member.is_writer else member.synchronization
                        for member in out.members}, "told_otherwise": dict(self._told_otherwise())}

    def _told_otherwise(self) -> Iterator[tuple[str, str | None]]:
        """Regions that show another writer, as after a failover that one of them has not heard of."""
        for region, answers in self.seen.items():
            if isinstance(other := answers[look.DATABASE], GlobalClusterOut) and other.writer != self.writer:
                yield region, other.writer

    def _probe(self, region: str) -> str:
        """What the database of a region says of itself."""
        told = self.seen[region][look.PROBE]
        if not isinstance(told, dict):
            return "not seen" if is_unseen(told) else "no probe"
        if not told.get("ok"):
            return f"fails its probe: {probe.in_words(told)}"
        return "writes" if told.get("writer") else "reads"

    def _failover(self) -> Told:
        """What a failover now would cost, and what keeps it from being possible; empty for nothing."""
        told, (lag, _) = self._database(), self._lag
        minutes, minutes_from = self._minutes()
        return {"from": self.writer, "to": self.reader.region, "blocked": self._blocked(), "minutes": minutes,
                "minutes_from": minutes_from, "loss_s": told["lag_s"], "loss_age_s": told["lag_age_s"],
                "loss_from": told["lag_from"],
                "grows": asdict(lag.growth) if lag is not None and lag.growth is not None else None}

    def _minutes(self) -> tuple[float, str]:
        """What moves took that this machine knows, else what the last drill took that another has made."""
        drill, usual = self._last_drill() or {}, self.local.usual_minutes
        if usual is None and drill.get("rto_s") and str(drill.get("mode", "")).startswith("live"):
            return round(drill["rto_s"] / 60, 1), "the last drill of this stack"
        return expected_minutes(usual)

    def _blocked(self) -> str:
        to = self.reader.region
        if self.database is None:
            return "no global database is seen"
        if to in self.silent:
            return f"{to} does not answer"
        if self.writer is None or self.database.changing_roles:
            return "roles are being changed"
        return self._blocked_by_copy(self.database.member(to), to)

    def _blocked_by_copy(self, copy: Member | None, to: str) -> str:
        if copy is None:
            return f"the global database has no member in {to}"
        if copy.synchronization == "pending-resync":
            return f"the copy in {to} is being rebuilt"
        said = self._probe(to)
        return f"the database of {to} {said}" if said.startswith("fails") else ""

    # Users, switches, certificates -----------------------------------------------------------------------------------

    def _health(self) -> dict[str, str]:
        """What Route 53's checkers say of the app in each region; an app that is stopped is red on purpose."""
        told = next((answers[look.CHECKS] for answers in self.seen.values() if look.CHECKS in answers), None)
        said = dict.fromkeys(self.seen, "not seen" if is_unseen(told) else "no health checks") | (
            dict(told) if isinstance(told, Mapping) else {})
        return said | {region: "there is none" if answers[look.APP] == NO_APP else "stopped"
                       for region, answers in self.seen.items() if answers[look.APP] in {0, NO_APP}}

    def _name(self) -> Told:
        """Which region the name answers with, by the zone's own name servers; each region is asked for its part."""
        seen = {region: answers[look.NAME] for region, answers in self.seen.items()}
        answers = {region: sent for region, sent in seen.items() if isinstance(sent, Sent)}
        name = {"name": self.settings.dns.name, "addresses": list[str](), "region": None}
        if not answers:
            return name | {"problem": "not seen" if any(map(is_unseen, seen.values())) else "not there yet"}
        answer = next(iter(answers.values())).answer
        return name | {"addresses": list(answer.addresses), "problem": answer.problem, "region": next(
            (region for region, sent in answers.items() if sent.is_with_the_balancer), None)}

    def _switches(self) -> str:
        """What both switch objects say together; what one of them says when the other cannot be asked."""
        primary, standby = (site.region for site in self.settings.sites)
        asked = {region: answers[look.SWITCH] for region, answers in self.seen.items()}
        hidden = [f"what lies in {region} is not seen" for region, told in asked.items() if is_unseen(told)]
        words = {(True, True): f"pinned to {primary}, against a switch that is turned to {standby}",
                 (True, False): f"turned to {standby}", (False, True): f"pinned to {primary}",
                 (False, False): "" if hidden else "at rest"}
        return "; ".join(filter(None, (words[asked[standby] is True, asked[primary] is True], *hidden)))

    def _certificates(self) -> dict[str, int | str | None]:
        """Days that are left, by region; None for a certificate that is not there, or not issued."""
        told = {region: answers[look.CERTIFICATE] for region, answers in self.seen.items()
                if look.CERTIFICATE in answers}
        return {region: "not seen" if is_unseen(one) else None if one is None else one.days_left
                for region, one in told.items()}

    # What was, and what is left --------------------------------------------------------------------------------------

    def _readiness(self) -> Told:
        """The newest readiness that was published, and the score of the readiness rules."""
        asked = {region: answers[look.READY] for region, answers in self.seen.items()}
        known = {region: one for region, one in asked.items() if isinstance(one, Published)}
        if not known:
            return {"value": None, "age_s": None, "region": None, "score": None,
                    "why": "not seen" if all(map(is_unseen, asked.values())) else "never published"}
        region, newest = max(known.items(), key=lambda one: one[1].hour)
        return {"value": newest.value, "age_s": max(0, round(time.time() - newest.hour)), "region": region,
                "score": newest.score, "why": ""}

    def _last_drill(self) -> Told | None:
        """The newest drill of this machine's and those that control buckets tell of."""
        told = [answers[look.DRILLS] for answers in self.seen.values() if isinstance(answers[look.DRILLS], dict)]
        known = [one for one in (*told, self.local.drill) if one is not None]
        return max(known, key=lambda one: str(one["run"]), default=None)

    def _left(self) -> Iterable[str]:
        """What is left to be done, in words."""
        leases = [answers[look.LEASE] for answers in self.seen.values() if isinstance(answers[look.LEASE], Seen)]
        yield from filter(None, [holders.unfinished(leases), self._half()])
        for answers in self.seen.values():
            if isinstance(note := answers[look.NOTE], Aftermath):
                yield f"the failover from {note.lost} ({f'run {note.run}' if note.run else 'by hand'}): drctl failback"
        for region, answers in self.seen.items():
            if answers[look.APP] == 0:
                yield f"the app in {region} is stopped"

    def _half(self) -> str:
        """What of the stack was found to be absent, of what was looked at."""
        lacks = ["global database"] * (self._database()["status"] == "absent")
        lacks += [f"{words} in {region}" for region, answers in self.seen.items() for name, words in LACKING.items()
                  if name in answers and _is_lacking(name, answers[name])]
        return f"not all of the stack stands (no {', no '.join(lacks)}): drctl provision" if lacks else ""


def _is_lacking(name: str, answer: Any) -> bool:
    """An app for which nothing is reserved is there, and so is the bucket of a lease that nobody ever held."""
    if answer is None:
        return name not in {look.APP, look.LEASE}
    return is_absent(answer) or (name == look.APP and bool(answer == NO_APP))


def what_users_get(silent: list[str], writer: str | None, name: Told) -> str:
    """Where the name sends users while a region is silent, and what they find there."""
    sent = name.get("region")
    if sent is None:
        return "" if not name.get("addresses") else "users are sent to no region that answers"
    if sent in silent:
        return f"users are sent to {sent}"
    if sent == writer:
        return f"users are sent to {sent}, whose database writes"
    return f"users are sent to {sent}, whose database only reads: writes are refused there"
