from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from drctl.lambdas.database.connection import Database
from drctl.lambdas.probe.main import answer
from tests.lambdas.conftest import Postgres

SCHEMA = """
CREATE TABLE patients (id uuid PRIMARY KEY, name text NOT NULL, born date, seen timestamptz);
CREATE SCHEMA "odd one";
CREATE TABLE "odd one"."Visit:s" ("when" timestamptz, "no" int, note text, PRIMARY KEY ("no", "when"));
CREATE TABLE loose (anything text);
CREATE TABLE parted (n bigint PRIMARY KEY) PARTITION BY RANGE (n);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100);
CREATE VIEW seen AS SELECT 1 AS one;
"""
ONE, TWO, THREE = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))


@pytest.fixture
def database(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("DRCTL_REGION", "us-east-1")
    found = postgres.database("here")
    postgres.pair.servers["here"].ask('DROP SCHEMA IF EXISTS "odd one" CASCADE', "app")
    for statement in filter(str.strip, SCHEMA.split(";")):
        found.run(statement)
    for key, name in ((TWO, "Bea"), (ONE, "Ada"), (THREE, "Cleo")):
        found.run("INSERT INTO patients VALUES (CAST(:id AS uuid), :name, '1980-02-29', '2026-01-01T00:00:00Z')",
                  id=key, name=name)
    yield found
    found.run('DROP SCHEMA "odd one" CASCADE')
    found.close()


def ask(database: Database, **event: Any) -> dict[str, Any]:
    return answer(event, lambda: database)


def test_tables_are_told_with_their_keys_and_those_without_by_name(database: Database) -> None:
    told = ask(database, action="tables")
    assert told["tables"] == [
        {"name": "odd one.Visit:s", "key": ["no", "when"]}, {"name": "public.parted", "key": ["n"]},
        {"name": "public.patients", "key": ["id"]}]
    assert told["without_key"] == ["public.loose"]


def test_rows_come_page_by_page_in_the_order_of_their_key(database: Database) -> None:
    first = ask(database, action="rows", table="public.patients", limit=2)
    assert [key for key, _ in first["rows"]] == [[ONE], [TWO]]
    assert first["next"] == [TWO]
    rest = ask(database, action="rows", table="public.patients", limit=2, after=first["next"])
    assert ([key for key, _ in rest["rows"]], rest["next"]) == ([[THREE]], None)


def test_no_column_but_the_key_leaves_the_function(database: Database) -> None:
    told = json.dumps(ask(database, action="rows", table="public.patients"))
    assert "Ada" not in told
    assert "1980" not in told


def test_a_row_that_differs_in_anything_has_another_hash(database: Database) -> None:
    before = {key[0]: found for key, found in ask(database, action="rows", table="public.patients")["rows"]}
    database.run("UPDATE patients SET born = '1980-03-01' WHERE id = CAST(:id AS uuid)", id=TWO)
    after = {key[0]: found for key, found in ask(database, action="rows", table="public.patients")["rows"]}
    assert {key for key in before if before[key] != after[key]} == {TWO}


def test_the_settings_of_a_session_change_no_hash(database: Database) -> None:
    before = ask(database, action="rows", table="public.patients")
    database.run("SET TIME ZONE 'Asia/Tokyo'")
    database.run("SET datestyle = 'German'")
    assert ask(database, action="rows", table="public.patients") == before
    database.close()


def test_a_key_of_several_columns_and_odd_names_is_paged_too(database: Database) -> None:
    for n in (1, 2):
        for hour in (1, 2):
            database.run('INSERT INTO "odd one"."Visit:s" VALUES (CAST(:at AS timestamptz), :no)',
                         at=f"2026-01-01T0{hour}:00:00Z", no=n)
    told, after = [], None
    while True:
        page = ask(database, action="rows", table="odd one.Visit:s", limit=1, **({"after": after} if after else {}))
        told += [tuple(key) for key, _ in page["rows"]]
        after = page["next"]
        if after is None:
            break
    assert told == sorted(told)
    assert len(set(told)) == 4


@pytest.mark.parametrize("event", [
    {"table": "public.loose"}, {"table": "public.none"}, {"table": "pg_catalog.pg_class"}, {},
    {"table": "public.patients", "after": [ONE, TWO]}, {"table": "public.patients", "limit": "many"}])
def test_nonsense_is_answered(event: dict[str, Any], database: Database) -> None:
    assert ask(database, action="rows", **event)["error"] == "BAD_REQUEST"


def test_a_standby_tells_the_same_rows(postgres: Postgres, database: Database) -> None:
    here = ask(database, action="rows", table="public.patients")
    postgres.until_replicated()
    there = postgres.database("there")
    assert ask(there, action="rows", table="public.patients") == here
    there.close()


def test_an_answer_is_bounded(database: Database) -> None:
    database.run("INSERT INTO patients SELECT gen_random_uuid(), 'many' FROM generate_series(1, 5000)")
    told = ask(database, action="rows", table="public.patients", limit=100_000)
    assert len(told["rows"]) == 5000
    assert told["next"] == told["rows"][-1][0]


# By key --------------------------------------------------------------------------------------------------------------


def by_key(database: Database, table: str, *keys: list[str]) -> dict[tuple[str, ...], str | None]:
    told = ask(database, action="rows_by_key", table=table, keys=list(keys))
    assert told["ok"], told
    assert len(told["rows"]) == len(keys)
    return {tuple(key): found for key, found in told["rows"]}


def test_rows_asked_for_by_key_have_the_hash_that_pages_tell_and_what_is_not_there_has_none(database: Database) -> None:
    pages = {tuple(key): found for key, found in ask(database, action="rows", table="public.patients")["rows"]}
    absent = "ffffffff-0000-4000-8000-000000000000"
    assert by_key(database, "public.patients", [THREE], [absent], [ONE]) == {
        (ONE,): pages[ONE,], (absent,): None, (THREE,): pages[THREE,]}
    assert by_key(database, "public.patients") == {}


def test_keys_of_several_columns_and_any_text_are_found(database: Database) -> None:
    database.run('INSERT INTO "odd one"."Visit:s" VALUES (CAST(:at AS timestamptz), 1)', at="2026-01-01T01:00:00Z")
    database.run("CREATE TABLE words (word text PRIMARY KEY)")
    words = ["", "NULL", '{"a",\\b}', "O'Neill", "two\nlines", ":k0", "Ä"]
    for word in words:
        database.run("INSERT INTO words VALUES (:word)", word=word)
    for table, count in (("odd one.Visit:s", 1), ("public.words", len(words))):
        pages = {tuple(key): found for key, found in ask(database, action="rows", table=table)["rows"]}
        assert len(pages) == count
        assert by_key(database, table, *map(list, pages)) == pages


def test_a_key_that_is_written_otherwise_is_told_as_it_was_asked_for(database: Database) -> None:
    database.run("CREATE TABLE prices (price numeric PRIMARY KEY)")
    database.run("INSERT INTO prices VALUES (1.50)")
    assert None not in by_key(database, "public.prices", ["1.5"]).values()


@pytest.mark.parametrize("event", [
    {"table": "public.loose", "keys": []}, {"table": "public.none", "keys": []}, {"table": "public.patients"},
    {"table": "public.patients", "keys": [[ONE, TWO]]}, {"table": "public.patients", "keys": [ONE]},
    {"table": "public.patients", "keys": [[ONE]] * 5001}])
def test_nonsense_by_key_is_answered(event: dict[str, Any], database: Database) -> None:
    assert ask(database, action="rows_by_key", **event)["error"] == "BAD_REQUEST"
