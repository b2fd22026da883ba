"""The lab's clients as the witness of a move: what they saw, in the run's own time, and what is there of it."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from drctl.cli.lab_clients import LabClients, clients_of
from drctl.engine.clock import Clock
from drctl.lab import process, traffic_process
from drctl.settings import Network, Settings
from tests.cli.conftest import Cli, cli_in
from tests.forking import warmed
from tests.lab.traffic_world import EAST, WEST, World, world

SPEED = 60.0
SETTINGS = Settings(network=Network(admit_cidrs=(IPv4Network("198.51.100.0/24"),)))


@dataclass
class Place:
    """A world that plays the lab, drctl with a home there, and the witness of a run that begins."""

    there: World
    cli: Cli
    lab: process.LabState
    clock: Clock

    def witness(self) -> LabClients:
        return LabClients(self.lab, SETTINGS, self.clock)

    def traffic(self, *arguments: str) -> None:
        done = self.cli("lab", "traffic", *arguments)
        assert done.code == 0, done.err


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    cli = cli_in(tmp_path, warmed())
    home = Path(cli.environment["DRCTL_HOME"])
    home.mkdir()
    monkeypatch.setenv("DRCTL_HOME", str(home))
    with world(speed=SPEED) as there:
        lab = process.LabState(f"http://{there.url('page')}", SPEED, os.getpid(), there.url("dns"), there.url("edge"))
        (home / "lab.json").write_text(json.dumps(
            {"endpoint": lab.endpoint, "speed": SPEED, "pid": lab.pid, "dns": lab.dns, "edge": lab.edge}))
        yield Place(there, cli, lab, Clock(SPEED))
        traffic_process.stop()


def until(look: Callable[[], bool], what: str) -> None:
    """Return when it is so."""
    end, pause = time.monotonic() + 20, threading.Event()
    while not look():
        assert time.monotonic() < end, what
        pause.wait(0.02)


def seen(clients: LabClients, count: int) -> None:
    """Return when so many writes were acknowledged."""
    until(lambda: len(clients.acknowledged()) >= count, f"{count} writes")


def test_without_any_running_they_begin_with_the_first_move_and_end_with_the_run(place: Place) -> None:
    clients = place.witness()
    assert (clients.saw_before, clients.counted(), clients.acknowledged()) == (False, "", [])
    clients.begin()
    seen(clients, 5)
    assert traffic_process.running() is not None
    assert clients.every_s == SPEED / 20
    clients.end()
    assert traffic_process.running() is not None, "users do not care that a move is over"
    clients.close()
    assert traffic_process.running() is None
    assert "they have ended" in clients.in_words()


def test_those_that_run_already_saw_what_was_before_and_outlive_the_run(place: Place) -> None:
    place.traffic("start", "--rate", "50")
    clients = place.witness()
    assert clients.saw_before
    seen(clients, 5)
    clients.begin()
    before = len([one for one in clients.acknowledged() if one.at < place.clock.now()])
    assert before >= 5
    assert clients.tried() < len(clients.acknowledged()), "only those since the move began were tried in it"
    clients.close()
    assert traffic_process.running() is not None


def test_writes_are_told_in_the_runs_own_time_with_who_acknowledged_them(place: Place) -> None:
    clients = place.witness()
    clients.begin()
    begun = place.clock.now()
    seen(clients, 3)
    place.there.sent_to = (WEST,)
    place.there.doors[EAST] = "closes"
    until(lambda: clients.acknowledged()[-1].region == "us-west-2", "a write in the other region")
    writes = clients.acknowledged()
    assert all(begun <= one.at <= place.clock.now() for one in writes)
    assert writes[0].region == "us-east-1"
    assert "last answer from us-west-2" in clients.counted()


def test_what_is_missing_is_told_by_number_and_only_of_what_was_asked_for(place: Place) -> None:
    clients = place.witness()
    clients.begin()
    seen(clients, 12)
    traffic_process.stop()
    writes = clients.acknowledged()
    gone, kept = writes[-3:], writes[:-3]
    rows = {row: known_as for known_as, row in place.there.rows.items()}
    by_number = {int(row.rpartition("-")[2]): row for row in rows}
    for one in gone:
        del place.there.rows[rows[by_number[one.number]]]
    audit = clients.audit(writes, "us-east-1")
    assert sorted(one.number for one in audit.lost) == sorted(one.number for one in gone)
    assert audit.unknown == ()
    assert clients.audit(kept, "us-east-1").lost == ()


def test_an_app_that_does_not_answer_leaves_rows_unknown_not_lost(place: Place) -> None:
    clients = place.witness()
    clients.begin()
    seen(clients, 4)
    traffic_process.stop()
    place.there.statuses["GET"] = 503
    audit = clients.audit(clients.acknowledged()[:2], "us-east-1")
    assert (audit.lost, len(audit.unknown)) == ((), 2)


def test_there_is_no_such_witness_on_aws_without_a_lab_or_where_no_client_is_admitted(place: Place) -> None:
    assert clients_of(None, SETTINGS, place.clock) is None
    assert clients_of(place.lab, SETTINGS.model_copy(update={"target": "aws"}), place.clock) is None
    closed = SETTINGS.model_copy(update={"network": Network(admit_cloudfront=True)})
    assert clients_of(place.lab, closed, place.clock) is None
    assert clients_of(place.lab, SETTINGS, place.clock) is not None
