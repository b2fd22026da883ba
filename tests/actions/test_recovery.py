"""A failover is measured on real writes: from the outage to the first one acknowledged; its loss is at most the lag."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from drctl.actions.judge import judge
from drctl.actions.probe import ProbeFailed
from drctl.actions.recovery import SERVED_BEFORE, UntilServed
from drctl.cli.failing_over import judged
from drctl.engine.events import Record
from drctl.engine.run import OUTAGE_BEGAN, Run
from drctl.engine.runbook import Action, SideBySide, perform
from drctl.engine.witness import Audit, Write
from drctl.errors import RunFailed
from drctl.settings import Site
from tests.engine.fakes import OTHER, SITE, Line, offline_run, refusal

#: AWS seconds in a second: a minute is half a second long.
SPEED = 120.0


@dataclass
class Database:
    """The surviving region's database behind its probe, a copy until it is promoted."""

    writes: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    #: How many beats fail before the probe answers at all.
    failures: int = 0

    def ask(self, run: Run, site: Site, /, **request: Any) -> dict[str, Any]:
        self.asked.append((site.region, request))
        if len(self.asked) <= self.failures:
            raise ProbeFailed("the probe function failed")
        if not self.writes.is_set():
            return {"ok": False, "error": "READ_ONLY", "text": "cannot execute in a read-only transaction"}
        return {"ok": True, "n": request["n"]}


@dataclass(frozen=True, eq=False)
class Takes(Action):
    """A line that takes so many AWS seconds, and may promote the database after as many."""

    seconds: float
    database: Database | None = None
    why: ClassVar[str] = "test"
    typical_minutes: ClassVar[float] = 0
    if_stuck: ClassVar[str] = "-"

    @property
    def title(self) -> str:
        return f"takes {self.seconds} s"

    def do(self, run: Run) -> None:
        run.clock.sleep(self.seconds)
        if self.database:
            self.database.writes.set()


def recover(database: Database, *lines: Action, run: Run | None = None) -> dict[str, Any]:
    """What a recovery measures."""
    run = run or offline_run(speed=SPEED)
    perform(run, UntilServed(lines, SITE, OTHER, ask=database.ask))
    return run.measures


def test_the_execution_ends_with_the_first_write_when_the_lines_ended_before() -> None:
    database = Database()
    late = threading.Timer(0.5, database.writes.set)
    late.start()
    figures = recover(database, Takes(1))
    late.join()
    assert 55 <= figures["execution_rto_s"] <= 180


def test_the_execution_ends_with_the_last_line_when_a_write_came_before() -> None:
    database = Database()
    figures = recover(database, Takes(1, database), Takes(60))
    assert 61 <= figures["execution_rto_s"] <= 180


def test_writes_are_tried_in_the_new_region_alone_under_the_runs_own_label() -> None:
    database = Database(failures=3)
    recover(database, Takes(30, database))
    assert {region for region, _ in database.asked} == {OTHER.region}
    assert {(request["action"], request["run"]) for _, request in database.asked} == {("write", "test-there")}
    numbers = [request["n"] for _, request in database.asked]
    assert numbers == sorted(set(numbers))
    assert len(numbers) > 3


def test_without_a_known_lag_the_execution_alone_is_measured_and_nothing_is_met() -> None:
    database = Database()
    run = offline_run(speed=SPEED)
    figures = recover(database, Takes(1, database), run=run)
    assert set(figures) == {"execution_rto_s", "decide_s"}
    judge(run, run.measures)
    assert run.measures["met"] is False


def test_with_a_lag_the_outage_is_counted_from_and_the_loss_is_at_most_that_lag() -> None:
    database, run = Database(), offline_run(speed=SPEED)
    run.clock.sleep(12)  # deciding
    run.measure("lag_s", 240.0)
    run.measure(OUTAGE_BEGAN, time.time() - 240 / SPEED)
    figures = recover(database, Takes(30, database), run=run)
    assert figures["rpo_s"] == 240
    assert "upper bound" in figures["rpo_from"]
    assert "lag" in figures["rto_from"]
    assert 12 <= figures["decide_s"] <= 60
    assert 170 <= figures["detect_s"] <= 240 - 12 + 1
    assert figures["rto_s"] == pytest.approx(
        figures["detect_s"] + figures["decide_s"] + figures["execution_rto_s"], abs=2)
    judge(run, run.measures)
    assert run.measures["met"] is True


def test_a_lag_that_was_old_when_it_was_decided_is_no_bound_of_the_loss_without_an_if() -> None:
    database, run = Database(), offline_run(speed=SPEED)
    run.measure("lag_s", 0.3)
    run.measure("lag_age_s", 540)
    database.writes.set()
    figures = recover(database, run=run)
    assert figures["rpo_from"] == ("the newest known replication lag, 9 min old when it was decided: an upper bound of "
                                   "the loss if the region was lost then")


