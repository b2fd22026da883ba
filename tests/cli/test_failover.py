"""Failovers and failbacks as their users run them: regions are lost and come back, processes die, people hesitate.

The tests share one stack and follow each other; each leaves it at home in the primary region.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import click
import pytest

from drctl.aws import dns
from drctl.cli.by_hand import runbook_of, target_of
from drctl.cli.status_view import lines
from drctl.configuration import packaged_lab
from drctl.lab import outages
from drctl.lab.clock import CLOCK
from drctl.lab.server import Lab
from drctl.settings import Settings
from drctl.stack import stack_of
from tests.aws.test_fence import ROLE
from tests.cli.conftest import Result
from tests.cli.story import (
    BOUND,
    BUILDING,
    FAILOVER,
    SWITCHES,
    Story,
    as_json,
    database_lost,
    differences,
    ended,
    lost,
    telling,
)
from tests.cli.test_lease import bucket
from tests.cli.test_trouble import EAST, SLOW, WEST, place_in, until

PLANNED = ("failover", "--planned", "--json")


@pytest.fixture(scope="module")
def story(lab_server: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A stack that was just built."""
    folder = tmp_path_factory.mktemp("failover")
    with place_in(folder, lab_server) as place, telling(place, folder) as found:
        yield found


def actions(report: Any) -> dict[str, str]:
    """How each line ended."""
    return {one["action"]: one["outcome"] for one in report["actions"]}


def nothing_is_planned(story: Story) -> None:
    """Which region writes is observed, never configured: a plan after a move is empty, and changes nothing itself."""
    mark = story.mark()
    end = story("plan", "--json", "--exit-code")
    assert end.code == 0, end.out
    assert (set(end.json["counts"]), end.json["leftovers_unknown"]) == ({"keep"}, "")
    assert story.changes_since(mark) == {}


# Nothing is done -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("arguments", "words"), [
    (("--allow-data-loss", "much"), "'much' is no span of time"),
    (("--allow-data-loss", "-5s"), "'-5s' is no span of time"),
    (("--planned", "--allow-data-loss", "60s"), "go with an unplanned failover"),
    (("--planned", "--force", "now"), "go with an unplanned failover"),
    (("--drill", "--planned"), "exclude each other"),
    (("--planned", "--escalate", "last"), "exclude each other"),
    (("--stay",), "--stay goes with --drill"), (("--mode", "live"), "--mode goes with --drill"),
    (("--drill", "--mode", "tabletop", "--stay"), "--stay goes with a live drill"),
    (("--drill", "--from", "3"), "a drill begins anew"), (("--from", "0"), "--from"),
    (("--drill", "--to", WEST), "--to goes with a failover"),
    (("--drill", "--fault", "foo"), "service 'foo' is unknown"), (("--drill", "--fault", "region:slow"), "mode 'slow'"),
    (("--to", "eu-west-1"), "'eu-west-1' is no region of this stack")])
def test_bad_usage_is_told_before_anything_is_called(story: Story, arguments: tuple[str, ...], words: str) -> None:
    mark = len(story.place.line.seen)
    end = story("failover", *arguments)
    assert (end.code, len(story.place.line.seen)) == (2, mark), end.err
    assert words in " ".join(end.err.split())


def test_without_a_bound_the_picture_is_shown_and_nothing_is_changed(story: Story) -> None:
    mark = story.mark()
    end = story("failover", "--json")
    assert end.code == 3
    assert "failover from us-east-1 to us-west-2" in end.err
    assert "newest known replication lag                 0.1 s (AuroraGlobalDBRPOLag)" in end.err
    assert "accepted: not stated" in end.err
    assert "recommended: switchover - us-east-1 answers and its database writes" in end.err
    assert "nobody has said how much data may be lost; nothing was changed" in end.err
    assert "next: drctl failover --planned; or the same command with --allow-data-loss 60s and --force" in end.err
    assert end.json["decision"]["picture"]["word"] == "switchover"
    assert story.changes_since(mark) == {}


