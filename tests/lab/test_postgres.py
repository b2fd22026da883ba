from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drctl.lab import postgres_binaries
from drctl.lab.postgres import ReplicatedDatabase
from drctl.lab.postgres_server import Home, Login, Server, until
from drctl.lab.wire import Wire

LOGIN = Login("dradmin", "s3cret'", "app")


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    made = Home()
    yield made
    made.close()
    assert not made.root.exists()


@pytest.fixture
def pair(home: Home) -> Iterator[ReplicatedDatabase]:
    database = ReplicatedDatabase(home)
    database.start("east", LOGIN)
    database.add("west")
    database.servers["east"].ask("CREATE TABLE beats (n int PRIMARY KEY)")
    until(lambda: database.servers["west"].ask("SELECT to_regclass('beats')") != [[None]], "the table")
    yield database
    database.stop()


def write(pair: ReplicatedDatabase, first: int, last: int) -> None:
    pair.servers[pair.writer].ask(f"INSERT INTO beats SELECT generate_series({first}, {last})")


def numbers(server: Server) -> list[int]:
    return [row[0] for row in server.ask("SELECT n FROM beats ORDER BY n")]


def test_a_switchover_there_and_back_loses_nothing(pair: ReplicatedDatabase) -> None:
    write(pair, 1, 500)
    pair.switchover("west")
    assert numbers(pair.servers["west"]) == list(range(1, 501))
    write(pair, 501, 600)
    pair.switchover("east")
    assert pair.writer == "east"
    assert numbers(pair.servers["east"]) == list(range(1, 601))
    until(lambda: len(numbers(pair.servers["west"])) == 600, "the follower")
    assert pair.lag_s("west") < 5


def test_a_failover_loses_what_had_not_arrived_and_a_rejoin_undoes_it(pair: ReplicatedDatabase) -> None:
    write(pair, 1, 10)
    until(lambda: len(numbers(pair.servers["west"])) == 10, "the follower")
    pair.wires["west"].cut()
    write(pair, 11, 14)
    pair.failover("west")
    assert not pair.servers["east"].is_up
    assert pair.lost == {"east"}
    assert numbers(pair.servers["west"]) == list(range(1, 11))
    write(pair, 21, 25)
    pair.rejoin("east")
    assert pair.lost == set()
    until(lambda: numbers(pair.servers["east"]) == [*range(1, 11), *range(21, 26)], "the old writer")
    assert pair.servers["east"].ask("SELECT pg_is_in_recovery()") == [[True]]


def test_a_cut_wire_shows_as_a_follower_without_end_of_lag(pair: ReplicatedDatabase) -> None:
    pair.wires["west"].cut()
    until(lambda: pair.lag_s("west") == float("inf"), "the cut")
    pair.wires["west"].mend()
    until(lambda: pair.lag_s("west") < 5, "the mended wire")


def test_a_detached_follower_writes_on_its_own(pair: ReplicatedDatabase) -> None:
    alone = pair.detach("west")
    alone.servers["west"].ask("INSERT INTO beats VALUES (99)")
    assert numbers(pair.servers["east"]) == []
    alone.stop()


def test_a_copy_of_a_follower_writes_on_its_own_and_the_source_goes_on(pair: ReplicatedDatabase) -> None:
    write(pair, 1, 3)
    until(lambda: len(numbers(pair.servers["west"])) == 3, "the follower")
    copy = pair.copy("west", "clone")
    copy.servers["clone"].ask("INSERT INTO beats VALUES (99)")
    write(pair, 4, 4)
    until(lambda: numbers(pair.servers["west"]) == [1, 2, 3, 4], "the follower")
    assert numbers(copy.servers["clone"]) == [1, 2, 3, 99]
    copy.stop()


def test_a_long_wire_delays(home: Home) -> None:
    with_delay = ReplicatedDatabase(home, delay=lambda: 0.05)
    with_delay.start("near", LOGIN)
    with_delay.add("far")
    with_delay.servers["near"].ask("CREATE TABLE beats (n int)")
    until(lambda: with_delay.lag_s("far") >= 0.05, "a lag")
    with_delay.stop()


def test_a_switchover_waits_for_what_is_still_on_the_wire(home: Home) -> None:
    slow = ReplicatedDatabase(home, delay=lambda: 0.2)
    slow.start("near", LOGIN)
    slow.add("far")
    slow.servers["near"].ask("CREATE TABLE beats (n int)")
    write(slow, 1, 100)
    slow.switchover("far")
    assert numbers(slow.servers["far"]) == list(range(1, 101))
    slow.stop()


def test_clients_must_use_tls_and_can_verify_it(home: Home) -> None:
    import pg8000.exceptions
    import pg8000.native

    from drctl.lambdas.database import tls

    database = ReplicatedDatabase(home)
    server = database.start("tls", LOGIN)
    link = pg8000.native.Connection(LOGIN.username, host="127.0.0.1", port=server.port, database="app",
                                    password=LOGIN.password, ssl_context=tls.context(home.bundle))
    assert link.run("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [[False]]
    link.close()
    with pytest.raises((pg8000.exceptions.DatabaseError, pg8000.exceptions.InterfaceError)):
        pg8000.native.Connection(LOGIN.username, host="127.0.0.1", port=server.port, database="app",
                                 password=LOGIN.password, ssl_context=False)
    database.stop()


def test_no_server_outlives_the_process_that_started_it() -> None:
    code = ("from drctl.lab.postgres import *; import sys\n"
            "home = Home(); database = ReplicatedDatabase(home)\n"
            "server = database.start('a', Login('u', 'p', 'app'))\n"
            "print(home.root, server._process.pid, flush=True); sys.stdin.read()\n")
    lab = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert lab.stdout is not None
    assert lab.stdin is not None
    root, pid = lab.stdout.readline().split()
    os.kill(int(pid), 0)
    lab.send_signal(signal.SIGKILL)
    lab.wait()
    lab.stdin.close()
    lab.stdout.close()
    until(lambda: not Path(root).exists(), "the watcher")
    assert not is_running(int(pid))


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S607  # in every PATH
    return "Z" not in shown.stdout


def test_the_installation_taken_has_every_program() -> None:
    assert all((postgres_binaries.binaries() / name).exists() for name in postgres_binaries.NEEDED)


def test_a_wire_that_is_closed_takes_nobody() -> None:
    wire = Wire(1)
    wire.close()
    wire.close()
