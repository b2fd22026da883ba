"""Rules judge what was read, by hand-written reads: the verdicts, the score, and what time or AWS alone can break."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from drctl.actions.steady_state import Lag
from drctl.engine.survey import Looking, Seen
from drctl.readiness import database, front, functions, operation, wires
from drctl.readiness.looks import looks_of
from drctl.readiness.read import NotSeen, Read, Told
from drctl.readiness.readiness import Readiness, Verdict
from drctl.readiness.rule import Asks, Found, NotAsked, Note, Saw, Unseen, judged
from drctl.settings import Settings, Site
from drctl.stack import stack_of
from tests.engine.fakes import offline_run

NOW = datetime.now(UTC)
AWS = {"target": "aws", "account_id": "210987654321"}


@dataclass
class Book:
    """What a read is told, by step and by look; what it is not told is not seen."""

    settings: Settings

    def __post_init__(self) -> None:
        self.stack = stack_of(self.settings)
        self.looks = looks_of(self.stack)
        self.seen: dict[Any, Seen] = {}
        self.writes("us-east-1")

    def writes(self, region: str | None, *, changing: bool = False) -> None:
        self.put(self.stack.database.global_cluster, writer=region, changing_roles=changing)

    def put(self, step: Any, **out: Any) -> None:
        self.seen[step] = Seen(SimpleNamespace(**out))

    def tell(self, name: str, value: Any, region: str = "us-east-1") -> None:
        self.seen[self.looks[name, region]] = Seen(Told(value))

    def read(self) -> Read:
        run = Looking.of(offline_run())
        run.settings = self.settings
        return Read(run, self.stack, self.seen, self.looks)


@pytest.fixture
def book() -> Book:
    return Book(Settings())


def rule(module: Any, rule_id: str) -> Asks:
    found = next(one for one in module.RULES if one.id == rule_id)
    assert isinstance(found, Asks)
    return found


def said(module: Any, rule_id: str, book: Book) -> list[Note]:
    return list(rule(module, rule_id).notes(book.read(), {}))


def kinds(notes: Iterable[Note]) -> list[type]:
    return [type(one) for one in notes]


@pytest.mark.parametrize(("lag", "kind"), [
    (Lag(0.1, 0.0), Saw), (Lag(901.0, 0.0), Found), (None, Unseen)])
def test_the_lag_is_judged_against_the_rpo_and_one_that_nobody_knows_is_unknown(
        book: Book, lag: Lag | None, kind: type) -> None:
    book.tell("replication lag", lag)
    assert kinds(said(database, "DB-14", book)) == [kind]


def test_a_lag_that_is_unusual_is_told_before_it_is_over_the_rpo(book: Book) -> None:
    book.tell("replication lag", Lag(61.0, 0.0))
    assert kinds(said(database, "DB-14", book)) == [Saw]
    assert kinds(said(database, "DB-15", book)) == [Found]


@pytest.mark.parametrize(("writer", "changing", "kind"), [
    ("us-east-1", False, Saw), (None, False, Found), ("us-east-1", True, Found)])
def test_somebody_must_write_and_no_role_may_be_changing(
        book: Book, writer: str | None, changing: bool, kind: type) -> None:
    book.writes(writer, changing=changing)
    assert kinds(said(database, "DB-04", book)) == [kind]


@pytest.mark.parametrize(("late", "kind"), [(0.0, Saw), (901.0, Found)])
def test_objects_must_arrive_within_fifteen_minutes(book: Book, late: float, kind: type) -> None:
    for site in book.settings.sites:
        book.tell("object replication", {"failed": 0, "late": late}, site.region)
        book.put(book.stack.wires.data.at(site), name="bucket")
    assert kinds(said(wires, "OBJ-10", book)) == [kind, kind]


def test_a_function_that_has_fallen_asleep_is_told_with_the_call_that_wakes_it(book: Book) -> None:
    for step in book.stack.steps:
        if type(step).__name__ in {"Function", "Latch"}:
            book.put(step, name=f"fn-{step.purpose}-{step.region}",
                     state="Inactive" if step.purpose == "probe" and step.region == "us-west-2" else "Active")
    [awake, asleep] = said(functions, "FN-11", book)
    assert isinstance(awake, Saw)
    assert isinstance(asleep, Found)
    assert "--function-name fn-probe-us-west-2" in asleep.mend


@pytest.mark.parametrize(("away", "switch", "pin", "kind"), [
    (False, False, False, Saw), (False, True, False, Found), (True, True, False, Saw), (True, False, False, Found),
    (False, False, True, Found)])
def test_the_switch_must_say_what_the_database_says(
        book: Book, away: bool, switch: bool, pin: bool, kind: type) -> None:
    book.writes("us-west-2" if away else "us-east-1")
    book.tell("switch", switch, "us-west-2")
    book.tell("switch", pin, "us-east-1")
    assert kinds(said(front, "SWI-04", book)) == [kind]


@pytest.mark.parametrize(("names", "kind"), [
    (("app.dr.example.com",), Saw), (("*.dr.example.com",), Saw), (("dr.example.com",), Found), ((), Found)])
def test_a_certificate_must_cover_the_users_name(book: Book, names: tuple[str, ...], kind: type) -> None:
    for step in book.stack.front.certificate.all:
        book.put(step, names=names)
    assert kinds(said(front, "CRT-04", book)) == [kind, kind]


def test_without_tls_no_certificate_is_asked_for() -> None:
    book = Book(Settings.model_validate({"tls": {"mode": "off"}}))
    assert kinds(said(front, "CRT-04", book)) == [NotAsked, NotAsked]


@pytest.mark.parametrize(("settings", "arn", "kind"), [
    ({"alarms": {"email": "a@example.org"}}, "PendingConfirmation", Found), (AWS, "PendingConfirmation", Found),
    ({}, "PendingConfirmation", NotAsked), ({}, "arn:aws:sns:us-east-1:1:t:1", Saw)])
def test_alarms_that_nobody_hears_are_told_unless_a_lab_has_no_ears(
        settings: dict[str, Any], arn: str, kind: type) -> None:
    book = Book(Settings.model_validate(settings))
    for site in book.settings.sites:
        book.tell("who hears", {"a@example.org": arn}, site.region)
    assert kinds(said(operation, "ALM-05", book)) == [kind, kind]


@pytest.mark.parametrize(("ago", "kind"), [
    (timedelta(minutes=5), Saw), (timedelta(hours=5), Found), (None, Unseen)])
def test_a_cluster_must_be_restorable_up_to_an_hour_ago(book: Book, ago: timedelta | None, kind: type) -> None:
    for step in book.stack.database.cluster.all:
        book.put(step, restorable_to=None if ago is None else NOW - ago)
    assert kinds(said(operation, "BAK-02", book)) == [kind, kind]


@pytest.mark.parametrize(("newest", "vault", "kind"), [
    (1, None, Saw), (3, None, Found), (None, 1, Saw), (None, 3, Found)])
def test_the_newest_recovery_point_must_be_as_young_as_its_schedule(
        newest: int | None, vault: int | None, kind: type) -> None:
    book = Book(Settings.model_validate({"backup": {"enabled": True}}))
    for site in book.settings.sites:
        book.tell("recovery points", {name: None if days is None else NOW - timedelta(days=days)
                                      for name, days in (("newest", newest), ("vault", vault))}, site.region)
    assert kinds(said(operation, "BAK-06", book)) == [kind, kind]


@pytest.mark.parametrize(("schedule", "days"), [
    ("cron(0 5 ? * * *)", 1), ("cron(0 5 ? * SUN *)", 7), ("cron(0 5 1 * ? *)", 31), ("rate(2 days)", 2)])
def test_a_schedule_tells_how_far_two_backups_are_apart(schedule: str, days: int) -> None:
    assert operation.period(schedule) == timedelta(days=days)


def test_a_drill_of_a_lab_nobody_remembers_is_unknown_and_a_young_stack_has_time(book: Book) -> None:
    def drills(done: str, first: str) -> list[type]:
        for site in book.settings.sites:
            book.tell("drills", {"done": done, "first": first}, site.region)
        return kinds(said(operation, "OPS-02", book))

    young, old = (f"{NOW - timedelta(days=days):%Y%m%d-%H%M%S}" for days in (10, 100))
    assert drills("", "") == [Unseen]
    assert drills("", f"{young}-provision-1") == [Saw]
    assert drills("", f"{old}-provision-1") == [Found]
    assert drills(f"{old}-drill-1", f"{old}-provision-1") == [Found]
    assert drills(f"{young}-drill-1", f"{old}-provision-1") == [Saw]


def test_what_cannot_be_judged_in_one_region_hides_no_finding_in_the_other(book: Book) -> None:
    book.tell("reserved concurrency", 0, "us-west-2")
    unseen, found = said(functions, "FN-10", book)
    assert (type(unseen), type(found)) == (Unseen, Found)


def test_a_rule_that_breaks_on_what_it_was_told_judges_nothing_and_says_so() -> None:
    def breaks() -> Iterable[Note]:
        yield Saw("one thing")
        raise KeyError("name")

    def not_seen() -> Iterable[Note]:
        raise NotSeen("us-west-2 does not answer")

    assert list(judged(breaks)) == [Saw("one thing"), Unseen("KeyError: 'name'")]
    assert list(judged(not_seen, "us-west-2")) == [Unseen("us-west-2 does not answer", "us-west-2")]


def verdict(*notes: Note, blocks: bool = False) -> Verdict:
    def judge(_: Read, __: Site) -> Iterable[Note]:
        return ()

    return Verdict(Asks(id="X-01", must="it holds", why="it must", blocks=blocks, judge=judge, mend="hold it"), notes)


GOOD, GONE, BAD = Saw("it"), Unseen("dark"), Found("it leaks")


@pytest.mark.parametrize(("verdicts", "score"), [
    ([verdict(GOOD), verdict(GOOD, blocks=True)], 100), ([verdict(GOOD), verdict(NotAsked("no"))], 100),
    ([verdict(BAD), verdict(GOOD, blocks=True)], 75), ([verdict(GONE), verdict(GOOD, blocks=True)], 75),
    ([*[verdict(GOOD)] * 9, verdict(BAD, blocks=True)], 49), ([*[verdict(GOOD)] * 9, verdict(GONE, blocks=True)], 49),
    ([verdict(BAD, blocks=True)], 0), ([], 0)])
def test_the_score_is_the_weight_of_what_holds_and_low_while_anything_blocks(
        verdicts: list[Verdict], score: int) -> None:
    assert Readiness(tuple(verdicts)).score == score


def test_a_verdict_tells_what_it_saw_what_is_wrong_and_what_mends_it() -> None:
    told = verdict(GOOD, GONE, BAD, Found("it burns", "us-east-1", "drctl provision")).as_dict()
    assert told["state"] == "not ready"
    assert [one["mend"] for one in told["findings"]] == ["hold it", "drctl provision"]
    assert (told["looked_at"], told["not_seen"][0]["why"]) == (["it"], "dark")
    assert verdict(GONE, GOOD).state == "unknown"
    assert verdict(NotAsked("no")).state == "not asked"


def test_what_blocks_is_told_first() -> None:
    found = Readiness((verdict(BAD), verdict(Found("it burns"), blocks=True)))
    assert [one.text for _, one in found.findings] == ["it burns", "it leaks"]
    assert found.blocked
