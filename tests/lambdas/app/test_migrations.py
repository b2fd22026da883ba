from __future__ import annotations

import threading

import pytest

from drctl.lambdas.app.migrations import Changed, known, migrate
from drctl.lambdas.database.errors import Rejected
from tests.lambdas.conftest import Postgres


def test_two_at_once_apply_each_migration_once(postgres: Postgres) -> None:
    applied: list[str] = []

    def go() -> None:
        database = postgres.database("here")
        applied.extend(migrate(database))
        database.close()

    threads = [threading.Thread(target=go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(applied) == list(known())


def test_a_migration_that_fails_leaves_nothing_behind(postgres: Postgres) -> None:
    database = postgres.database("here")
    with pytest.raises(Rejected):
        migrate(database, {"1.sql": "CREATE TABLE one (n int)", "2.sql": "CREATE TABEL two"})
    assert database.run("SELECT to_regclass('one') AS there") == [{"there": None}]
    assert migrate(database, {"1.sql": "CREATE TABLE one (n int)"}) == ["1.sql"]
    database.close()


def test_a_changed_migration_is_refused(postgres: Postgres) -> None:
    database = postgres.database("here")
    migrate(database, {"1.sql": "CREATE TABLE one (n int)"})
    with pytest.raises(Changed, match="was changed"):
        migrate(database, {"1.sql": "CREATE TABLE one (n bigint)"})
    database.close()
