"""What status asks a region: each answer is found where it lies, and one that fails hides none of the others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from drctl.actions import look
from drctl.actions.dns_switch import TurnDns
from drctl.actions.look import Parts, looks_at
from drctl.actions.past_drills import newest_of_others
from drctl.actions.readiness import PublishReadiness
from drctl.engine.copies import Shelf
from drctl.engine.glance import glance_at
from drctl.engine.run import Run
from drctl.engine.runbook import perform
from drctl.lab import outages
from drctl.settings import Settings, Site, both
from drctl.stack import stack_of
from drctl.steps.control_bucket import ControlBucket
from drctl.steps.switch_bucket import SwitchBucket
from tests.actions.glanced import region, screen
from tests.conftest import ensure_with_needs

HERE, THERE = Settings().sites
SWITCHES = both(Settings(), SwitchBucket)


@pytest.fixture(autouse=True)
def buckets(run: Run) -> None:
    """Both regions' buckets, empty."""
    for bucket in (*SWITCHES.all, ControlBucket(HERE), ControlBucket(THERE)):
        ensure_with_needs(run, bucket)


def parts() -> Parts:
    stack = stack_of(Settings())
    front = stack.front
    return Parts(stack.database.global_cluster, front.balancer, front.checks, front.switches, front.certificate)


def seen(run: Run, *names: str) -> dict[str, Any]:
    """What status tells where these looks are taken, and all others find what is well."""
    found = glance_at({site.region: {name: one for name, one in looks_at(run, parts(), site, ()).items()
                                     if name in names} for site in (HERE, THERE)})
    return screen(region(HERE.region) | found[HERE.region], region(THERE.region) | found[THERE.region]).as_dict()


def switches(run: Run) -> str:
    """What status says of them."""
    told: str = seen(run, look.SWITCH)["switch"]
    return told


def test_the_switches_are_told_in_words(run: Run) -> None:
    assert switches(run) == "at rest"
    TurnDns(SWITCHES, THERE).do(run)
    assert switches(run) == "turned to us-west-2"
    run.lost = THERE.region
    TurnDns(SWITCHES, HERE).do(run)
    assert switches(run) == "pinned to us-east-1, against a switch that is turned to us-west-2"


def note(run: Run, place: Site, lost: Site) -> None:
    """Put a note of a failover into a region's control bucket."""
    told = {"run": "a-run", "lost": lost.region, "to": place.region, "at": 0.0}
    run.at(place).s3.put_object(Bucket=run.name("s3", "control", place), Key="aftermath.json",
                                Body=json.dumps(told).encode())


def left(run: Run) -> list[str]:
    """What status says that a failover has left to be done."""
    told: list[str] = seen(run, look.NOTE)["left"]
    return told


@pytest.mark.parametrize("place", [HERE, THERE])
def test_what_a_failover_has_left_is_told_in_whichever_region_it_is_noted(run: Run, place: Site) -> None:
    """After a failback that was interrupted once the database was home, it lies in the region that no longer writes."""
    assert left(run) == []
    lost = run.settings.other(place)
    note(run, place, lost)
    assert left(run) == [f"the failover from {lost.region} (run a-run): drctl failback"]


def test_two_failovers_that_have_left_something_are_both_told(run: Run) -> None:
    for site in (HERE, THERE):
        note(run, site, run.settings.other(site))
    assert left(run) == [f"the failover from {region} (run a-run): drctl failback" for region in (
        THERE.region, HERE.region)]


@pytest.mark.parametrize("by_socket", [True])
def test_a_region_whose_notes_cannot_be_seen_hides_nothing_of_the_other(run: Run) -> None:
    note(run, THERE, HERE)
    outages.start(HERE.region, "s3", "error")
    try:
        assert left(run) == ["the failover from us-east-1 (run a-run): drctl failback"]
    finally:
        outages.end()


@pytest.mark.parametrize("by_socket", [True])
def test_a_region_that_cannot_be_asked_hides_nothing_of_the_other(run: Run) -> None:
    TurnDns(SWITCHES, THERE).do(run)
    outages.start(HERE.region, "s3", "error")
    try:
        assert switches(run) == "turned to us-west-2; what lies in us-east-1 is not seen"
    finally:
        outages.end()


def test_readiness_is_what_was_published_last_and_its_age(run: Run) -> None:
    assert seen(run, look.READY)["readiness"] == {"value": None, "score": None, "age_s": None, "region": None,
                                                  "why": "never published"}
    perform(run, PublishReadiness())
    told = seen(run, look.READY)["readiness"]
    assert (told["value"], told["why"]) == (1.0, "")
    assert told["age_s"] < 3700


def test_a_drill_of_another_machine_is_known_by_the_report_beside_its_journal(run: Run) -> None:
    drill = {"run": "20310501-120000-drill-aaaa", "outcome": "done", "mode": "live", "started_at": 1.0, "rto_s": 60.0}
    looked = {"run": "20310601-120000-drill-bbbb", "outcome": "done", "mode": "tabletop"}
    for one in (drill, looked):
        run.at(THERE).s3.put_object(Bucket=run.name("s3", "control", THERE), Key=f"runs/{one['run']}/report.json",
                                    Body=json.dumps(one).encode())
    told = seen(run, look.DRILLS)["last_drill"]
    assert (told["run"], told["rto_s"], told["outcome"]) == (drill["run"], 60.0, "done")


def test_a_drill_of_another_machine_without_a_report_is_told_by_its_id(run: Run) -> None:
    run.at(HERE).s3.put_object(Bucket=run.name("s3", "control", HERE),
                               Key="runs/20310501-120000-drill-aaaa/journal/000000000000.jsonl", Body=b"{}\n")
    assert seen(run, look.DRILLS)["last_drill"] == {"run": "20310501-120000-drill-aaaa", "outcome": "not known"}


def test_an_empty_account_shows_no_stack(run: Run) -> None:
    for bucket in (ControlBucket(HERE), ControlBucket(THERE)):
        bucket.destroy(run)
    names = (look.DATABASE, look.APP, look.LEASE, look.CERTIFICATE, look.NAME, look.DRILLS, look.NOTE)
    found = glance_at({site.region: {name: one for name, one in looks_at(run, parts(), site, ()).items()
                                     if name in names} for site in (HERE, THERE)})
    assert screen(region(HERE.region) | found[HERE.region], region(THERE.region) | found[THERE.region]).is_nowhere


def test_nothing_is_fetched_of_a_drill_older_than_one_that_this_machine_knows(run: Run) -> None:
    bucket = run.name("s3", "control", THERE)
    run.at(THERE).s3.put_object(Bucket=bucket, Key="runs/20310501-120000-drill-aaaa/report.json", Body=b"{}")
    shelf = Shelf(run.at(THERE).s3, bucket, run.settings.account_id, THERE.region)
    assert newest_of_others(shelf, {"20310601-120000-drill-bbbb"}) is None
    assert newest_of_others(shelf, {"20310401-120000-drill-cccc"}) is not None