@pytest.mark.parametrize(("arguments", "words", "step"), [
    (("0.01s",), "the newest known lag is 0.1 s, over the bound of 0.01 s", "--force 'REASON'"),
    (("1h",), "a planned failover loses nothing (drctl failover --planned)", "--force 'REASON'"),
    (("1h", "--from", "3"), "a planned failover loses nothing (drctl failover --planned)", "--force 'REASON'"),
    (("1h", "--force", "now", "--to", EAST), "us-east-1 is the writer already, us-west-2 holds a connected copy of it",
     "drctl failover without --to leaves us-east-1")])
def test_a_bound_that_is_too_small_or_a_healthy_region_is_refused_wherever_it_starts(
        story: Story, arguments: tuple[str, ...], words: str, step: str) -> None:
    mark = story.mark()
    end = story("failover", "--allow-data-loss", *arguments, "--json")
    assert end.code == 3
    assert words in end.err
    assert step in end.err.partition("next: ")[2]
    assert not any(change.startswith(("Failover", "PutFunction")) for change in story.changes_since(mark))
    story.at_home()


@pytest.mark.parametrize(("region", "words"), [
    (WEST, "us-east-1 writes, as it does at home, and us-west-2 holds a connected copy"), (EAST, "us-east-1 writes")])
def test_a_failback_about_a_region_that_nothing_shows_to_be_lost_is_refused(
        story: Story, region: str, words: str) -> None:
    mark = story.mark()
    end = story("failback", "--lost", region, "--json")
    assert (end.code, story.changes_since(mark)) == (3, {}), end.err
    assert f"nothing shows that {region} was lost: {words}" in " ".join(end.err.split())
    assert "next: drctl status" in end.err
    story.at_home()


# A region is lost ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def failed_over(story: Story) -> Iterator[tuple[Result, Any]]:
    """A failover while the active region refuses everything, which goes on until the next fixture."""
    with lost(EAST):
        end = story(*FAILOVER)
        yield end, as_json(end)


def test_it_measures_and_tells_what_was_done(story: Story, failed_over: tuple[Result, Any]) -> None:
    end, report = failed_over
    assert (report["outcome"], report["mode"], report["from_region"], report["to_region"]) == (
        "done", "unplanned", EAST, WEST)
    assert "recommended: failover - us-east-1 does not answer, and us-west-2 is ready" in end.err
    assert 0 < report["execution_rto_s"] <= report["rto_s"]
    assert (report["rpo_s"], report["fenced"]) == (report["lag_s"], False)
    assert report["met"] == (report["rto_s"] <= 900 and report["rpo_s"] <= 900)
    decision = report["decision"]
    assert (decision["allowed_loss_s"], decision["force"], decision["picture"]["promoted"]) == (3600, "", False)
    assert any("could not be stopped" in note and "pending" in note for note in report["notes"])
    skipped = {line for line, outcome in actions(report).items() if outcome != "done"}
    assert skipped == {f"the app in {WEST} serves again"}, "it was never stopped"
    assert report["calls"]["by_region"].keys() <= {EAST, WEST}


def test_status_says_where_users_are_and_what_is_left(story: Story, failed_over: tuple[Result, Any]) -> None:
    assert story.writer(WEST) == (WEST, True)
    status = story.status()
    assert (status["database"]["active"], status["dns"]["region"]) == (WEST, WEST)
    assert status["left"] == [f"the failover from {EAST} (run {failed_over[1]['run']}): drctl failback"]
    assert "turned to us-west-2" in status["switch"]


@pytest.mark.parametrize("command", [("provision",), ("plan",), ("failover", "--planned"), ("failover", "--drill")])
def test_what_needs_both_regions_is_refused_meanwhile_and_changes_nothing(
        story: Story, failed_over: tuple[Result, Any], command: tuple[str, ...]) -> None:
    mark = story.mark()
    end = story(*command, "--json")
    assert end.code == 3, end.err
    assert "refused: us-east-1 does not answer: nothing was changed" in end.err
    assert "next: drctl status; " in end.err
    assert story.changes_since(mark) == {}


def test_once_more_from_another_machine_it_finds_everything_done(
        story: Story, failed_over: tuple[Result, Any]) -> None:
    report = as_json(story.on(story.machine(), *FAILOVER))
    assert (report["outcome"], report["from_region"], report["to_region"]) == ("done", EAST, WEST)
    assert actions(report)["fail the database over to us-west-2, accepting data loss"] == "skipped"
    assert story.writer(WEST) == (WEST, True)
    assert any(note.startswith("nothing was left to be done: users were served in us-west-2 before this run")
               for note in report["notes"])
    assert report.keys() & {"rto_s", "execution_rto_s", "rpo_s", "met"} == set()


