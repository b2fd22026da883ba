"""The lag of secondaries can be set: the metrics show it, and the rows of real servers feel it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import pytest

from drctl.aws.clients import Aws
from drctl.lab import aurora
from drctl.lab.clock import CLOCK, LabClock
from drctl.lab.databases import DATABASES
from drctl.lab.lag import LAG, LONGEST_MS, USUAL_MS
from drctl.lab.postgres import ReplicatedDatabase
from drctl.lab.postgres_server import Home, Login, PostgresFailed, Server, until
from drctl.lab.server import Lab
from drctl.lab.wire import Wire
from tests.lab.aurora_world import EAST, WEST, fail_over, pair, switch_over, world, writer
from tests.lab.test_aurora_outage import host, lag_ms, numbers, server
from tests.lab.test_outages import ask

LOGIN = Login("dradmin", "s3cret", "app")
#: A minute of AWS in a second: a lag of a minute is a second of real servers.
SPEED, LAG_S = 60.0, 60.0


@pytest.mark.usefixtures("lab")
def test_a_lag_is_what_was_set_last_and_what_was_set_before_is_remembered(clock: LabClock) -> None:
    clock.hold()
    try:
        for minutes, ms in ((0, 20_000), (10, 0), (10, 500)):
            clock.skip(60 * minutes)
            LAG.set(ms)
        now = CLOCK.now()
        assert LAG.wire() == {"lag_ms": 500.0, "default": False}
        assert [LAG.at(now - 60 * ago) for ago in (30, 20, 15, 10, 1, 0)] == [USUAL_MS, 20_000, 20_000, 0, 0, 500]
    finally:
        clock.release()
    LAG.reset()
    assert LAG.at(now - 1200) == USUAL_MS


@pytest.mark.parametrize("ms", [-1, LONGEST_MS + 1, float("nan"), float("inf")])
def test_a_lag_that_cannot_be_is_refused(lab: Lab, ms: float) -> None:
    with pytest.raises(ValueError, match="cannot be set: from 0 to 24 hours"):
        LAG.set(ms)
    assert LAG.ms == USUAL_MS


def test_the_labs_own_page_tells_sets_and_takes_back_the_lag(lab: Lab) -> None:
    assert ask(lab, "GET", "lag") == (200, {"lag_ms": 80.0, "default": True})
    assert ask(lab, "POST", "lag", lag_ms=20_000) == (200, {"lag_ms": 20_000.0, "default": False})
    assert ask(lab, "GET", "status")[1]["lag_ms"] == 20_000.0
    status, told = ask(lab, "POST", "lag", lag_ms=-5)
    assert (status, told["error"]) == (400, "a lag of -5 ms cannot be set: from 0 to 24 hours")
    assert ask(lab, "DELETE", "lag") == (200, {"lag_ms": 80.0, "default": True})


def test_a_datapoint_of_a_minute_that_is_over_keeps_its_value(aws: Aws, clock: LabClock) -> None:
    pair(aws, clock)
    clock.skip(120)
    aurora.set_lag_ms(20_000)
    assert set(lag_ms(aws, WEST)[:-1]) == {80.0}
    assert lag_ms(aws, WEST)[-1] == 20_000
    clock.skip(180)
    aurora.set_lag_ms(80.0)
    shown = lag_ms(aws, WEST)
    assert shown[-1] == 80.0
    assert set(shown[-4:-1]) == {20_000.0}
    assert set(shown[:-4]) == {80.0}


class Echo:
    """A wire, and behind it a server that sends back what it gets."""

    def __init__(self, delay: Callable[[], float], begins: bytes = b"") -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.wire = Wire(int(self._listener.getsockname()[1]), delay, begins=begins)
        self.near = socket.create_connection(("127.0.0.1", self.wire.port), timeout=5)
        self.far, _ = self._listener.accept()

    def takes(self, said: bytes) -> float:
        """Seconds until what is said there arrives here."""
        began = time.monotonic()
        self.far.sendall(said)
        assert self.near.recv(100) == said
        return time.monotonic() - began

    def close(self) -> None:
        for end in (self.near, self.far, self._listener):
            end.close()
        self.wire.close()


@pytest.fixture
def late() -> dict[str, float]:
    """Seconds by which a wire is late; a test may change them."""
    return {"s": 0.3}


def test_what_a_late_wire_brings_is_late_and_what_it_takes_is_not(late: dict[str, float]) -> None:
    echo = Echo(lambda: late["s"])
    assert echo.takes(b"slow") >= 0.3
    began = time.monotonic()
    echo.near.sendall(b"at once")
    assert echo.far.recv(100) == b"at once"
    assert time.monotonic() - began < 0.3
    late["s"] = 0.0
    assert echo.takes(b"fast") < 0.3
    echo.close()


def test_what_is_under_way_comes_at_once_when_the_delay_is_taken_back(late: dict[str, float]) -> None:
    late["s"] = 60.0
    echo = Echo(lambda: late["s"])
    echo.far.sendall(b"held")
    echo.near.settimeout(0.3)
    with pytest.raises(TimeoutError):
        echo.near.recv(100)
    late["s"] = 0.0
    echo.near.settimeout(5)
    assert echo.near.recv(100) == b"held"
    echo.close()


def test_nothing_is_late_before_a_wire_begins_to_be(late: dict[str, float]) -> None:
    late["s"] = 0.5
    echo = Echo(lambda: late["s"], begins=b"BEGIN")
    assert echo.takes(b"a greeting") < 0.5
    echo.near.sendall(b"so BEGIN it")
    assert echo.far.recv(100) == b"so BEGIN it"
    assert echo.takes(b"a row") >= 0.5
    echo.close()


def test_what_was_sent_before_the_end_arrives_and_a_dropped_wire_brings_nothing(late: dict[str, float]) -> None:
    for dropped in (False, True):
        echo = Echo(lambda: late["s"])
        echo.far.sendall(b"the last words")
        echo.far.close()
        if dropped:
            echo.wire.drop()
        assert echo.near.recv(100) == (b"" if dropped else b"the last words")
        echo.close()


def test_a_failover_loses_what_was_acknowledged_within_the_lag_and_nothing_before(late: dict[str, float]) -> None:
    late["s"] = 0.0
    home = Home()
    try:
        database = ReplicatedDatabase(home, delay=lambda: late["s"])
        east = database.start("east", LOGIN)
        west = database.add("west")
        east.ask("CREATE TABLE beats (n int PRIMARY KEY)")
        east.ask("INSERT INTO beats SELECT generate_series(1, 10)")
        until(lambda: west.ask("SELECT to_regclass('beats')") != [[None]] and len(numbers(west)) == 10, "the rows")
        late["s"] = 3.0
        east.ask("INSERT INTO beats SELECT generate_series(11, 14)")
        database.failover("west")
        assert numbers(west) == list(range(1, 11))
        began = time.monotonic()
        database.rejoin("east")
        assert time.monotonic() - began < 30
        assert numbers(east) == list(range(1, 11))
        database.stop()
    finally:
        home.close()


@pytest.fixture
def servers(aws: Aws, clock: LabClock) -> Iterator[ReplicatedDatabase]:
    """The real servers of both regions, a minute of AWS in a second, with one table."""
    pair(aws, clock)
    clock.set_speed(SPEED)
    for region in (EAST, WEST):
        assert DATABASES.port_of(host(region))
    database = DATABASES._known[0].database
    server(database, EAST).ask("CREATE TABLE beats (n int PRIMARY KEY)")
    until(lambda: server(database, WEST).ask("SELECT to_regclass('beats')") != [[None]], "the table")
    yield database
    DATABASES.stop()


def takes_writes(one: Server) -> bool:
    try:
        one.ask("INSERT INTO beats SELECT coalesce(max(n), 0) + 1 FROM beats")
    except PostgresFailed:
        return False
    return True


def test_a_row_arrives_as_late_as_the_lag_is_set(servers: ReplicatedDatabase) -> None:
    east, west = server(servers, EAST), server(servers, WEST)
    aurora.set_lag_ms(LAG_S * 1000)
    east.ask("INSERT INTO beats VALUES (1)")
    began = time.monotonic()
    until(lambda: numbers(west) == [1], "the row")
    assert time.monotonic() - began > LAG_S / SPEED - 0.2


def test_a_switchover_stops_writes_waits_for_the_lag_and_loses_nothing(
        aws: Aws, servers: ReplicatedDatabase) -> None:
    east, west = server(servers, EAST), server(servers, WEST)
    aurora.set_lag_ms(LAG_S * 1000)
    switch_over(aws)
    until(lambda: not takes_writes(east), "the end of writes")
    fenced, written = CLOCK.now(), len(numbers(east))
    assert "FailoverState" in world(aws)
    until(lambda: takes_writes(west), "the new writer")
    assert CLOCK.now() - fenced >= LAG_S
    assert numbers(west) == list(range(1, written + 2))
    assert written > 0
    assert writer(aws) == [WEST]
    until(lambda: DATABASES.port_of(host(EAST)) == east.port, "the old writer")
    until(lambda: numbers(east) == numbers(west), "what the new one wrote")


def test_a_switchover_that_is_given_up_lets_the_old_primary_write_again(aws: Aws, servers: ReplicatedDatabase) -> None:
    east = server(servers, EAST)
    switch_over(aws)
    until(lambda: not takes_writes(east), "the end of writes")
    aurora.lose(WEST)
    until(lambda: takes_writes(east), "writes")
    assert writer(aws) == [EAST]


def test_a_failover_from_a_lost_region_loses_what_the_lag_held(aws: Aws, servers: ReplicatedDatabase) -> None:
    east, west = server(servers, EAST), server(servers, WEST)
    east.ask("INSERT INTO beats SELECT generate_series(1, 5)")
    until(lambda: len(numbers(west)) == 5, "the first rows")
    aurora.set_lag_ms(10 * LAG_S * 1000)
    east.ask("INSERT INTO beats SELECT generate_series(6, 9)")
    until(lambda: east.ask("SELECT sent_lsn >= pg_current_wal_lsn() FROM pg_stat_replication") == [[True]], "sending")
    aurora.lose(EAST)
    fail_over(aws)
    until(lambda: writer(aws) == [WEST], "the new writer")
    assert DATABASES.port_of(host(WEST)) == west.port
    assert numbers(west) == [1, 2, 3, 4, 5]
