"""What one screen tells of a stack: who writes and who answers, what is left, what a failover would cost now."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.actions.aftermath import Aftermath
from drctl.actions.answering import refusal
from drctl.actions.fencing import NO_APP
from drctl.actions.look import LEASE
from drctl.actions.screen import Local, what_users_get
from drctl.actions.steady_state import Growth, Lag
from drctl.aws.retries import NoAnswer
from drctl.engine.lease import NoControlBucket
from drctl.engine.looks import Unanswered
from drctl.engine.run import NotBuilt
from drctl.engine.survey import Silent
from tests.actions.glanced import DRILL, EAST, NOON, SILENCE, WEST, database, lease, region, screen, silent


def failed(code: str, status: int) -> Unanswered:
    """An answer of AWS that tells nothing."""
    error = ClientError({"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {
        "HTTPStatusCode": status, "RequestId": "r", "HTTPHeaders": {}, "RetryAttempts": 0, "HostId": ""}}, "Describe")
    return Unanswered(str(error), error)


REFUSED, BROKEN = failed("AccessDenied", 403), failed("ServiceUnavailable", 503)
CUT = Unanswered("cut", NoAnswer("DescribeDBClusters", EAST, "no answer"))


def test_a_stack_that_is_well_has_nothing_to_be_done_and_one_document_tells_all_of_it() -> None:
    told = screen().as_dict()
    assert (told["silent"], told["users"], told["next"], told["left"], told["not_seen"]) == ([], "", "", [], [])
    assert told["regions"][EAST] == {"role": "primary", "answers": "yes", "why": ""}
    assert (told["database"]["active"], told["database"]["lag_s"]) == (EAST, 0.084)
    assert told["failover"] == {
        "from": EAST, "to": WEST, "blocked": "", "minutes": 2.5, "minutes_from": "earlier runs of this stack",
        "loss_s": 0.084, "loss_age_s": 0, "loss_from": "AuroraGlobalDBRPOLag", "grows": None}
    assert told["last_drill"] == DRILL
    assert told["readiness"]["value"] == 1.0
    assert 5 * 3600 <= told["readiness"]["age_s"] < 5 * 3600 + 60
    assert json.loads(json.dumps(told)) == told


@pytest.mark.parametrize(("answer", "how", "why"), [
    (SILENCE, "no", "no answer within 4 s"), (CUT, "no", "no answer"), (BROKEN, "with errors only", "answered 503"),
    (Unanswered("it left another call", Silent("it left another call unanswered")), "no", "no answer")])
def test_a_region_that_tells_nothing_is_silent_in_its_own_way_and_the_next_step_is_a_failover(
        answer: Unanswered, how: str, why: str) -> None:
    told = screen(east=silent(EAST, answer), west=region(WEST, users=WEST)).as_dict()
    assert (told["silent"], told["regions"][EAST]["answers"], told["regions"][EAST]["why"]) == ([EAST], how, why)
    assert told["users"] == "users are sent to us-west-2, whose database only reads: writes are refused there"
    assert told["next"] == "drctl failover"
    assert told["database"]["active"] == EAST
    assert told["health"] == {EAST: "not seen", WEST: "not seen"}
    assert told["probes"] == {EAST: "not seen", WEST: "reads"}
    assert {one["region"] for one in told["not_seen"]} == {EAST}


def test_a_silent_standby_is_no_reason_for_a_failover_and_makes_one_impossible() -> None:
    told = screen(west=silent(WEST)).as_dict()
    assert (told["silent"], told["next"], told["users"]) == (
        [WEST], "", "users are sent to us-east-1, whose database writes")
    assert told["failover"]["blocked"] == "us-west-2 does not answer"
    assert told["health"][EAST] == "healthy"


@pytest.mark.parametrize("answer", [SILENCE, BROKEN, CUT])
def test_one_service_that_does_not_answer_makes_no_region_silent(answer: Unanswered) -> None:
    east = region(EAST, LEASE=answer, NOTE=answer, SWITCH=answer, DRILLS=answer)
    told = screen(east=east).as_dict()
    assert (told["silent"], told["regions"][EAST]["answers"]) == ([], "in part")
    assert [one["what"] for one in told["not_seen"]] == ["switch", "lease", "note of a failover", "drills of others"]
    assert told["switch"] == "what lies in us-east-1 is not seen"
    assert told["lease"] == {EAST: "not seen", WEST: "free"}


def test_what_is_refused_is_not_seen_by_a_region_that_answers() -> None:
    told = screen(east=region(EAST, READY=REFUSED)).as_dict()
    assert (told["regions"][EAST]["answers"], told["readiness"]["region"]) == ("yes", WEST)
    assert told["not_seen"] == [{"region": EAST, "what": "readiness", "because": "AccessDenied", "why": REFUSED.why}]


def test_only_where_everything_is_refused_the_refusal_stands_for_the_screen() -> None:
    assert refusal(screen(east=silent(EAST, REFUSED), west=silent(WEST, REFUSED)).seen) is REFUSED.error
    assert refusal(screen(east=silent(EAST, REFUSED), west=silent(WEST)).seen) is REFUSED.error
    for east, west in ((silent(EAST, REFUSED), region(WEST)), (silent(EAST), silent(WEST)),
                       (silent(EAST, BROKEN), silent(WEST, BROKEN))):
        assert refusal(screen(east=east, west=west).seen) is None


def test_where_no_region_answers_nothing_is_said_of_who_writes() -> None:
    told = screen(east=silent(EAST), west=silent(WEST)).as_dict()
    assert (told["silent"], told["database"]["active"], told["database"]["status"]) == ([EAST, WEST], None, "not seen")
    assert (told["failover"]["blocked"], told["next"]) == ("no global database is seen", "")
    assert told["last_drill"] == DRILL


def test_after_a_failover_the_roles_are_those_that_are_seen() -> None:
    note = Aftermath("a-run", EAST, WEST, 0.0)
    told = screen(region(EAST, WEST, WEST, APP=0), region(WEST, WEST, WEST, NOTE=note, SWITCH=True)).as_dict()
    assert (told["database"]["active"], told["database"]["members"]) == (WEST, {EAST: "connected", WEST: "writer"})
    assert (told["failover"]["from"], told["failover"]["to"], told["failover"]["blocked"]) == (WEST, EAST, "")
    assert told["left"] == ["the failover from us-east-1 (run a-run): drctl failback",
                            "the app in us-east-1 is stopped"]
    assert told["health"][EAST] == "stopped"
    assert told["switch"] == "turned to us-west-2"


def test_the_region_that_writes_is_believed_where_the_other_has_not_heard_of_it() -> None:
    told = screen(region(EAST, DATABASE=database(EAST, members=())), region(WEST, WEST)).as_dict()
    assert (told["database"]["active"], told["database"]["told_otherwise"]) == (EAST, {WEST: WEST})
    stale = screen(region(EAST, DATABASE=database(None)), region(WEST, WEST)).as_dict()
    assert (stale["database"]["active"], stale["database"]["told_otherwise"]) == (WEST, {EAST: None})


@pytest.mark.parametrize(("west", "blocked"), [
    ({"DATABASE": database(members=())}, "the global database has no member in us-west-2"),
    ({"DATABASE": database(changing_roles=True)}, "roles are being changed"),
    ({"DATABASE": database(None)}, "roles are being changed"),
    ({"PROBE": {"ok": False, "error": "UNREACHABLE", "text": "gone"}},
     "the database of us-west-2 fails its probe: UNREACHABLE: gone")])
def test_what_keeps_a_failover_from_being_possible_is_told(west: dict[str, Any], blocked: str) -> None:
    east = region(EAST, DATABASE=west.get("DATABASE", database()))
    assert screen(east, region(WEST, **west)).as_dict()["failover"]["blocked"] == blocked


def test_the_loss_is_what_the_database_says_itself_where_cloudwatch_says_nothing() -> None:
    west = region(WEST, LAG=None, PROBE={"ok": True, "writer": False, "lag_s": 0.7})
    told = screen(west=west).as_dict()["failover"]
    assert (told["loss_s"], told["loss_from"]) == (0.7, "the database itself")
    unknown = screen(west=region(WEST, LAG=SILENCE, PROBE=SILENCE)).as_dict()["failover"]
    assert (unknown["loss_s"], unknown["loss_from"]) == (None, "nothing that answered")


def test_a_lag_that_grows_is_told_with_what_it_was_when_it_began_to() -> None:
    west = region(WEST, LAG=Lag(868.0, NOON, 0.0, Growth(NOON - 868, 41.5)))
    assert screen(west=west).as_dict()["failover"]["grows"] == {"since": NOON - 868, "seconds": 41.5}


@pytest.mark.parametrize(("local", "minutes", "source"), [
    (Local(usual_minutes=4.0), 4.0, "earlier runs of this stack"),
    (Local(), 1.5, "the last drill of this stack")])
def test_minutes_are_what_moves_took_here_else_what_the_last_drill_took_elsewhere(
        local: Local, minutes: float, source: str) -> None:
    told = screen(west=region(WEST, DRILLS=DRILL | {"rto_s": 90.0}), local=local).as_dict()["failover"]
    assert (told["minutes"], told["minutes_from"]) == (minutes, source)


def test_without_any_run_the_documented_durations_count() -> None:
    assert screen(local=Local()).as_dict()["failover"]["minutes_from"].startswith("documented durations")


def test_the_newest_drill_counts_wherever_it_was_made() -> None:
    newer = DRILL | {"run": "20261001-120000-drill-ffff"}
    assert screen(west=region(WEST, DRILLS=newer)).as_dict()["last_drill"] == newer
    older = DRILL | {"run": "20250101-120000-drill-ffff"}
    assert screen(east=region(EAST, DRILLS=older)).as_dict()["last_drill"] == DRILL


def test_who_holds_a_lease_is_told_with_the_way_to_go_on() -> None:
    held = screen(west=region(WEST, LEASE=lease())).as_dict()
    assert held["lease"][WEST] == (
        "held by ann@laptop since 2026-09-01T13:00:00Z: failback, run 20260901-130000-failback-beef; wait for it, or "
        "if you know that it is dead: --take-over ann@laptop")
    assert held["left"] == []
    begun = {"command": "failover", "run": "r-1"}
    left = screen(west=region(WEST, LEASE=lease(over=True, unfinished=begun))).as_dict()
    assert left["lease"][WEST].startswith("left by ann@laptop")
    assert left["left"] == ["the failover that run r-1 has begun has not come to its end: drctl resume r-1"]


NOTHING: dict[str, Any] = {
    "DATABASE": None, "APP": NO_APP, "CERTIFICATE": None, "PROBE": None, "SWITCH": False, "LAG": None, "READY": None,
    "NAME": Unanswered("absent", NotBuilt("absent")), "LEASE": Unanswered("none", NoControlBucket("none"))}


def test_a_stack_of_which_nothing_was_found_in_either_region_is_nowhere() -> None:
    east, west = region(EAST, **NOTHING), region(WEST, **NOTHING)
    assert screen(east, west).is_nowhere
    assert not screen(east, silent(WEST)).is_nowhere
    for something in ({"APP": None}, {"LEASE": None}, {"DATABASE": database()}, {"LEASE": SILENCE}):
        assert not screen(east, region(WEST, **(NOTHING | something))).is_nowhere


def test_of_a_stack_that_stands_in_half_it_is_told_what_is_missing() -> None:
    half = NOTHING | {"LEASE": None, "APP": None}
    told = screen(region(EAST, **half), region(WEST, **(NOTHING | {"LEASE": None}))).as_dict()
    assert told["database"]["status"] == "absent"
    assert told["left"] == [
        "not all of the stack stands (no global database, no certificate in us-east-1, no parameters in us-east-1, no "
        "app in us-west-2, no certificate in us-west-2, no parameters in us-west-2): drctl provision"]
    assert (told["health"][WEST], told["probes"][WEST], told["not_seen"]) == ("there is none", "no probe", [])
    assert told["dns"]["problem"] == "not there yet"


def test_runs_that_could_not_be_read_on_this_machine_are_told_as_not_seen() -> None:
    told = screen(local=Local(unknown="disk on fire")).as_dict()
    assert told["not_seen"] == [{"region": "this machine", "what": "its runs", "because": "disk on fire",
                                 "why": "disk on fire"}]


def test_a_lease_that_is_not_seen_is_neither_free_nor_held() -> None:
    assert screen(west=region(WEST) | {LEASE: SILENCE}).as_dict()["lease"][WEST] == "not seen"


@pytest.mark.parametrize(("name", "words"), [
    ({"region": "us-west-2"}, "users are sent to us-west-2, whose database only reads: writes are refused there"),
    ({"region": "us-east-1"}, "users are sent to us-east-1"),
    ({"region": None, "addresses": ["192.0.2.1"]}, "users are sent to no region that answers"),
    ({"region": None, "addresses": []}, "")])
def test_what_users_get_while_the_writers_region_is_silent(name: dict[str, Any], words: str) -> None:
    assert what_users_get(["us-east-1"], "us-east-1", name) == words


def test_users_who_are_where_the_database_writes_are_served() -> None:
    """A silent standby, and a region that was lost once its failover is over."""
    assert what_users_get(["us-east-1"], "us-west-2", {"region": "us-west-2"}) == (
        "users are sent to us-west-2, whose database writes")