def test_what_is_done_cannot_be_escalated(story: Story, failed_over: tuple[Result, Any]) -> None:
    mark, run = story.mark(), failed_over[1]["run"]
    end = story("failover", "--escalate", run, *BOUND, "--json")
    assert (end.code, story.changes_since(mark)) == (3, {}), end.err
    assert f"run {run} is done: there is nothing to escalate" in end.err
    assert "next: drctl status" in end.err


def test_once_more_where_the_control_bucket_is_silent_it_goes_on_with_the_failover_and_not_back(
        story: Story, failed_over: tuple[Result, Any]) -> None:
    outages.start(WEST, "s3", "hang", bucket(WEST))
    end = story(*FAILOVER)
    outages.end(WEST, "s3")
    assert as_json(end)["from_region"] == EAST
    assert "us-west-2 writes, and us-east-1 holds no connected copy: going on with a failover from us-east-1" in end.err
    assert "NO LEASE: the control bucket of us-west-2 does not answer" in end.err
    assert story.writer(WEST) == (WEST, True)


@pytest.fixture(scope="module")
def back_again(story: Story, failed_over: tuple[Result, Any]) -> None:
    """The lost region answers again."""
    outages.end()


def test_a_provision_once_the_region_is_back_changes_and_moves_nothing(story: Story, back_again: None) -> None:
    story.until_connected(EAST)
    nothing_is_planned(story)
    mark = story.mark()
    as_json(story("provision", "--json"))
    assert story.changes_since(mark) == {}
    assert story.writer(EAST) == (WEST, True)
    assert story.switches() == [False, True]


def test_failback_brings_everything_home_and_closes_what_was_left(story: Story, back_again: None) -> None:
    report = story.home(listing=True)
    assert (report["outcome"], report["from_region"], report["to_region"]) == ("done", WEST, EAST)
    assert (report["lost_rows"], report["rpo_s"]) == (0, 0)
    assert {(one["kind"], one["place"]) for one in report["reconciliation"]} >= {
        ("objects", EAST), ("events", EAST), ("events", WEST)}
    assert actions(report)[f"the app in {EAST} is stopped"] == "done"
    assert actions(report)[f"the app in {EAST} serves again"] == "done"
    assert actions(report)["nothing is left of the failover"] == "done"
    nothing_is_planned(story)
    mark = story.mark()
    as_json(story("provision", "--json"))
    assert story.changes_since(mark) == {}


# On purpose ----------------------------------------------------------------------------------------------------------


def test_a_planned_failover_stays_and_a_failback_without_a_loss_behind_it_only_moves(story: Story) -> None:
    there = as_json(story(*PLANNED))
    assert (there["mode"], there["from_region"], there["to_region"]) == ("planned", EAST, WEST)
    assert (there["lost_rows"], there["rpo_s"]) == (0, 0)
    assert story.writer(EAST) == (WEST, True)
    assert story.status()["left"] == []
    home = story.home()
    assert (home["after"], home["reconciliation"], home["lost_rows"]) == ("", [], 0)
    assert story.home()["outcome"] == "done"


def test_from_a_line_on_what_a_person_has_begun_is_gone_on_with(story: Story) -> None:
    members = story.place.aws[EAST].rds.describe_global_clusters()["GlobalClusters"][0]["GlobalClusterMembers"]
    target = next(one["DBClusterArn"] for one in members if not one["IsWriter"])
    story.place.aws[EAST].rds.switchover_global_cluster(
        GlobalClusterIdentifier="aurora-database-global-lab", TargetDbClusterIdentifier=target)
    until(lambda: story.writer(EAST) == (WEST, True), "the database has moved")
    too_far = story(*PLANNED, "--to", WEST, "--from", "9")
    assert (too_far.code, "the lines are 1 to 8" in too_far.err) == (2, True), too_far.err
    report = as_json(story(*PLANNED, "--to", WEST, "--from", "4"))
    assert next(iter(actions(report))) == "turn the DNS switch to us-west-2"
    assert story.status()["dns"]["region"] == WEST
    story.home()