def test_an_outage_that_began_while_the_run_was_under_way_was_not_waited_for() -> None:
    database, run = Database(), offline_run(speed=SPEED)
    run.clock.sleep(60)
    run.measure("lag_s", 6.0)
    run.measure(OUTAGE_BEGAN, time.time() - 6 / SPEED)
    figures = recover(database, Takes(30, database), run=run)
    assert figures["detect_s"] == 0
    assert 36 <= figures["rto_s"] <= figures["execution_rto_s"] + 10


def test_a_run_that_goes_on_with_another_counts_from_the_first_ones_outage() -> None:
    database, run = Database(), offline_run(speed=SPEED)
    run.measure(OUTAGE_BEGAN, time.time() - 600 / SPEED)
    database.writes.set()
    figures = recover(database, run=run)
    assert 595 <= figures["rto_s"] <= 720


def test_a_run_that_finds_users_served_measures_no_recovery_of_its_own_and_says_so() -> None:
    """The outage of the first one would count until whenever somebody has repeated it."""
    database, records = Database(), list[Record]()
    run = offline_run(records, speed=SPEED)
    run.measure(OUTAGE_BEGAN, time.time() - 600 / SPEED)
    run.measure("lag_s", 0.3)
    database.writes.set()
    perform(run, UntilServed((Takes(1),), SITE, OTHER, ask=database.ask, served=lambda _: True))
    assert run.measures.keys() == {OUTAGE_BEGAN, "lag_s", SERVED_BEFORE}
    (said,) = [record["text"] for record in records if record["event"] == "note"]
    assert said.startswith("nothing was left to be done: users were served in us-west-2 before this run")
    with judged(run):
        pass
    assert "met" not in run.measures


def test_whether_users_are_served_is_looked_at_before_the_first_line() -> None:
    database = Database()
    run = offline_run(speed=SPEED)
    perform(run, UntilServed((Takes(1, database),), SITE, OTHER, ask=database.ask,
                             served=lambda _: database.writes.is_set()))
    assert "execution_rto_s" in run.measures


def test_a_line_that_fails_ends_the_trying_and_measures_nothing() -> None:
    database, records = Database(), list[Record]()
    run = offline_run(records, speed=SPEED)
    with pytest.raises(RunFailed, match="boom"):
        recover(database, Line("boom", [], refusal("Boom")), run=run)
    assert run.measures == {}
    tried = len(database.asked)
    threading.Event().wait(0.05)
    assert len(database.asked) == tried


def test_its_lines_can_be_left_out_one_by_one() -> None:
    one, two, three = (Line(name, []) for name in ("one", "two", "three"))
    whole = UntilServed((SideBySide((one, two)), three), SITE, OTHER)
    assert [line.title for line in whole.with_parts((three,)).parts] == ["three"]
    assert whole.title == "recover in us-west-2, trying to write"


@dataclass
class Clients:
    """Clients of a lab that wrote until the outage, and write again once the database does."""

    run: Run
    database: Database
    before: tuple[Write, ...]
    saw_before: bool = True
    by_name: bool = True
    words: str = "clients of the lab"
    every_s: float = 1.0
    written: list[Write] = field(default_factory=list)

    def begin(self) -> None:
        """They write already."""

    def end(self) -> None:
        """They go on."""

    def tried(self) -> int:
        return len(self.written)

    def in_words(self) -> str:
        return f"{len(self.written)} acknowledged"

    def acknowledged(self) -> list[Write]:
        if self.database.writes.is_set():
            self.written.append(Write(100 + len(self.written), self.run.clock.now(), OTHER.region))
        return [*self.before, *self.written]

    def audit(self, writes: Sequence[Write], region: str) -> Audit:
        return Audit(tuple(one for one in writes if one.number in {8, 9}))


def test_clients_that_wrote_before_the_outage_know_rto_and_rpo_exactly() -> None:
    database, run = Database(), offline_run(speed=SPEED)
    run.measure("lag_s", 240.0)
    run.measure(OUTAGE_BEGAN, time.time() - 240 / SPEED)
    run.clients = Clients(run, database, tuple(Write(number, -110.0 + number, SITE.region) for number in range(10)))
    figures = recover(database, Takes(30, database), run=run)
    assert database.asked == []
    assert (figures["lost_rows"], figures["lost_numbers"], figures["rpo_s"]) == (2, "8-9", 1 + 1)
    assert figures["detect_s"] == 101
    assert figures["rto_s"] == pytest.approx(101 + figures["decide_s"] + figures["execution_rto_s"], abs=1)
    assert (figures["rto_from"], figures["measured_by"]) == (
        "the last write that was acknowledged in the lost region", "clients of the lab")


def test_clients_that_began_with_the_run_know_nothing_of_the_outage_and_are_not_asked() -> None:
    database, run = Database(), offline_run(speed=SPEED)
    run.clients = Clients(run, database, (), saw_before=False)
    database.writes.set()
    assert "measured_by" not in recover(database, run=run)
    assert database.asked


def test_clients_that_never_reached_the_lost_region_leave_the_figures_to_the_lag() -> None:
    database, run = Database(), offline_run(speed=SPEED)
    run.measure("lag_s", 6.0)
    run.clients = Clients(run, database, ())
    database.writes.set()
    assert "upper bound" in recover(database, run=run)["rpo_from"]
