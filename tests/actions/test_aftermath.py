"""What a failover leaves to be done is noted beside the lease; no trouble with the note delays a failover."""

from __future__ import annotations

import json
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.actions.aftermath import Aftermath, CloseAftermath, NoteAftermath, aftermath_in
from drctl.actions.fencing import NoteFencing
from drctl.aws.clients import Aws, Credentials, Door
from drctl.engine.clock import Clock
from drctl.engine.events import Events, Record
from drctl.engine.run import OUTAGE_BEGAN, Run
from drctl.engine.runbook import perform
from drctl.lab import outages
from drctl.lab.server import Lab
from drctl.settings import Settings, Site
from drctl.settings_operation import Failover
from drctl.steps.control_bucket import ControlBucket
from drctl.steps.global_cluster import GlobalCluster, GlobalClusterOut
from tests.conftest import SPEED, ensure_with_needs

HOME, THERE = Settings().sites
WORLD = GlobalCluster(HOME)
BUCKET = "s3-control-us-west-2-lab-123456789012"
NOTE, CLOSE = NoteAftermath(HOME, THERE, 60.0, "the board said so"), CloseAftermath(THERE)


@pytest.fixture(autouse=True)
def no_outage() -> Iterator[None]:
    yield
    outages.end()


@pytest.fixture
def failing(run: Run) -> Run:
    """A run that fails over, with the surviving region's control bucket."""
    ensure_with_needs(run, ControlBucket(THERE))
    run.id = "a-failover"
    run.measure("lag_s", 1.5)
    run.measure(OUTAGE_BEGAN, 1000.0)
    return run


def keys(aws: Aws) -> list[str]:
    return [one["Key"] for one in aws[THERE.region].s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def told(records: list[Record]) -> list[str]:
    return [record["text"] for record in records if record["event"] == "note"]


def test_the_note_holds_what_whoever_cleans_up_needs(failing: Run) -> None:
    perform(failing, NOTE)
    note = aftermath_in(failing, THERE)
    assert note is not None
    assert replace(note, at=0.0) == Aftermath("a-failover", HOME.region, THERE.region, 0.0, 1.5, 1000.0, 60.0,
                                              "the board said so")
    assert time.time() - note.at < 60


def test_a_failover_that_is_gone_on_with_keeps_its_first_note(failing: Run, make_run: Callable[..., Run]) -> None:
    perform(failing, NOTE)
    again = make_run()
    perform(again, replace(NOTE, earlier=frozenset({"a-failover"})))
    assert again.events.changes == {}
    assert aftermath_in(again, THERE) == aftermath_in(failing, THERE)


def shown(writer: Site) -> GlobalClusterOut:
    """The global database with the writer in a region."""
    return GlobalClusterOut("g", "arn", "available", "16.6", writer.region, (), encrypted=True, protected=False,
                            changing_roles=False)


def test_what_somebody_else_has_promoted_is_gone_on_with_and_keeps_its_note_too(
        failing: Run, make_run: Callable[..., Run]) -> None:
    perform(failing, NOTE)
    again = make_run()
    again.remember(WORLD, shown(THERE))
    perform(again, replace(NOTE, global_cluster=WORLD))
    assert again.events.changes == {}


@pytest.mark.parametrize("is_quick", [False, True])
def test_a_second_loss_of_the_same_region_is_noted_anew_and_the_first_note_is_kept_beside(
        failing: Run, make_run: Callable[..., Run], aws: Aws, is_quick: bool) -> None:
    """The first was brought home by a planned failover, so nobody has closed its note."""
    perform(failing, NOTE)
    first, second = aftermath_in(failing, THERE), make_run()
    second.id = "a-second-failover"
    second.measure(OUTAGE_BEGAN, 9000.0)
    second.remember(WORLD, shown(THERE if is_quick else HOME))
    if is_quick:  # this very run has promoted it before the note's turn came
        second.roles_asked = (1.0, HOME.region)
    perform(second, replace(NOTE, global_cluster=WORLD))
    note = aftermath_in(second, THERE)
    assert note is not None
    assert (note.run, note.outage_began) == ("a-second-failover", 9000.0)
    assert keys(aws) == ["aftermath.json", "aftermath/a-second-failover.json"]
    kept = aws[THERE.region].s3.get_object(Bucket=BUCKET, Key="aftermath/a-second-failover.json")["Body"].read()
    assert Aftermath(**json.loads(kept)) == first


def test_a_note_is_put_once_however_often_it_is_tried(failing: Run) -> None:
    perform(failing, NOTE)
    changes = dict(failing.events.changes)
    perform(failing, NOTE)
    assert failing.events.changes == changes


def test_a_note_about_the_other_region_is_replaced(failing: Run, make_run: Callable[..., Run]) -> None:
    perform(failing, NoteAftermath(THERE, THERE))
    perform(failing, NOTE)
    note = aftermath_in(failing, THERE)
    assert note is not None
    assert note.lost == HOME.region


def test_what_is_done_is_put_away_and_kept(failing: Run, make_run: Callable[..., Run], aws: Aws) -> None:
    perform(failing, NOTE)
    note, home = aftermath_in(failing, THERE), make_run()
    home.id = "a-failback"
    perform(home, CLOSE)
    assert keys(aws) == ["aftermath/a-failback.json"]
    kept = aws[THERE.region].s3.get_object(Bucket=BUCKET, Key="aftermath/a-failback.json")["Body"].read()
    assert Aftermath(**json.loads(kept)) == note
    again = make_run()
    perform(again, CLOSE)
    assert again.events.changes == {}


def test_by_hand_it_is_the_same_calls(failing: Run, records: list[Record]) -> None:
    perform(failing, NOTE)
    perform(failing, CLOSE)
    changes = [(record["step"], record["to"], record["operation"], record["params"]["Key"]) for record in records
               if record["event"] == "call" and record["mutating"] and record["step"] in {NOTE.title, CLOSE.title}]
    assert changes == [(action.title, call.region, call.operation, call.params["Key"]) for action in (NOTE, CLOSE)
                       for call in action.by_hand(failing)]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"run": "a"}', b"lost us-east-1 at three"])
