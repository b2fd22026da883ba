"""A PostgreSQL pair for the functions' code, once a test process; emptied before every test that uses it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from drctl.lab.postgres import ReplicatedDatabase, change_password
from drctl.lab.postgres_server import Home, Login, until
from drctl.lambdas.database.connection import Connect, Database, Place, connect_over_tls
from drctl.lambdas.database.secret import Secret

LOGIN = Login("dradmin", "first", "app")


@dataclass
class Postgres:
    """The pair, and how the functions' code reaches each of it."""

    pair: ReplicatedDatabase
    bundle: Path
    secret: str = ""

    def database(self, label: str, connect: Connect = connect_over_tls) -> Database:
        """The code's own way to one server."""
        place = Place("127.0.0.1", self.pair.servers[label].port, LOGIN.database, verified=True)
        return Database(place, Secret("arn", "region", lambda *_: self.secret), connect)

    def rotate(self, password: str) -> None:
        """Another password, in the database and in the secret."""
        change_password(self.pair.servers[self.pair.writer], Login(LOGIN.username, password, LOGIN.database))
        self.secret = json.dumps({"username": LOGIN.username, "password": password})

    def until_replicated(self) -> None:
        """Everything written so far has arrived."""
        end = self.pair.servers[self.pair.writer].ask("SELECT pg_current_wal_lsn()")[0][0]
        for label, server in self.pair.servers.items():
            if label != self.pair.writer:
                until(lambda server=server: server.ask(f"SELECT pg_last_wal_replay_lsn() >= '{end}'") == [[True]], "it")


@pytest.fixture(scope="session")
def _servers() -> Iterator[ReplicatedDatabase]:
    home = Home()
    pair = ReplicatedDatabase(home)
    pair.start("here", LOGIN)
    pair.add("there")
    yield pair
    pair.stop()
    home.close()


@pytest.fixture
def postgres(_servers: ReplicatedDatabase, monkeypatch: pytest.MonkeyPatch) -> Postgres:
    """The pair, writer "here", empty."""
    bundle = _servers.home.bundle
    monkeypatch.setenv("DATABASE_CA_BUNDLE", str(bundle))
    for label in list(_servers.lost):
        _servers.rejoin(label)
    _servers.switchover("here")
    made = Postgres(_servers, bundle)
    made.rotate("first")
    writer = _servers.servers["here"]
    writer.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'dradmin'")
    writer.ask("DROP SCHEMA IF EXISTS drctl CASCADE", "app")
    writer.ask("DROP SCHEMA public CASCADE", "app")
    writer.ask("CREATE SCHEMA public AUTHORIZATION pg_database_owner", "app")
    made.until_replicated()
    return made
