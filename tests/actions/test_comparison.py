"""What only the old volume holds is told by key, and nothing that failed on the way is taken for the end of a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from drctl.actions.comparison import PAGE, Comparison, Side
from drctl.actions.probe import ProbeFailed
from drctl.engine.events import Record
from drctl.engine.run import Run
from drctl.errors import Interrupted, WaitFailed, WaitTimeout
from drctl.settings import Settings, Site

HOME, AWAY = Settings().sites
SLOW: dict[str, Any] = {"ok": False, "error": "UNREACHABLE", "text": "the database did not answer in 6 s"}


@dataclass
class Database:
    """A probe at tables of text keys; `trouble` may answer, or raise, in its stead."""

    content: dict[str, dict[str, str]] = field(default_factory=dict)
    without_key: tuple[str, ...] = ()
    trouble: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda _: None
    keys: dict[str, list[str]] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, run: Run, site: Site, /, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        if (told := self.trouble(request)) is not None:
            return told
        return {"ok": True, **getattr(self, request["action"])(request)}

    def tables(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"tables": [{"name": name, "key": self.keys.get(name, ["id"])} for name in sorted(self.content)],
                "without_key": list(self.without_key)}

    def rows(self, request: dict[str, Any]) -> dict[str, Any]:
        after = request["after"] or [""]
        held = sorted(item for item in self.content[request["table"]].items() if item[0] > after[0])
        page = [[[key], content] for key, content in held[:request["limit"]]]
        return {"rows": page, "next": page[-1][0] if len(page) == request["limit"] else None}

    def rows_by_key(self, request: dict[str, Any]) -> dict[str, Any]:
        held = self.content[request["table"]]
        return {"rows": [[list(key), held.get(key[0])] for key in request["keys"]]}


def numbers(count: int, step: int = 1) -> dict[str, str]:
    """Rows with keys in the order of their numbers."""
    return {f"{number:06}": "x" for number in range(0, count * step, step)}


def compared(run: Run, old: Database, new: Database, **more: Any) -> Comparison:
    return Comparison(Side(HOME, old.ask), Side(AWAY, new.ask), **more).run(run)


def once(error: str, action: str, number: int, raising: bool = False) -> Callable[[dict[str, Any]], Any]:
    """Trouble at one of the requests for an action."""
    seen: list[dict[str, Any]] = []

    def trouble(request: dict[str, Any]) -> dict[str, Any] | None:
        seen.extend([request] if request["action"] == action else [])
        if request["action"] != action or len(seen) != number:
            return None
        if raising:
            raise ProbeFailed("the probe function in us-east-1 failed: Task timed out after 10.00 seconds")
        return {"ok": False, "error": error, "text": "as it was told"}

    return trouble


def always(answer: dict[str, Any], action: str) -> Callable[[dict[str, Any]], Any]:
    return lambda request: answer if request["action"] == action else None


def test_rows_that_are_lost_or_differ_are_listed_by_key_and_the_others_are_not(run: Run) -> None:
    old = Database({"public.visits": {"a": "1", "b": "2", "c": "3"}, "drctl.heartbeats": {"r": "1", "s": "2"}})
    new = Database({"public.visits": {"a": "1", "b": "9", "z": "5"}, "drctl.heartbeats": {"r": "1"}})
    found = compared(run, old, new)
    assert found.rows == ["public.visits b (differs)", "public.visits c"]
    assert found.heartbeats == ["drctl.heartbeats s"]
    assert found.tables == []


def test_rows_that_the_new_side_has_between_those_of_the_old_one_hide_nothing(run: Run) -> None:
    old, new = Database({"public.visits": numbers(25, 100)}), Database({"public.visits": numbers(2500)})
    assert compared(run, old, new, most=30).rows == []
    del new.content["public.visits"]["002400"]
    assert compared(run, old, new, most=30).rows == ["public.visits 002400"]


def test_the_bound_counts_rows_of_the_old_side_and_the_last_key_is_told(run: Run) -> None:
    old, new = Database({"public.visits": numbers(25), "public.wards": numbers(3)}), Database(
        {"public.visits": {}, "public.wards": {}})
    found = compared(run, old, new, most=10)
    assert found.rows == [f"public.visits {key}" for key in sorted(numbers(10))] + [
        f"public.wards {key}" for key in sorted(numbers(3))]
    assert found.tables == ["public.visits (compared up to 000009: its first 10 rows)"]


def test_several_pages_are_read_to_the_end(run: Run) -> None:
    old, new = Database({"public.visits": numbers(2 * PAGE + 7)}), Database({"public.visits": numbers(2 * PAGE)})
    assert len(compared(run, old, new).rows) == 7
    assert max(request["limit"] for request in old.asked if request["action"] == "rows") == PAGE
    assert max(len(request["keys"]) for request in new.asked if request["action"] == "rows_by_key") == PAGE


# Trouble -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("error", "raising"), [("UNREACHABLE", False), ("REJECTED", False), ("", True)])
@pytest.mark.parametrize(("side", "action"), [("old", "tables"), ("new", "tables"), ("old", "rows"),
                                              ("new", "rows_by_key")])
@pytest.mark.parametrize("number", [1, 2])
def test_what_passes_is_asked_again_and_changes_no_list(
        run: Run, side: str, action: str, number: int, error: str, raising: bool) -> None:
    old, new = Database({"public.visits": numbers(1500)}), Database({"public.visits": numbers(1499)})
    {"old": old, "new": new}[side].trouble = once(error, action, number, raising)
    assert compared(run, old, new).rows == ["public.visits 001499"]


@pytest.mark.parametrize(("side", "action", "region"), [
    ("old", "tables", "us-east-1"), ("new", "tables", "us-west-2"), ("old", "rows", "us-east-1"),
    ("new", "rows_by_key", "us-west-2")])
def test_what_does_not_pass_ends_the_run_with_table_region_and_what_the_probe_said(
        run: Run, side: str, action: str, region: str) -> None:
    old, new = Database({"public.visits": numbers(2)}), Database({"public.visits": {}})
    {"old": old, "new": new}[side].trouble = once("BAD_REQUEST", action, 1)
    with pytest.raises(WaitFailed, match="BAD_REQUEST: as it was told") as end:
        compared(run, old, new)
    assert region in str(end.value)
    assert action == "tables" or "public.visits" in str(end.value)


@pytest.mark.parametrize(("side", "action"), [("old", "rows"), ("new", "rows_by_key")])
def test_what_could_pass_and_does_not_is_waited_for_in_bounds(run: Run, side: str, action: str) -> None:
    run.clock.patience_s = 0.0
    old, new = Database({"public.visits": numbers(2)}), Database({"public.visits": numbers(2)})
    {"old": old, "new": new}[side].trouble = always(SLOW, action)
    with pytest.raises(WaitTimeout, match=r"public\.visits in us-.* did not answer in 6 s"):
        compared(run, old, new)


def test_a_page_that_is_too_large_for_the_time_is_asked_for_in_smaller_ones(run: Run) -> None:
    def slow(request: dict[str, Any]) -> dict[str, Any] | None:
        return SLOW if max(request.get("limit", 0), len(request.get("keys", ()))) > 150 else None

    old, new = Database({"public.visits": numbers(1000)}, trouble=slow), Database(
        {"public.visits": numbers(999)}, trouble=slow)
    assert compared(run, old, new).rows == ["public.visits 000999"]
    assert len(old.asked) < 40


def test_a_stop_stops_it(run: Run) -> None:
    def stopping(request: dict[str, Any]) -> None:
        if request["action"] == "rows":
            run.clock.stop()

    old, new = Database({"public.visits": numbers(2)}, trouble=stopping), Database({"public.visits": {}})
    with pytest.raises(Interrupted):
        compared(run, old, new)


# Tables --------------------------------------------------------------------------------------------------------------


def test_a_table_that_the_new_side_does_not_have_is_told_and_all_its_rows_are_listed(
        run: Run, records: list[Record]) -> None:
    found = compared(run, Database({"public.gone": {"a": "1", "b": "2"}}), Database())
    assert found.rows == ["public.gone a", "public.gone b"]
    assert [record["text"] for record in records if record["event"] == "note"] == [
        "public.gone is not in us-west-2: all its rows are listed"]


def test_what_cannot_be_compared_by_its_key_is_told_and_keeps_nothing_else_from_it(run: Run) -> None:
    old = Database({"public.a": {"1": "x"}, "public.b": {"1": "x"}, "public.c": {"1": "x"}}, ("public.loose",))
    new = Database({"public.a": {}, "public.c": {}}, ("public.b",), keys={"public.a": ["id", "at"]})
    found = compared(run, old, new)
    assert found.rows == ["public.c 1"]
    assert found.tables == ["public.loose (not compared: it has no primary key)",
                            "public.a (not compared: its primary key is another in us-west-2)",
                            "public.b (not compared: its primary key is another in us-west-2)"]