def test_a_note_that_was_put_by_hand_tells_of_the_other_region_and_is_closed_as_any_other(
        failing: Run, make_run: Callable[..., Run], aws: Aws, body: bytes) -> None:
    aws[THERE.region].s3.put_object(Bucket=BUCKET, Key="aftermath.json", Body=body)
    note = aftermath_in(failing, THERE)
    assert note is not None
    assert (note.run, note.lost, note.to, note.outage_began) == ("", HOME.region, THERE.region, None)
    assert time.time() - note.at < 60
    perform(make_run(), CLOSE)
    assert aftermath_in(failing, THERE) is None


def test_when_the_loss_began_is_told_by_no_note_that_a_person_has_put_without_saying_it(
        failing: Run, aws: Aws) -> None:
    """It may be put long after: what Aurora has saved before that is not older than the outage for all that."""
    aws[THERE.region].s3.put_object(Bucket=BUCKET, Key="aftermath.json", Body=b"")
    note = aftermath_in(failing, THERE)
    assert note is not None
    assert note.began is None
    assert replace(note, outage_began=1000.0).began == 1000.0
    assert replace(note, run="a-failover").began == note.at


def test_the_line_that_a_person_types_replaces_no_note_that_is_there(failing: Run) -> None:
    (line,) = NOTE.by_hand(failing)
    assert "--if-none-match '*'" in str(line)
    perform(failing, NOTE)
    noted = aftermath_in(failing, THERE)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        line.send(failing.aws)
    assert aftermath_in(failing, THERE) == noted


def test_a_failover_replaces_a_note_that_was_put_by_hand(failing: Run, aws: Aws) -> None:
    aws[THERE.region].s3.put_object(Bucket=BUCKET, Key="aftermath.json", Body=b"")
    perform(failing, NOTE)
    note = aftermath_in(failing, THERE)
    assert note is not None
    assert note.run == "a-failover"


def test_what_a_later_version_has_noted_beside_is_no_trouble(failing: Run, aws: Aws) -> None:
    perform(failing, NOTE)
    s3 = aws[THERE.region].s3
    noted: Any = json.loads(s3.get_object(Bucket=BUCKET, Key="aftermath.json")["Body"].read())
    s3.put_object(Bucket=BUCKET, Key="aftermath.json", Body=json.dumps({**noted, "mood": "bad"}).encode())
    assert aftermath_in(failing, THERE) == Aftermath(**noted)