def test_a_region_that_dies_in_the_middle_of_a_planned_failover_is_escalated_from_another_machine(
        story: Story) -> None:
    first, second = story.machines[0], story.machine()
    mark = story.mark()
    with story.pace(SLOW):
        process = story.begin(first, *PLANNED)
        until(lambda: f"SwitchoverGlobalCluster {EAST}" in story.changes_since(mark), "the database is being moved")
        run = story.runs(first)[-1]
        until(lambda: story.copied(run, WEST, "SwitchoverGlobalCluster"), "the other region knows of the call")
    with lost(EAST):
        report = as_json(story.on(second, "failover", "--escalate", run, *BOUND, "--yes", "--json"))
        planned = ended(process)
    assert (report["mode"], report["from_region"], report["to_region"]) == ("unplanned", EAST, WEST)
    assert report["resumes"] == run
    assert planned.code in {1, 3}, planned.err
    assert "Traceback" not in planned.err
    assert story.writer(WEST) == (WEST, True)
    assert report["execution_rto_s"] > 0
    again = story.on(second, "failover", "--escalate", run, *BOUND, "--yes", "--json")
    assert again.code == 3, again.err
    assert f"run {run} is done, brought to its end by {report['run']}: there is nothing to escalate" in again.err
    story.home()


def test_a_drill_whose_target_dies_with_the_writer_in_it_is_escalated_the_other_way(story: Story) -> None:
    killed, other = story.machine(), story.machine()
    end = story.signalled_at("SwitchoverGlobalCluster", signal.SIGKILL, killed, "failover", "--drill", "--json",
                             once=lambda: story.copied(story.runs(killed)[-1], EAST, "SwitchoverGlobalCluster"))
    assert end.code == -signal.SIGKILL
    until(lambda: story.writer(EAST) == (WEST, True), "the database has moved")
    run = story.runs(killed)[-1]
    escalation = ("failover", "--escalate", run, *BOUND, "--yes", "--json")
    mark = story.mark()
    healthy = story.on(other, *escalation)
    assert (healthy.code, story.changes_since(mark)) == (3, {})
    assert "us-west-2 writes, and both regions answer: there is nothing to escalate" in healthy.err
    assert f"next: drctl resume {run}" in healthy.err
    with lost(WEST):
        report = as_json(story.on(other, *escalation))
        assert (report["mode"], report["from_region"], report["to_region"]) == ("unplanned", WEST, EAST)
        assert story.writer(EAST) == (EAST, True)
    story.home()


def test_a_planned_failover_is_resumed_in_its_direction_where_a_copy_of_its_journal_tells_no_more_than_its_beginning(
        story: Story) -> None:
    killed, other = story.machine(), story.machine()
    end = story.signalled_at("SwitchoverGlobalCluster", signal.SIGKILL, killed, *PLANNED)
    assert end.code == -signal.SIGKILL
    until(lambda: story.writer(EAST) == (WEST, True), "the database has moved")
    run = story.runs(killed)[-1]
    story.shorten_copies(run)
    report = as_json(story.on(other, "resume", run, "-c", str(packaged_lab()), "--yes", "--json"))
    assert (report["resumes"], report["from_region"], report["to_region"]) == (run, EAST, WEST)
    assert (story.writer(EAST), story.status()["dns"]["region"]) == ((WEST, True), WEST)
    story.home()


def test_a_planned_failover_that_is_done_is_not_turned_around_where_only_its_beginning_was_copied(
        story: Story) -> None:
    done, other = story.machine(), story.machine()
    run = as_json(story.on(done, *PLANNED))["run"]
    story.shorten_copies(run)
    mark = story.mark()
    refused = story.on(other, "resume", run, "-c", str(packaged_lab()), "--yes", "--json")
    assert (refused.code, story.changes_since(mark)) == (3, {}), refused.err
    assert f"nothing tells from where run {run} was to move" in refused.err
    assert story.writer(EAST) == (WEST, True)
    story.home()


GONE, AGAIN = "if the region is gone: drctl failover", "the same command again, once us-west-2 answers"


