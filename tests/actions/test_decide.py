"""The decision before an unplanned failover: what is told, what is recommended, and what speaks against it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from drctl.actions.aftermath import NoteAftermath
from drctl.actions.decide import Decide, Terms
from drctl.actions.dns_switch import Sent
from drctl.actions.picture import Picture, documented_minutes
from drctl.actions.steady_state import Lag
from drctl.aws import dns
from drctl.engine.events import Record
from drctl.engine.looks import Answers, Unanswered
from drctl.engine.run import OUTAGE_BEGAN, Run
from drctl.engine.runbook import perform
from drctl.errors import Refused
from drctl.settings import Settings
from drctl.steps.control_bucket import ControlBucket
from drctl.steps.global_cluster import GlobalCluster, GlobalClusterOut, Member
from tests.conftest import ensure_with_needs
from tests.engine.fakes import offline_run

HOME, THERE = Settings().sites
NOTHING: Any = None
WORLD = GlobalCluster(HOME)
SILENT = Unanswered()


def database(writer: str = HOME.region, *, changing: bool = False, regions: tuple[str, ...] = (
        HOME.region, THERE.region)) -> GlobalClusterOut:
    """The global database as the surviving region shows it."""
    members = tuple(Member(f"arn:aws:rds:{region}:1:cluster:c", region, region == writer, "" if region == writer
                           else "connected") for region in regions)
    return GlobalClusterOut("g", "arn", "available", "16.6", writer, members, encrypted=True, protected=False,
                            changing_roles=changing)


#: A region that is lost while the other is well.
LOST: Answers = {"database": database(), "instances": [], "lag": 0.08, "probe": {"ok": True, "writer": False},
                 "dns": Sent(dns.Answer(("192.0.2.1",)), dns.Answer(("192.0.2.2",))), "lost database": SILENT,
                 "lost probe": SILENT}
HEALTHY = {**LOST, "lost database": "available", "lost probe": {"ok": True, "writer": True}}
BOUND = Terms(allowed_loss_s=60.0)
FORCE = Terms(allowed_loss_s=60.0, force="the board said so")


@dataclass(frozen=True, eq=False)
class Told(Decide):
    """A decision by answers that are written down."""

    global_cluster: GlobalCluster = WORLD
    balancer: Any = NOTHING
    source: Any = HOME
    to: Any = THERE
    seen: Answers = field(default_factory=dict)

    def picture(self, run: Run) -> Picture:
        """A lag that is written down as a number was measured just now."""
        lag, probed = self.seen["lag"], self.seen["probe"]
        if isinstance(lag, float):
            lag = Lag(lag, time.time())
        if isinstance(probed, dict):
            probed = {"at": datetime.now(UTC).isoformat(), **probed}
        return self._judge({**self.seen, "lag": lag, "probe": probed})


def picture(seen: Answers, **more: Any) -> Picture:
    """What is made of these answers."""
    return Told(seen=seen, **more).picture(offline_run())


def refusals(seen: Answers, terms: Terms, *, goes_on: bool = True) -> tuple[str, ...]:
    """All that speaks against a failover; empty when nothing does."""
    try:
        perform(offline_run(), Told(seen=seen, terms=terms, goes_on=lambda: goes_on))
    except Refused as refused:
        found = re.fullmatch(r"no failover to us-west-2: (.*); nothing was changed", refused.message)
        assert found is not None
        return (found[1], *refused.findings)
    return ()


# What is recommended -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seen", "word", "because"), [
    (LOST, "failover", "us-east-1 does not answer, and us-west-2 is ready"),
    ({**LOST, "lost database": "available"}, "failover", "us-east-1 answers, but its database does not write"),
    ({**LOST, "lost probe": {"ok": False, "error": "UNREACHABLE", "text": "no"}}, "failover",
     "us-east-1 answers, but its database does not write, and us-west-2 is ready"),
    ({**LOST, "lost probe": {"ok": True, "writer": False}}, "failover", "us-east-1 answers, but its database does"),
    (HEALTHY, "switchover", "us-east-1 answers and its database writes: a planned failover loses nothing"),
    ({**LOST, "database": database(changing=True)}, "wait", "roles are being changed"),
    ({**LOST, "database": SILENT}, "wait", "us-west-2 cannot take over now"),
    ({**LOST, "instances": ["no database instance in us-west-2 is available: creating"]}, "wait", "cannot take over"),
    ({**LOST, "database": database(THERE.region)}, "failover", "us-west-2 is the writer already"),
    ({**LOST, "database": database(THERE.region), "instances": SILENT}, "failover", "is the writer already")])
def test_one_word_is_recommended_with_its_reason(seen: Answers, word: str, because: str) -> None:
    shown = picture(seen)
    assert shown.word == word
    assert because in shown.because


def test_without_a_way_to_the_lost_region_it_counts_as_silent() -> None:
    seen = {name: answer for name, answer in LOST.items() if not name.startswith("lost ")}
    assert picture(seen).word == "failover"
    assert not any("us-east-1" in what for what in picture(seen).alive)


# What is told --------------------------------------------------------------------------------------------------------


def test_what_answered_and_what_did_not_is_told_in_words() -> None:
    assert picture({**LOST, "lost probe": Unanswered("connection refused")}).alive == {
        "global database": "available, us-east-1 writes, us-west-2 connected",
        "database of us-west-2, through the probe": "answers, reads",
        "users' name": "does not lead to us-west-2 so far: 192.0.2.1",
        "API of us-east-1": "NO ANSWER within the time for a look",
        "database of us-east-1, through the probe": "NO ANSWER (connection refused)"}
    told = picture({**HEALTHY, "probe": {"ok": False, "error": "UNREACHABLE", "text": "no route"}}).alive
    assert told["database of us-east-1, through the probe"] == "answers, writes"
    assert told["database of us-west-2, through the probe"] == "NO: UNREACHABLE: no route"


@pytest.mark.parametrize(("lag", "probe", "told", "by"), [
    (0.08, {"ok": True, "lag_s": 7.0}, 0.08, "AuroraGlobalDBRPOLag"),
    (0.0, {"ok": True, "lag_s": 7.0}, 0.0, "AuroraGlobalDBRPOLag"),
    (Lag(0.3, 0.0, 119.0), SILENT, 0.3, "AuroraGlobalDBRPOLag"),
    (Lag(0.3, 0.0, 540.0), SILENT, 0.3, "AuroraGlobalDBRPOLag, 9 min old"),
    (None, {"ok": True, "lag_s": 7}, 7.0, "the database itself"),
    (SILENT, {"ok": True, "lag_s": 0}, 0.0, "the database itself"),
    (None, {"ok": True, "lag_s": None}, None, "nothing that answered"),
    (SILENT, SILENT, None, "nothing that answered")])
def test_the_lag_is_cloudwatchs_else_the_databases_own_else_unknown(
        lag: Any, probe: Any, told: float | None, by: str) -> None:
    shown = picture({**LOST, "lag": lag, "probe": probe})
    assert (shown.lag_s, shown.lag_from) == (told, by)


def test_what_will_not_come_back_is_told_with_the_lag() -> None:
    assert "did not replicate: up to 0.1 s" in picture(LOST).gone[0]
    assert "did not replicate: an unknown time" in picture({**LOST, "lag": None}).gone[0]
    assert all("us-east-1" in text for text in picture(LOST).gone)


def test_the_expected_minutes_are_those_of_earlier_runs_or_documented() -> None:
    assert (picture(LOST, usual_minutes=2.5).minutes, picture(LOST, usual_minutes=2.5).minutes_from) == (
        2.5, "earlier runs of this stack")
    assert picture(LOST).minutes == documented_minutes() > 1
    assert picture(LOST).minutes_from.startswith("documented durations")


# What speaks against it ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seen", "terms", "against"), [
    (LOST, BOUND, []),
    (LOST, replace(BOUND, allowed_loss_s=0.08), []),
    (LOST, Terms(), ["nobody has said how much data may be lost"]),
    (LOST, Terms(force="now"), ["nobody has said how much data may be lost"]),
    (LOST, replace(BOUND, allowed_loss_s=0.05), ["the newest known lag is 0.1 s, over the bound of 0.05 s"]),
    ({**LOST, "lag": 61.0}, BOUND, ["the newest known lag is 61.0 s, over the bound of 60 s"]),
    ({**LOST, "lag": 61.0}, FORCE, []),
    ({**LOST, "lag": None}, BOUND, ["the replication lag is not known, so the loss may be larger than the bound"]),
    ({**LOST, "lag": None}, FORCE, []),
    (HEALTHY, BOUND, ["us-east-1 answers and its database writes: a planned failover loses nothing (drctl failover "
                      "--planned)"]),
    (HEALTHY, FORCE, []),
    ({**LOST, "database": SILENT}, BOUND, [
        "the global database cannot be seen from us-west-2: no answer yet"]),
    ({**LOST, "database": SILENT}, FORCE, []),
    ({**LOST, "database": database(regions=(HOME.region,))}, FORCE, [
        "the global database has no member in us-west-2"]),
    ({**LOST, "instances": ["none there"], "lag": 61.0}, BOUND, [
        "none there", "the newest known lag is 61.0 s, over the bound of 60 s"]),
    ({**LOST, "instances": Unanswered("AccessDenied")}, BOUND, [
        "the instances in us-west-2 cannot be seen: AccessDenied"]),
    ({**LOST, "instances": Unanswered("AccessDenied")}, FORCE, []),
    ({**LOST, "database": SILENT, "instances": ["none there"]}, FORCE, ["none there"]),
    ({**LOST, "database": database(changing=True)}, BOUND, []),
    ({**LOST, "probe": SILENT}, BOUND, []),
    ({**HEALTHY, "lag": 61.0}, BOUND, [
        "us-east-1 answers and its database writes: a planned failover loses nothing (drctl failover --planned)",
        "the newest known lag is 61.0 s, over the bound of 60 s"])])
def test_every_reason_against_it_is_told_and_force_lifts_all_but_what_cannot_be_done(
        seen: Answers, terms: Terms, against: list[str]) -> None:
    assert refusals(seen, terms) == tuple(against)


@pytest.mark.parametrize("terms", [Terms(), BOUND])
def test_once_it_is_promoted_nothing_speaks_against_going_on(terms: Terms) -> None:
    promoted = {**LOST, "database": database(THERE.region), "instances": ["none"], "lag": None}
    assert refusals(promoted, terms) == ()
    assert (picture(promoted).promoted, picture(promoted).blockers) == (True, ())


@pytest.mark.parametrize(("regions", "goes_on", "against"), [
    ((HOME.region, THERE.region), False, (
        "us-west-2 is the writer already, us-east-1 holds a connected copy of it, and no failover is under way",)),
    ((HOME.region, THERE.region), True, ()),
    ((THERE.region,), False, ())])
def test_a_writer_that_no_failover_has_promoted_is_not_failed_over_to(
        regions: tuple[str, ...], goes_on: bool, against: tuple[str, ...]) -> None:
    """Where the other region holds no connected copy, somebody has promoted by hand, and it is gone on with."""
    seen = {**LOST, "database": database(THERE.region, regions=regions)}
    for terms in (BOUND, FORCE):
        assert refusals(seen, terms, goes_on=goes_on) == against
    assert picture(seen, goes_on=lambda: goes_on).word == ("wait" if against else "failover")


def test_only_where_the_database_has_moved_it_is_asked_whether_a_failover_did_that() -> None:
    def unasked() -> bool:
        raise AssertionError("asked for nothing")

    assert picture(LOST, goes_on=unasked).blockers == ()


@pytest.mark.parametrize(("seen", "terms", "step"), [
    ({**LOST, "instances": ["none"]}, Terms(), "drctl status; the same command again once that is mended"),
    ({**LOST, "database": SILENT}, BOUND, "the same command again; or with --force 'REASON'"),
    (LOST, Terms(), "the same command with --allow-data-loss 60s, if the business accepts that"),
    ({**LOST, "lag": 3600.0}, Terms(), "the same command with --allow-data-loss 61m, if the business accepts that"),
    ({**LOST, "lag": None}, Terms(), "the same command with --allow-data-loss 60s"),
    (HEALTHY, Terms(), "drctl failover --planned; or the same command with --allow-data-loss 60s and --force 'REASON'"),
    (HEALTHY, BOUND, "drctl failover --planned; or the same command with --force 'REASON'"),
    ({**LOST, "lag": None}, BOUND, "a larger --allow-data-loss, or --force 'REASON'")])
def test_a_refusal_names_the_next_command(seen: Answers, terms: Terms, step: str) -> None:
    with pytest.raises(Refused) as refused:
        perform(offline_run(), Told(seen=seen, terms=terms))
    assert refused.value.next_step.startswith(step)
    assert refused.value.exit_code == 3


# What is done --------------------------------------------------------------------------------------------------------


@pytest.fixture
def decided() -> Callable[..., tuple[Run, list[Record], list[str]]]:
    """A decision, what was recorded, and who was asked what in which order."""
    def decide(seen: Answers, terms: Terms = BOUND) -> tuple[Run, list[Record], list[str]]:
        records: list[Record] = []
        asked: list[str] = []
        run = offline_run(records)

        def confirm(shown: Picture) -> str:
            asked.append("confirm")
            return f"typed for {shown.to}"

        action = Told(seen=seen, terms=terms, show=lambda _: asked.append("show"), confirm=confirm)
        try:
            perform(run, action)
        except Refused:
            asked.append("refused")
        return run, records, asked

    return decide


def of(records: list[Record], event: str) -> list[Record]:
    return [record for record in records if record["event"] == event]


def test_the_picture_is_shown_first_and_only_what_may_be_done_is_confirmed(
        decided: Callable[..., tuple[Run, list[Record], list[str]]]) -> None:
    assert decided(LOST)[2] == ["show", "confirm"]
    assert decided(HEALTHY)[2] == ["show", "refused"]


def test_picture_terms_and_approval_are_recorded(
        decided: Callable[..., tuple[Run, list[Record], list[str]]]) -> None:
    _, records, _ = decided(HEALTHY, FORCE)
    told = of(records, "decision")[0]
    assert (told["allowed_loss_s"], told["force"]) == (60.0, "the board said so")
    assert (told["picture"]["word"], told["picture"]["lost"]) == ("switchover", HOME.region)
    assert [record["approval"] for record in of(records, "approved")] == ["typed for us-west-2"]


def test_every_refusal_is_a_finding(decided: Callable[..., tuple[Run, list[Record], list[str]]]) -> None:
    _, records, _ = decided({**HEALTHY, "lag": None})
    assert len(of(records, "finding")) == 2
    assert of(records, "approved") == []


def test_when_the_outage_began_is_kept_by_the_lag_in_real_time(
        decided: Callable[..., tuple[Run, list[Record], list[str]]]) -> None:
    run, _, _ = decided({**LOST, "lag": 50_000.0}, FORCE)
    assert run.measures["lag_s"] == 50_000
    assert 0.4 < time.time() - cast(float, run.measures[OUTAGE_BEGAN]) < 5  # half a second at this clock's speed


def test_the_outage_is_dated_by_when_the_lag_was_measured_however_long_it_took_to_decide(
        decided: Callable[..., tuple[Run, list[Record], list[str]]]) -> None:
    run, records, _ = decided({**LOST, "lag": Lag(0.3, 1000.0, 540.0)})
    assert run.measures["lag_s"] == 0.3
    assert run.measures["lag_age_s"] == 540
    assert run.measures[OUTAGE_BEGAN] == 1000.0  # three tenths of a second are nothing at this clock's speed
    assert of(records, "decision")[0]["picture"]["lag"] == {
            "seconds": 0.3, "measured_at": 1000.0, "age_s": 540.0, "growth": None}


def test_by_the_databases_own_lag_the_outage_is_dated_from_the_moment_it_told_it(
        decided: Callable[..., tuple[Run, list[Record], list[str]]]) -> None:
    told = {"ok": True, "writer": False, "lag_s": 200_000.0, "at": "2031-05-01T12:00:10+00:00"}
    run, _, _ = decided({**LOST, "lag": SILENT, "probe": told}, FORCE)
    assert run.measures[OUTAGE_BEGAN] == datetime(2031, 5, 1, 12, 0, 8, tzinfo=UTC).timestamp()
    assert "lag_age_s" not in run.measures


def test_a_probe_of_an_earlier_version_that_tells_no_time_counts_as_having_told_it_now() -> None:
    seen = {**LOST, "lag": SILENT, "probe": {"ok": True, "writer": False, "lag_s": 7.0}}
    known = Decide(WORLD, NOTHING, HOME, THERE)._judge(seen).lag
    assert known is not None
    assert (known.seconds, round(time.time() - known.measured_at)) == (7.0, 0)


@pytest.mark.parametrize("seen", [{**LOST, "lag": None}, {**LOST, "database": database(THERE.region)}])
def test_without_a_lag_or_after_the_promotion_it_is_not_taken(
        decided: Callable[..., tuple[Run, list[Record], list[str]]], seen: Answers) -> None:
    assert OUTAGE_BEGAN not in decided(seen, FORCE)[0].measures


def test_a_run_that_is_gone_on_with_keeps_its_own_beginning() -> None:
    run = offline_run()
    run.measure(OUTAGE_BEGAN, 1.0)
    perform(run, Told(seen=LOST, terms=BOUND))
    assert run.measures[OUTAGE_BEGAN] == 1.0


def test_a_decision_that_is_made_again_tells_the_newest_lag() -> None:
    run = offline_run()
    run.measure("lag_s", 1.0)
    perform(run, Told(seen={**LOST, "lag": 7.0}, terms=BOUND))
    assert run.measures["lag_s"] == 7.0


@pytest.mark.parametrize(("lost", "known"), [(HOME.region, True), (THERE.region, False)])
def test_once_it_is_promoted_the_note_of_the_run_that_did_tells_what_was_known(
        run: Run, lost: str, known: bool) -> None:
    ensure_with_needs(run, ControlBucket(THERE))
    first = NoteAftermath(next(site for site in (HOME, THERE) if site.region == lost), THERE)
    run.measure("lag_s", 3.5)
    run.measure(OUTAGE_BEGAN, 1000.0)
    first.do(run)
    run.measures.clear()
    perform(run, Told(seen={**LOST, "database": database(THERE.region)}, terms=Terms()))
    assert run.measures == ({"lag_s": 3.5, OUTAGE_BEGAN: 1000.0} if known else {})


def test_by_hand_it_is_four_looks_at_the_surviving_region() -> None:
    lines = list(map(str, Told(seen={}).by_hand(offline_run())))
    assert len(lines) == 4
    assert all(line.endswith("--region us-west-2") and "us-east-1" not in line for line in lines)
