"""Heartbeats: numbered writes through the probe all the time while something moves, so that RTO and RPO are measured.

A heartbeat counts when the database acknowledged it. What was acknowledged is remembered here, outside the database;
afterwards the writer is asked which numbers it holds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import ClassVar

from drctl.actions import probe
from drctl.actions.probe import Ask, attempt
from drctl.engine.looks import Pending, Unanswered
from drctl.engine.run import Run
from drctl.engine.runbook import Action, perform
from drctl.engine.waiting import minutes
from drctl.engine.witness import Audit, Gap, Witness, Write, at_stake, first_in, last_in, ranges, recovered, span_of
from drctl.errors import DrctlError, WaitTimeout
from drctl.settings import Site

#: AWS seconds between two heartbeats: the resolution of RTO and RPO.
EVERY_S = 1.0
#: AWS seconds in which writers usually write, before it is asked whether they can.
FIRST_WRITE_S = 20.0
#: Real seconds for the answer to one: what hangs with its region must not keep the others from being written.
ANSWER_S = 5.0
#: Real seconds after which one is given up once its region is taken for lost.
GIVEN_UP_WITHIN_S = 0.05


class Heart:
    """A witness: writes heartbeats from a thread of its own, wherever a writer is found."""

    words = "heartbeats of the probe function"
    by_name = False
    every_s = EVERY_S
    saw_before = False

    def __init__(self, run: Run, label: str, sites: tuple[Site, ...], ask: Ask) -> None:
        self._run, self._sites, self._ask = run, list(sites), ask
        self.label = label
        self._writes: list[Write] = []
        self._number = 0
        self._refused: list[str] = []
        self._beating, self._ended = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=copy_context().run, args=(self._work,), name="heart", daemon=True)

    def begin(self) -> None:
        """Beat from now on."""
        self._thread.start()

    def end(self) -> None:
        """End after the beat under way."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def acknowledged(self) -> list[Write]:
        """What was acknowledged so far."""
        return list(self._writes)

    def in_words(self) -> str:
        """How many were acknowledged, and what refused the newest one that was not."""
        return f"{len(self._writes)} acknowledged, refused: {(self._refused or ['none'])[-1]}"

    def _work(self) -> None:
        while not self._run.clock.wait_for(self._ended, EVERY_S):
            self.beat()

    def tried(self) -> int:
        """How many were acknowledged so far; who waits for the first one writes it."""
        if not self._writes:
            self.beat()
        return len(self._writes)

    def beat(self) -> None:
        """One write; where one was refused the other region is next."""
        with self._beating:
            self._beat()

    def _beat(self) -> None:
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
            self._writes.append(Write(number, self._run.clock.now(), site.region))
        else:
            self._refused.append(f"{site.region}: {answer.get('error')}: {answer.get('text')}")
            self._sites.reverse()

    def audit(self, writes: Sequence[Write], region: str) -> Audit:
        """Lost are those that the probe in a region does not read back."""
        held: set[int] = set()
        while rows := self._rows(region, max(held, default=0)):
            held.update(rows)
        return Audit(tuple(one for one in writes if one.number not in held))

    def _rows(self, region: str, after: int) -> list[int]:
        """One page; a function that is slow after a promotion is asked again."""
        site = next(one for one in self._run.settings.sites if one.region == region)
        answer = self._run.wait_until("the probe reads the heartbeats back", lambda: attempt(
            self._ask, self._run, site, action="read", run=self.label, after=after),
            lambda told: bool(told.get("ok")), within=minutes(10), every=5, show=probe.in_words)
        return list(answer["rows"])


def play_witnessed(run: Run, witness: Witness, lines: Iterable[Action], target: Site) -> tuple[float, float]:
    """Play lines, until a write was acknowledged in `target` since; when lines began and ended, in AWS seconds."""
    began = run.clock.now()
    for line in lines:
        perform(run, line)
    ended = run.clock.now()
    run.wait_until(f"a write is acknowledged in {target.region}",
                   lambda: first_in(target.region, witness.acknowledged(), began),
                   lambda write: write is not None, within=minutes(15), every=1.0, show=lambda _: witness.in_words())
    return began, ended


@dataclass(frozen=True, eq=False)
class WhileWriting(Action):
    """Plays lines that move the stack from one region to the other while somebody writes, and measures."""

    lines: tuple[Action, ...]
    source: Site
    target: Site
    #: Prefix of the figures in the report; empty for the way out.
    prefix: str = ""
    ask: Ask = probe.ask
    #: Whether users have fled to `target` before: there nobody can write until the database has followed them. None
    #: where that cannot be, as in a drill, which begins with a stack that is well.
    fled: Callable[[Run], bool] | None = None
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
        witness = run.clients or Heart(run, f"{run.id}-{self.prefix or 'there'}", (self.source, self.target), self.ask)
        begun = run.clock.now()
        witness.begin()
        try:
            fled = not self._has_written(run, witness)
            began, ended = play_witnessed(run, witness, self.lines, self.target)
        finally:
            witness.end()
        first = first_write(witness, self.target, began)
        last = last_in(self.source.region, witness.acknowledged(), first)
        if last is None or (last.at < begun and not fled):  # an earlier run, or a person, has moved the database
            run.say(f"{self.source.region} took no write any more when this began: the move is not measured")
            return
        gap = Gap(last, first)
        measure_writes(run, witness, gap, self.prefix)
        run.measure(f"{self.prefix}rto_s", round(recovered(gap, witness, ended), 1))

    def _has_written(self, run: Run, witness: Witness) -> bool:
        """Wait for a first write; False where nobody can write before the database moves. WaitTimeout otherwise."""
        def wait(within: float) -> None:
            run.wait_until("a first write is acknowledged", witness.tried, bool, within=within, every=1.0,
                           show=lambda _: witness.in_words())
        try:
            wait(FIRST_WRITE_S)
        except WaitTimeout:
            if self.fled is not None and self.fled(run):
                run.say(f"users are in {self.target.region}, where nobody can write yet: the database follows them")
                return False
            wait(minutes(2))
        return True


def first_write(witness: Witness, target: Site, since: float) -> Write:
    """The first write in a region since a moment of the run's clock; DrctlError when nobody saw one."""
    first = first_in(target.region, witness.acknowledged(), since)
    if first is None:
        raise DrctlError(f"no write was acknowledged in {target.region}; nothing can be measured")
    return first


def measure_writes(run: Run, witness: Witness, gap: Gap, prefix: str = "") -> None:
    """Record the gap, and what of the acknowledged writes is not there any more: how many, which, and their span."""
    writes = at_stake(witness.acknowledged(), gap)
    found = witness.audit(writes, gap.first.region)
    lost = found.lost
    figures = {"write_gap_s": round(gap.seconds, 1), "rpo_s": round(span_of(lost, gap.last, witness.every_s), 1),
               "lost_rows": len(lost), "acknowledged_rows": len(writes), "measured_by": witness.words,
               "gap_began_s": round(gap.last.at, 2), "gap_ended_s": round(gap.first.at, 2)}
    for name, those in (("lost_numbers", lost), ("unread_numbers", found.unknown)):
        if those:
            figures[name] = ranges(one.number for one in those)
    for name, value in figures.items():
        run.measure(f"{prefix}{name}", value)