@pytest.mark.parametrize(("command", "gone", "step"), [
    (("provision",), EAST, GONE), (("failover", "--planned"), EAST, GONE), (("failover", "--drill"), WEST, AGAIN),
    (("failover", "--drill", "--mode", "isolated"), WEST, AGAIN)])
def test_a_region_that_hangs_is_told_within_seconds_by_what_needs_both(
        story: Story, command: tuple[str, ...], gone: str, step: str) -> None:
    mark, began = story.mark(), time.monotonic()
    with lost(gone, "hang"):
        end = story(*command, "--yes", "--json")
    assert time.monotonic() - began < 30, "eight tries of a minute are hundreds of seconds"
    assert (end.code, story.changes_since(mark)) == (3, {}), end.err
    assert f"refused: {gone} does not answer: nothing was changed" in end.err
    assert f"next: drctl status; {step}" in end.err


#: What one look may take of real time, whatever happens; on a machine of its own it takes less than five seconds.
STATUS_S = 10.0
#: A pace at which no health check turns red within one look, so that users stay where they are.
UNNOTICED = 5.0


def status_in_time(story: Story, *more: str) -> Result:
    """One look, which changes nothing, and how it ended; a machine that stands still for seconds does so once."""
    mark, took = story.mark(), list[float]()
    for _ in range(2):
        began = time.monotonic()
        end = story("status", *more)
        took.append(time.monotonic() - began)
        if took[-1] < STATUS_S:
            break
    assert min(took) < STATUS_S, took
    assert story.changes_since(mark) == {}
    return end


def all_seen_but(story: Story, may_be_hidden: Callable[[Any], bool]) -> Any:
    """What a look tells that has seen everything else: on a machine that is too busy it takes more than one."""
    looks: list[Any] = []

    def look() -> bool:
        end = status_in_time(story, "--json")
        assert end.code == 0, end.err
        looks.append(end.json)
        return all(map(may_be_hidden, end.json["not_seen"]))

    until(look, "nothing else is hidden")
    return looks[-1]


def on_screen(seen: Any) -> str:
    """What a look tells as people read it."""
    return "\n".join(map(click.unstyle, lines(seen)))


def users_are_in(story: Story, region: str) -> bool:
    """Whether the name sends users to a region that answers, as the lab's name servers tell."""
    server = ("127.0.0.1", story.place.lab.dns_port)
    balancers = story.place.aws[region].elbv2.describe_load_balancers()["LoadBalancers"]
    there = {address for one in balancers for address in dns.answers(one["DNSName"], server, 2.0)}
    return bool(there & set(dns.answers(Settings().dns.name, server, 2.0)))


@pytest.mark.parametrize(("gone", "users", "step"), [
    (EAST, "users are sent to us-west-2, whose database only reads: writes are refused there", "drctl failover"),
    (WEST, "users are sent to us-east-1, whose database writes", "")])
def test_status_says_which_region_does_not_answer_and_what_users_get(
        story: Story, gone: str, users: str, step: str) -> None:
    left = WEST if gone == EAST else EAST
    with lost(gone, "hang"):
        until(lambda: users_are_in(story, left), "the users of a dead region have fled")
        seen = all_seen_but(story, lambda one: bool(one["region"] == gone))
        assert f"{gone} DOES NOT ANSWER" in status_in_time(story).out
    shown = on_screen(seen)
    assert (seen["silent"], seen["users"], seen["next"]) == ([gone], users, step)
    assert f"{gone} DOES NOT ANSWER: {users}" in shown
    assert ("next: drctl failover" in shown) == bool(step)
    assert "no answer within " in shown
    assert "no answer yet" not in shown
    assert seen["probes"] == {gone: "not seen", left: "reads" if gone == EAST else "writes"}
    assert seen["health"][left] == ("not seen" if gone == EAST else "healthy")
    assert (seen["failover"]["blocked"] == "") == bool(step)
    assert seen["failover"]["minutes"] > 0
    for region, (bucket_name, key) in SWITCHES.items():  # the latch keeps users where they have fled to
        story.place.aws[region].s3.delete_object(Bucket=bucket_name, Key=key)
    until(lambda: users_are_in(story, EAST), "users are at home")
    healthy = story.status()
    assert (healthy["silent"], healthy["users"], healthy["next"]) == ([], "", "")
    assert healthy["not_seen"] == []


