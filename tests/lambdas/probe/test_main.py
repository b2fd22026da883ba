from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from drctl.lambdas.database.connection import PATIENCE_S, Database
from drctl.lambdas.database.errors import Unreachable
from drctl.lambdas.probe.main import answer, patience_for
from drctl.settings import Settings
from tests.lambdas.conftest import Postgres


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRCTL_REGION", "us-east-1")


def ask(database: Database, **event: Any) -> dict[str, Any]:
    return answer(event, lambda: database)


def test_heartbeats_are_written_once_and_read_in_both_regions(postgres: Postgres) -> None:
    here, there = postgres.database("here"), postgres.database("there")
    assert ask(here, action="read", run="a", after=-1) == {
        "ok": True, "rows": [], "writer": True, "lag_s": ask(here, action="health")["lag_s"], "region": "us-east-1"}
    first = ask(here, action="write", run="a", n=1)
    assert (first["ok"], first["n"], first["region"]) == (True, 1, "us-east-1")
    assert datetime.fromisoformat(first["at"]).tzinfo is not None
    assert ask(here, action="write", run="a", n=1)["at"] == first["at"]
    ask(here, action="write", run="a", n=2)
    ask(here, action="write", run="b", n=7)
    postgres.until_replicated()
    read = ask(there, action="read", run="a", after=1)
    assert (read["rows"], read["writer"]) == ([2], False)
    here.close()
    there.close()


def test_a_standby_says_that_it_only_reads(postgres: Postgres) -> None:
    there = postgres.database("there")
    assert ask(there, action="write", run="a", n=1) == {
        "ok": False, "error": "READ_ONLY", "text": "this region's database is read-only", "region": "us-east-1"}
    assert ask(there, action="health")["writer"] is False
    there.close()


@pytest.mark.parametrize("event", [None, [], {}, {"action": "dance"}, {"action": "write"},
                                   {"action": "write", "run": "a", "n": "many"}])
def test_nonsense_is_answered(event: Any, postgres: Postgres) -> None:
    database = postgres.database("here")
    assert answer(event, lambda: database)["error"] == "BAD_REQUEST"
    database.close()


@pytest.mark.parametrize(("problem", "code"), [
    (Unreachable("gone"), "UNREACHABLE"), (RuntimeError("secret"), "INTERNAL")])
def test_nothing_is_ever_raised(problem: Exception, code: str) -> None:
    def broken() -> Database:
        raise problem

    told = answer({"action": "health"}, broken)
    assert (told["ok"], told["error"]) == (False, code)
    assert "secret" not in told["text"]


def test_lists_are_given_more_time_than_heartbeats_and_less_than_the_function() -> None:
    events: list[Any] = [{"action": "write"}, {"action": "health"}, {"action": []}, None]
    heartbeats = {patience_for(event) for event in events}
    lists = {patience_for({"action": action}) for action in ("tables", "rows", "rows_by_key")}
    assert heartbeats == {PATIENCE_S}
    assert all(PATIENCE_S < one < Settings().app.timeout_s for one in lists)
