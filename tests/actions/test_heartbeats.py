"""RTO and RPO are taken from writes that were acknowledged, whatever the writer's answers were in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from drctl.actions.heartbeats import WhileWriting
from drctl.engine.events import Record
from drctl.engine.run import Run
from drctl.engine.runbook import Action
from drctl.engine.witness import Audit, Write
from drctl.errors import WaitTimeout
from drctl.settings import Site
from tests.engine.fakes import OTHER, SITE, offline_run

Answer = dict[str, Any]


@dataclass
class TwoDatabases:
    """Two databases behind two probes: one writes, and a move may lose its last rows."""

    writer: str = SITE.region
    rows: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, run: Run, site: Site, /, **request: Any) -> Answer:
        with self.lock:
            if request["action"] == "read":
                return {"rows": [row for row in self.rows if row > request["after"]], "ok": True}
            if site.region != self.writer:
                return {"ok": False, "error": "read-only", "text": "cannot execute in a read-only transaction"}
            self.rows.append(request["n"])
            return {"ok": True, "n": request["n"]}


@dataclass
class Clients:
    """Clients of a lab that have written before the run began; they lose the numbers they are told to."""

    run: Run
    databases: TwoDatabases
    gone: tuple[int, ...] = ()
    unread: tuple[Write, ...] = ()
    words: str = "two clients of the lab"
    every_s: float = 0.5
    saw_before: bool = True
    by_name: bool = True
    calls: list[str] = field(default_factory=list)
    written: list[Write] = field(default_factory=list)
    before: int = 0

    def begin(self) -> None:
        self.calls.append("begin")
        self.before = len(self.written)

    def end(self) -> None:
        self.calls.append("end")

    def tried(self) -> int:
        self.write()
        return len(self.written) - self.before

    def write(self) -> None:
        if self.databases.writer:
            self.written.append(Write(len(self.written) + 1, self.run.clock.now(), self.databases.writer))
            self.databases.rows.append(len(self.written))

    def in_words(self) -> str:
        return f"{len(self.written)} acknowledged"

    def acknowledged(self) -> list[Write]:
        self.write()
        return list(self.written)

    def audit(self, writes: Sequence[Write], region: str) -> Audit:
        self.calls.append(f"audit in {region}")
        return Audit(tuple(one for one in writes if one.number in self.gone), tuple(self.unread))


@dataclass(frozen=True, eq=False)
class Move(Action):
    """Moves the writer, once ten rows are there; may lose the newest rows."""

    databases: TwoDatabases
    lost: int = 0
    why: ClassVar[str] = "test"
    typical_minutes: ClassVar[float] = 0
    if_stuck: ClassVar[str] = "-"

    @property
    def title(self) -> str:
        return "move"

    def do(self, run: Run) -> None:
        run.wait_until("ten rows", lambda: len(self.databases.rows), lambda count: count >= 10, within=60)
        with self.databases.lock:
            self.databases.writer = ""
        run.clock.sleep(30)
        with self.databases.lock:
            if self.lost:
                del self.databases.rows[-self.lost:]
            self.databases.writer = OTHER.region


@pytest.fixture
def measured() -> Callable[[int], dict[str, Any]]:
    def measure(lost: int) -> dict[str, Any]:
        records: list[Record] = []
        run = offline_run(records, speed=100)
        databases = TwoDatabases()
        WhileWriting((Move(databases, lost),), SITE, OTHER, ask=databases.ask).do(run)
        return run.measures

    return measure


def test_a_move_without_loss_has_an_rpo_of_zero_and_an_rto_of_the_silence(
        measured: Callable[[int], dict[str, Any]]) -> None:
    figures = measured(0)
    assert figures["lost_rows"] == 0
    assert figures["rpo_s"] == 0
    assert 30 <= figures["rto_s"] <= 60
    assert figures["acknowledged_rows"] >= 11


def test_rows_that_were_acknowledged_and_are_gone_are_counted_and_spanned(
        measured: Callable[[int], dict[str, Any]]) -> None:
    figures = measured(4)
    assert figures["lost_rows"] == 4
    assert figures["rpo_s"] > 0


def test_a_move_that_was_made_before_is_told_as_not_measured_and_fails_nothing() -> None:
    records: list[Record] = []
    run = offline_run(records, speed=100)
    databases = TwoDatabases(writer=OTHER.region)
    WhileWriting((), SITE, OTHER, ask=databases.ask).do(run)
    assert run.measures == {}
    assert [record["text"] for record in records if record["event"] == "note"] == [
        "us-east-1 took no write any more when this began: the move is not measured"]


def test_users_who_have_fled_are_followed_though_nobody_can_write_and_it_counts_from_their_last_write() -> None:
    run = offline_run(speed=100)
    databases = TwoDatabases(writer="", rows=list(range(10)))
    run.clients = Clients(run, databases, written=[Write(1, -500.0, SITE.region)])
    WhileWriting((Move(databases),), SITE, OTHER, ask=databases.ask, fled=lambda _: True).do(run)
    assert run.measures["lost_rows"] == 0
    assert run.measures["rto_s"] >= 500


def test_where_users_have_not_fled_nothing_moves_before_somebody_can_write() -> None:
    run = offline_run(speed=100_000)
    databases = TwoDatabases(writer="")
    asked: list[Run] = []

    def stayed(run: Run) -> bool:
        asked.append(run)
        return False

    run.clients = Clients(run, databases)
    with pytest.raises(WaitTimeout, match="a first write is acknowledged"):
        WhileWriting((Move(databases),), SITE, OTHER, ask=databases.ask, fled=stayed).do(run)
    assert (databases.writer, asked) == ("", [run])


def test_clients_of_the_users_name_are_the_witness_where_there_are_any() -> None:
    run = offline_run(speed=100)
    databases = TwoDatabases(rows=list(range(10)))
    run.clients = clients = Clients(run, databases, gone=(1,), unread=(Write(2, 0.0, SITE.region),))
    WhileWriting((Move(databases),), SITE, OTHER, ask=databases.ask).do(run)
    figures = run.measures
    assert clients.calls == ["begin", "end", "audit in us-west-2"]
    assert (figures["measured_by"], figures["lost_rows"], figures["lost_numbers"]) == (
        "two clients of the lab", 1, "1")
    assert figures["unread_numbers"] == "2"
    assert figures["rto_s"] >= figures["write_gap_s"] >= 30
    assert figures["gap_ended_s"] - figures["gap_began_s"] == pytest.approx(figures["write_gap_s"], abs=0.1)


def test_what_clients_wrote_before_the_run_measures_no_move_that_was_made_before() -> None:
    records: list[Record] = []
    run = offline_run(records, speed=100)
    databases = TwoDatabases(writer=OTHER.region)
    run.clients = Clients(run, databases, written=[Write(1, -500.0, SITE.region)])
    WhileWriting((), SITE, OTHER, ask=databases.ask).do(run)
    assert run.measures == {}