@pytest.mark.parametrize(("gone", "mode", "words"), [
    (EAST, "refuse", "DOES NOT ANSWER"), (WEST, "refuse", "DOES NOT ANSWER"),
    (EAST, "error", "ANSWERS WITH ERRORS ONLY"), (WEST, "error", "ANSWERS WITH ERRORS ONLY")])
def test_status_says_how_a_region_fails_to_answer(story: Story, gone: str, mode: str, words: str) -> None:
    with story.pace(UNNOTICED), lost(gone, mode):
        shown = on_screen(all_seen_but(story, lambda one: bool(one["region"] == gone)))
    assert f"lab: active in {EAST}\n  {gone} {words}" in shown
    assert f"not seen    {gone}: all of it" in shown


@pytest.mark.parametrize(("gone", "service", "mode", "unseen"), [
    (WEST, "s3", "hang", {"switch", "lease", "note of a failover", "drills of others"}),
    (EAST, "route53", "hang", {"health checks"}), (EAST, "rds", "error", {"database"}),
    (WEST, "cloudwatch", "refuse", {"replication lag", "readiness"}), (WEST, "ssm", "hang", {"users' name"}),
    (EAST, "lambda", "error", {"probe", "app"}), (EAST, "acm", "refuse", {"certificate"})])
def test_one_service_that_does_not_answer_hides_nothing_else(
        story: Story, gone: str, service: str, mode: str, unseen: set[str]) -> None:
    with story.pace(UNNOTICED), lost(gone, mode, service):
        seen = all_seen_but(story, lambda one: bool(one["region"] == gone and one["what"] in unseen))
    assert {one["what"] for one in seen["not_seen"]} == unseen
    assert (seen["silent"], seen["database"]["active"], seen["dns"]["region"]) == ([], EAST, EAST)


@pytest.mark.parametrize("mode", ["hang", "error"])
def test_where_no_region_answers_status_says_so_in_time_and_is_no_success(story: Story, mode: str) -> None:
    with story.pace(UNNOTICED), lost(EAST, mode):
        outages.start(WEST, "", mode)
        end = status_in_time(story, "--json")
    assert end.code == 1
    assert end.json["silent"] == [EAST, WEST]
    assert end.json["failover"]["blocked"] == "no global database is seen"


def test_status_asks_little_and_changes_nothing(story: Story) -> None:
    before = Counter(story.place.lab.counting.calls)
    assert status_in_time(story).code == 0
    asked = Counter(story.place.lab.counting.calls) - before
    assert [name for name in asked if name[3]] == []
    assert sum(asked.values()) <= 36, "246 resources"


def test_status_that_watches_tells_a_line_for_each_look_until_ctrl_c(story: Story) -> None:
    process = story.begin(story.machines[0], "status", "--watch", "0.5")
    until(lambda: process.out.exists() and process.out.read_text().count("\n") >= 2, "two looks are told")
    os.kill(process.pid, signal.SIGINT)
    end = ended(process)
    assert (end.code, end.err.strip()) == (130, "interrupted: stopped; nothing was changed")
    assert all(f"Z  active in {EAST}; {EAST} yes, app healthy, database writes" in line
               for line in end.out.splitlines())


def test_status_that_watches_is_no_document(story: Story) -> None:
    assert story("status", "--watch", "--json").code == 2


# Processes die and people hesitate -----------------------------------------------------------------------------------


def test_killed_right_after_the_promotion_it_is_resumed_elsewhere_in_the_other_direction(story: Story) -> None:
    as_json(story(*PLANNED))
    killed, other = story.machine(), story.machine()
    with lost(WEST):
        end = story.signalled_at("FailoverGlobalCluster", signal.SIGKILL, killed, *FAILOVER,
                                 once=lambda: story.copied(story.runs(killed)[-1], EAST, "approved"))
        assert end.code == -signal.SIGKILL
        run = story.runs(killed)[-1]
        report = as_json(story.on(other, "resume", "-c", str(packaged_lab()), "--yes", "--json"))
        assert (report["resumes"], report["from_region"], report["to_region"]) == (run, WEST, EAST)
        assert story.writer(EAST) == (EAST, True)
        assert story.switches(EAST) == [True]
        assert report["rpo_s"] == report["lag_s"]
        assert report["rto_s"] > report["execution_rto_s"]
    assert story.home()["from_region"] == EAST


