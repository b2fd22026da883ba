"""Heartbeats: numbered writes through the probe all the time while something moves, so that RTO and RPO are measured.

A heartbeat counts when the database acknowledged it. What was acknowledged is remembered here, outside the database;
afterwards the writer is asked which numbers it holds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import ClassVar

from drctl.actions import probe
from drctl.actions.probe import Ask, attempt
from drctl.engine.looks import Pending, Unanswered
from drctl.engine.run import Run
from drctl.engine.runbook import Action, perform
from drctl.engine.waiting import minutes
from drctl.errors import DrctlError
from drctl.settings import Site

#: AWS seconds between two heartbeats: the resolution of RTO and RPO.
EVERY_S = 1.0
#: Real seconds for the answer to one: what hangs with its region must not keep the others from being written.
ANSWER_S = 5.0
#: Real seconds after which one is given up once its region is taken for lost.
GIVEN_UP_WITHIN_S = 0.05


@dataclass(frozen=True)
class Beat:
    """One acknowledged write: its number, when it was acknowledged in AWS seconds, and where."""

    number: int
    at: float
    region: str


class Heart:
    """Writes heartbeats from a thread of its own, wherever a writer is found."""

    def __init__(self, run: Run, label: str, sites: tuple[Site, ...], ask: Ask) -> None:
        self._run, self._sites, self._ask = run, list(sites), ask
        self.label = label
        self.beats: list[Beat] = []
        self._number = 0
        self.refused: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=copy_context().run, args=(self._work,), name="heart", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """End after the beat under way."""
        self._ended.set()
        self._thread.join(timeout=30)

    def last_in(self, site: Site) -> Beat | None:
        """The newest acknowledged write in a region."""
        return next((beat for beat in reversed(self.beats) if beat.region == site.region), None)

    def first_in(self, site: Site) -> Beat | None:
        """The oldest acknowledged write in a region."""
        return next((beat for beat in self.beats if beat.region == site.region), None)

    def _work(self) -> None:
        while not self._run.clock.wait_for(self._ended, EVERY_S):
            self.beat()

    def beat(self) -> int:
        """One write, and how many were acknowledged so far; where one was refused the other region is next."""
        self._number += 1
        if self._sites[0].region == self._run.lost:
            self._sites.reverse()
        site, number = self._sites[0], self._number
        asked = Pending("heartbeat", lambda: attempt(
            self._ask, self._run, site, action="write", run=self.label, n=number))
        until = time.monotonic() + ANSWER_S
        while not asked.ended and time.monotonic() < until and site.region != self._run.lost:
            asked.wait(GIVEN_UP_WITHIN_S)
        answer = asked.answer
        if isinstance(answer, Unanswered):
            answer = {"ok": False, "error": "NoAnswer", "text": answer.why}
        if answer.get("ok"):
            self.beats.append(Beat(number, self._run.clock.now(), site.region))
        else:
            self.refused.append(f"{site.region}: {answer.get('error')}: {answer.get('text')}")
            self._sites.reverse()
        return len(self.beats)


def play_beating(run: Run, heart: Heart, lines: Iterable[Action], target: Site) -> float:
    """Play lines while the heart beats, until it has beaten in `target`; when the lines had ended, in AWS seconds."""
    heart.start()
    try:
        for line in lines:
            perform(run, line)
        ended = run.clock.now()
        run.wait_until(f"a heartbeat is acknowledged in {target.region}", lambda: heart.first_in(target),
                       lambda beat: beat is not None, within=minutes(15), every=1.0,
                       show=lambda _: f"{heart.refused[-1:] or 'none refused'}")
    finally:
        heart.stop()
    return ended


@dataclass(frozen=True, eq=False)
class WhileWriting(Action):
    """Plays lines that move the stack from one region to the other while heartbeats are written, and measures."""

    lines: tuple[Action, ...]
    source: Site
    target: Site
    #: Prefix of the figures in the report; empty for the way out.
    prefix: str = ""
    ask: Ask = probe.ask
    why = "RTO and RPO are taken from writes, not from status fields"
    typical_minutes = 0.0
    if_stuck = "see the line that is not done"
    phase: ClassVar[str] = "measure"

    @property
    def title(self) -> str:
        return f"move from {self.source.region} to {self.target.region} while writing"

    @property
    def parts(self) -> tuple[Action, ...]:
        return self.lines

    def with_parts(self, parts: tuple[Action, ...]) -> WhileWriting:
        return replace(self, lines=parts)

    def do(self, run: Run) -> None:
        heart = Heart(run, f"{run.id}-{self.prefix or 'there'}", (self.source, self.target), self.ask)
        run.wait_until("a first heartbeat is acknowledged", heart.beat, bool, within=minutes(2), every=1.0,
                       show=lambda count: f"{count} acknowledged, refused: {heart.refused[-1:]}")
        self._measure(run, heart, play_beating(run, heart, self.lines, self.target))

    def _measure(self, run: Run, heart: Heart, ended: float) -> None:
        """RTO: from the last write in the old region to the first in the new one, or to the name's answer if later."""
        last, first = heart.last_in(self.source), heart.first_in(self.target)
        if first is None:
            raise DrctlError(f"no heartbeat was acknowledged in {self.target.region}; nothing can be measured")
        if last is None:  # an earlier run, or a person, has moved the database
            run.say(f"{self.source.region} took no write any more when this began: the move is not measured")
            return
        held = self._held(run, heart)
        lost = [beat for beat in heart.beats if beat.number not in held]
        figures = {"rto_s": max(first.at, ended) - last.at, "write_gap_s": first.at - last.at,
                   "rpo_s": span_of(lost, last), "lost_rows": len(lost), "acknowledged_rows": len(heart.beats)}
        for name, value in figures.items():
            run.measure(f"{self.prefix}{name}", round(value, 1))

    def _held(self, run: Run, heart: Heart) -> set[int]:
        """The numbers the new writer holds."""
        held: set[int] = set()
        while rows := self._rows(run, heart, max(held, default=0)):
            held.update(rows)
        return held

    def _rows(self, run: Run, heart: Heart, after: int) -> list[int]:
        """One page; a function that is slow after a promotion is asked again."""
        answer = run.wait_until("the probe reads the heartbeats back", lambda: attempt(
            self.ask, run, self.target, action="read", run=heart.label, after=after),
            lambda told: bool(told.get("ok")), within=minutes(10), every=5, show=probe.in_words)
        return list(answer["rows"])


def span_of(lost: Sequence[Beat], last: Beat) -> float:
    """AWS seconds of writes that are gone: from the first lost one to the last acknowledged before the move."""
    return max(0.0, last.at - lost[0].at) + EVERY_S if lost else 0.0