# Trouble -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def hurried(failing: Run, lab: Lab, records: list[Record]) -> Run:
    """A run whose calls do not wait long."""
    door = Door(lab.endpoint, Credentials("lab", "lab"), speed=SPEED).in_a_hurry(
        Failover(connect_timeout_s=0.2, read_timeout_s=0.2))
    clock = Clock(SPEED)
    events = Events(clock, records.append)
    return Run("hurried", Settings(), Aws(door, events), clock, events)


@pytest.mark.parametrize("mode", ["refuse", "error", "hang"])
def test_a_control_bucket_that_does_not_answer_holds_up_no_failover_and_is_tried_until_it_does(
        hurried: Run, records: list[Record], mode: str) -> None:
    outages.start(THERE.region, "s3", mode)
    began = time.monotonic()
    perform(hurried, replace(NOTE, pause_s=0.05))
    assert time.monotonic() - began < 5
    assert told(records) == []
    outages.end()
    while aftermath_in(hurried, THERE) is None:
        assert time.monotonic() - began < 20, "nobody tries any more"
        threading.Event().wait(0.05)
    perform(hurried, NoteFencing(HOME, NOTE))
    assert len(told(records)) == 1, "that of the fence"


def test_it_is_tried_once_more_when_users_are_served(hurried: Run, records: list[Record]) -> None:
    outages.start(THERE.region, "s3", "error")
    perform(hurried, replace(NOTE, pause_s=600.0))
    outages.end()
    perform(hurried, NoteFencing(HOME, NOTE))
    note = aftermath_in(hurried, THERE)
    assert note is not None
    assert note.run == "hurried"
    assert len(told(records)) == 1, "that of the fence"


@pytest.mark.parametrize("mode", ["error", "hang"])
def test_what_could_not_be_noted_in_the_end_is_told_with_the_line_that_notes_it_and_what_it_is_for(
        hurried: Run, records: list[Record], tmp_path: Path, mode: str) -> None:
    hurried.measure("lag_s", 1.5)
    outages.start(THERE.region, "s3", mode)
    perform(hurried, replace(NOTE, pause_s=600.0))
    perform(hurried, NoteFencing(HOME, NOTE))
    text = told(records)[-1]
    assert text.startswith("NOT NOTED: the control bucket of us-west-2 has not taken the note of the failover (")
    assert ("without it drctl failback may not know that us-east-1 was lost, and then neither stops the app there, nor "
            "keeps the rescue snapshot, nor lists lost objects and rows") in text
    assert "or: drctl failback --lost us-east-1" in text
    write, _, put = text.partition("by hand: ")[2].partition(" && ")
    subprocess.run(["/bin/sh", "-c", write], cwd=tmp_path, check=True)
    words = shlex.split(put)
    assert words[:3] == ["aws", "s3api", "put-object"]
    given = dict(zip(words[3::2], words[4::2], strict=False))
    assert (given["--bucket"], given["--key"], given["--region"]) == (BUCKET, "aftermath.json", THERE.region)
    note = Aftermath(**json.loads((tmp_path / given["--body"]).read_text()))
    assert replace(note, at=0.0) == Aftermath("hurried", HOME.region, THERE.region, 0.0, 1.5, None, 60.0,
                                              "the board said so")


def test_without_a_control_bucket_there_is_no_note_and_that_is_said(run: Run, records: list[Record]) -> None:
    assert aftermath_in(run, THERE) is None
    perform(run, NOTE)
    perform(run, NoteFencing(HOME, NOTE))
    assert "NOT NOTED: the control bucket of us-west-2 has not taken the note of the failover (NoSuchBucket)" in told(
        records)[-1]


def test_a_note_that_nobody_began_to_put_is_not_missed(run: Run, records: list[Record]) -> None:
    perform(run, NoteFencing(HOME, NOTE))
    assert len(told(records)) == 1


def test_what_is_closed_is_not_noted_again_by_a_try_that_was_still_under_way(hurried: Run) -> None:
    outages.start(THERE.region, "s3", "error")
    perform(hurried, replace(NOTE, pause_s=0.5))
    outages.end()
    perform(hurried, CLOSE)
    threading.Event().wait(0.6)
    assert aftermath_in(hurried, THERE) is None