def test_killed_right_after_the_promotion_the_same_command_goes_on_too(story: Story) -> None:
    killed, other = story.machine(), story.machine()
    with lost(EAST, "error"):
        story.signalled_at("FailoverGlobalCluster", signal.SIGKILL, killed, *FAILOVER, once=lambda: story.noted(WEST))
        run = story.runs(killed)[-1]
        until(lambda: story.writer(WEST) == (WEST, True), "the promotion is over")
        end = story.on(other, *FAILOVER)
        report = as_json(end)
        assert f"going on with a failover from us-east-1 that has not ended: run {run}" in report["notes"]
        assert "recommended: failover - us-west-2 is the writer already" in end.err
        assert [one["outcome"] for one in report["actions"] if one["action"].startswith("fail the database")] == [
            "skipped"]
        assert report["rpo_s"] == report["lag_s"]
        assert report["rto_s"] > report["execution_rto_s"]
    story.home()


def test_ctrl_c_stops_at_a_clean_edge_and_the_same_command_goes_on(story: Story) -> None:
    with lost(EAST):
        end = story.signalled_at("FailoverGlobalCluster", signal.SIGINT, story.machines[0], *FAILOVER)
        assert end.code == 130
        assert "stopping at the next clean edge" in end.err
        assert "next: the same command again goes on from there" in end.err
        assert end.json["outcome"] == "interrupted"
        run = end.json["run"]
        assert story.status()["left"][0] == (
            f"the failover that run {run} has begun has not come to its end: drctl resume {run}")
        report = as_json(story(*FAILOVER))
        assert (report["outcome"], report["from_region"], report["to_region"]) == ("done", EAST, WEST)
        assert not any("has not come to its end" in line for line in story.status()["left"])
    story.home()


def test_where_the_region_answers_and_its_database_is_lost_the_app_is_stopped_before_the_promotion(
        story: Story) -> None:
    mark = len(story.place.line.seen)
    with database_lost(EAST):
        end = story(*FAILOVER)
    report = as_json(end)
    assert "recommended: failover - us-east-1 answers, but its database does not write" in end.err
    assert report["fenced"] is True
    assert story.fenced(EAST)
    asked = [one.operation for one in story.place.line.seen[mark:]]
    assert asked.index(f"PUT /2017-10-31/functions/lambda-app-{EAST}-lab/concurrency") < asked.index(
        "FailoverGlobalCluster")
    assert f"the app in {EAST} is stopped" in story.status()["left"]
    without_a_note(story, "the app in us-east-1 is stopped: us-east-1 is taken for lost")


def without_a_note(story: Story, because: str) -> None:
    """A failback to which nobody has told what was lost does all the same what is to be done, and says why."""
    for region in (EAST, WEST):
        story.place.aws[region].s3.delete_object(Bucket=bucket(region), Key="aftermath.json")
    report = story.home(listing=True)
    assert because in " ".join(report["notes"])
    assert actions(report)[f"note that {EAST} was lost"] == "done"
    assert actions(report)[f"the app in {EAST} is stopped"] in {"done", "skipped"}
    assert (actions(report)[f"keep the rescue snapshot of {EAST}"], report["after"]) == ("done", "")
    assert {one["kind"] for one in report["reconciliation"]} >= {"objects", "events"}
    assert actions(report)["nothing is left of the failover"] == "done"


def test_a_healthy_region_is_left_when_somebody_says_why(story: Story) -> None:
    name, aws = f"lambda-app-{EAST}-lab", story.place.aws
    aws[EAST].lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=7)
    report = as_json(story(*FAILOVER, "--force", "the building is on fire"))
    assert report["decision"]["force"] == "the building is on fire"
    assert report["decision"]["picture"]["word"] == "switchover"
    assert (report["fenced"], story.writer(EAST)[0]) == (True, WEST)
    note = aws[WEST].s3.get_object(Bucket=bucket(WEST), Key="aftermath.json")["Body"].read()
    assert json.loads(note)["reserved"] == 7
    story.home()


# Two databases, one of them outside of the global one ----------------------------------------------------------------


@pytest.fixture
def split(story: Story) -> Iterator[Story]:
    """Somebody has failed over by taking the standby's cluster out: it serves, and the old primary is shown as writer.

    In the end users are at home again, and the app beside the cluster that stands outside is stopped.
    """
    aws, (switch, key) = story.place.aws, SWITCHES[WEST]
    target = f"arn:aws:rds:{WEST}:123456789012:cluster:aurora-cluster-{WEST}-lab"
    aws[WEST].rds.remove_from_global_cluster(
        GlobalClusterIdentifier="aurora-database-global-lab", DbClusterIdentifier=target)
    aws[WEST].s3.put_object(Bucket=bucket(WEST), Key="aftermath.json", Body=json.dumps(
        {"run": "a-failover", "lost": EAST, "to": WEST, "at": 0.0}).encode())
    aws[WEST].s3.put_object(Bucket=switch, Key=key, Body=b"")
    until(lambda: story.status()["dns"]["region"] == WEST, "users are there")
    yield story
    aws[WEST].s3.delete_object(Bucket=bucket(WEST), Key="aftermath.json")
    aws[WEST].s3.delete_object(Bucket=switch, Key=key)
    until(lambda: story.status()["dns"]["region"] == EAST, "users are at home")
    aws[WEST].lambda_.put_function_concurrency(FunctionName=f"lambda-app-{WEST}-lab", ReservedConcurrentExecutions=0)


def test_a_rebuild_of_the_cluster_that_users_work_with_is_refused_before_anything_is_changed(split: Story) -> None:
    mark = split.mark()
    end = split("failback", "--rebuild", "--json")
    assert end.code == 3, end.err
    assert split.changes_since(mark) == {}
    said = " ".join(end.err.split())
    for finding in ("run a-failover went from us-east-1 to us-west-2", "its database takes writes, and the app in "
                    "us-west-2 is not stopped", "app.dr.example.com sends users to us-west-2"):
        assert finding in said
    assert "the cluster aurora-cluster-us-west-2-lab in us-west-2 may be the one that users work with" in said
    assert "next: drctl status" in said


def test_a_cluster_that_nobody_works_with_any_more_is_rebuilt(story: Story) -> None:
    with story.pace(BUILDING):
        report = as_json(story("failback", "--rebuild", "--json"))
    assert actions(report)[f"the database in {WEST} is a connected copy"] == "done"
    story.at_home()


# With a role ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("gone", "other"), [(EAST, WEST), (WEST, EAST)])
def test_who_assumes_a_role_needs_nothing_of_a_region_that_hangs(story: Story, gone: str, other: str) -> None:
    """The profile's own region is us-east-1, and it says nothing of which region is lost."""
    machine = story.machine()
    configuration, profile = machine.home / "aws.yaml", machine.home / "profile"
    text = packaged_lab().read_text().replace("dr.example.com", "dr.acme.org")
    configuration.write_text(text.replace("target: lab", "target: aws\naccount_id: '210987654321'"))
    profile.write_text(ROLE)
    machine.environment |= {"AWS_CONFIG_FILE": str(profile), "DRCTL_SPEED": str(CLOCK.speed)}
    before = Counter(story.place.lab.counting.calls)
    with lost(gone, "hang"):
        end = story.on(machine, "status", "-c", str(configuration), "--json")
    assert end.code == 0, end.err
    assert end.json["database"]["members"].keys() == {EAST, WEST}
    asked = Counter(story.place.lab.counting.calls) - before
    assert sum(count for (region, _, operation, _), count in asked.items()
               if (region, operation) == (other, "AssumeRole")) == 1


# By hand -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "to"), [("unplanned", WEST), ("planned", WEST), ("failback", EAST), ("live", WEST)])
def test_what_each_line_sends_is_what_a_person_is_told_to_type(
        story: Story, failed_over: tuple[Result, Any], mode: str, to: str) -> None:
    if mode == "live":
        as_json(story("failover", "--drill", "--json"))
    report = story.played(mode)
    target = target_of(Settings(), mode, to)
    book = runbook_of(stack_of(Settings()), mode, target)
    assert differences(story, book, report, EAST if mode == "unplanned" else "") == []
