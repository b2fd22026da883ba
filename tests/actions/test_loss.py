"""What was lost is known without a note too: somebody says so, or its traces do; and what is known is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from drctl.actions.aftermath import aftermath_in
from drctl.actions.fencing import Fence
from drctl.actions.loss import Loss, NoteLoss, open_loss, refuse_without_a_sign
from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.engine.runbook import perform
from drctl.errors import Refused
from drctl.settings import Both, Settings, Site
from drctl.steps.control_bucket import ControlBucket
from drctl.steps.global_cluster import GlobalClusterOut, Member
from drctl.steps.rescue_snapshot import RescueSnapshots
from tests.conftest import ensure_with_needs
from tests.steps.edge import SmallFunction

HOME, AWAY = Settings().sites
NOTHING: Any = None


@dataclass(frozen=True, eq=False)
class Saved(RescueSnapshots):
    """What Aurora has saved and nobody has kept."""

    cluster: Any = NOTHING
    saved: tuple[str, ...] = ()

    def unkept(self, run: Run) -> list[str]:
        return list(self.saved)


def saved(*of_home: str) -> Both[RescueSnapshots]:
    """What is saved in the primary region, and nothing in the other."""
    return Both(Saved(HOME, saved=of_home), Saved(AWAY))


NONE = saved()


@pytest.fixture(autouse=True)
def stands(run: Run) -> None:
    """Control buckets and apps of both regions."""
    for site in (HOME, AWAY):
        ensure_with_needs(run, ControlBucket(site))
        ensure_with_needs(run, SmallFunction(site))


def note(aws: Aws, place: Site, lost: Site, run: str = "a-run") -> None:
    """Put a note of a failover into a region's control bucket."""
    told = {"run": run, "lost": lost.region, "to": place.region, "at": 1000.0}
    aws[place.region].s3.put_object(Bucket=f"s3-control-{place.region}-lab-123456789012", Key="aftermath.json",
                                    Body=json.dumps(told).encode())


def told(loss: Loss) -> tuple[str | None, str | None]:
    """The region that was lost, and the run that has noted it."""
    return loss.site.region if loss.site else None, loss.note.run if loss.note else None


@pytest.mark.parametrize("active", [AWAY, HOME])
def test_a_note_tells_it_in_whichever_region_it_lies(run: Run, aws: Aws, active: Site) -> None:
    note(aws, AWAY, HOME)
    found = open_loss(run, NONE, active)
    assert told(found) == (HOME.region, "a-run")
    assert found.because == "us-east-1 was lost, as the note of run a-run says"


def test_without_a_note_an_app_that_is_stopped_tells_it(run: Run) -> None:
    perform(run, Fence(HOME))
    found = open_loss(run, NONE, AWAY)
    assert told(found) == (HOME.region, None)
    assert found.because == ("no failover is noted, but the app in us-east-1 is stopped: us-east-1 is taken for lost")


def test_an_app_that_is_stopped_where_the_database_writes_tells_nothing(run: Run) -> None:
    perform(run, Fence(HOME))
    assert told(open_loss(run, NONE, HOME)) == (None, None)


@pytest.mark.parametrize("active", [AWAY, HOME])
def test_without_a_note_a_rescue_snapshot_that_nobody_has_kept_tells_it(run: Run, active: Site) -> None:
    found = open_loss(run, saved("rds:unplanned-global-failover-c-1"), active)
    assert told(found) == (HOME.region, None)
    assert "Aurora has saved rds:unplanned-global-failover-c-1 and nobody has kept it" in found.because


def test_without_a_note_and_without_traces_it_is_said_what_is_not_done_and_how_to_have_it_done(run: Run) -> None:
    found = open_loss(run, NONE, AWAY)
    assert told(found) == (None, None)
    assert found.because == ("no failover is noted and none has left traces: no app is stopped, no rescue snapshot "
                             "kept, nothing listed as lost. Was there one: drctl failback --lost us-east-1")


def test_somebody_who_says_what_was_lost_is_believed_and_its_note_is_found_all_the_same(run: Run, aws: Aws) -> None:
    found = open_loss(run, NONE, AWAY, HOME)
    assert told(found) == (HOME.region, None)
    assert found.because == "us-east-1 was lost, as --lost says; there is no note of it"
    note(aws, AWAY, HOME)
    assert told(open_loss(run, NONE, AWAY, HOME)) == (HOME.region, "a-run")
    assert told(open_loss(run, NONE, AWAY, AWAY)) == (AWAY.region, None)


def database(writer: Site, synchronization: str = "connected") -> GlobalClusterOut:
    """Both regions are members, one writes."""
    members = tuple(Member(f"arn:aws:rds:{site.region}:1:cluster:c", site.region, is_writer=site == writer,
                           synchronization="" if site == writer else synchronization) for site in (HOME, AWAY))
    return GlobalClusterOut("g", "arn", "available", "16.6", writer.region, members, encrypted=True, protected=False,
                            changing_roles=False)


@pytest.mark.parametrize(("active", "named", "words"), [
    (HOME, AWAY, "us-east-1 writes, as it does at home, and us-west-2 holds a connected copy"),
    (HOME, HOME, "us-east-1 writes"), (AWAY, AWAY, "us-west-2 writes")])
def test_somebody_who_says_that_a_region_in_its_place_was_lost_is_told_that_nothing_shows_it(
        run: Run, active: Site, named: Site, words: str) -> None:
    found = open_loss(run, NONE, active, named)
    with pytest.raises(Refused, match=f"nothing shows that {named.region} was lost: {words}, the app there") as told_so:
        refuse_without_a_sign(run, found, NONE, active, database(active))
    assert told_so.value.next_step.startswith("drctl status")


def test_somebody_is_believed_where_the_database_writes_away_from_home_or_is_no_copy(run: Run) -> None:
    refuse_without_a_sign(run, open_loss(run, NONE, AWAY, HOME), NONE, AWAY, database(AWAY))
    refuse_without_a_sign(run, open_loss(run, NONE, HOME, AWAY), NONE, HOME, database(HOME, "pending-resync"))
    refuse_without_a_sign(run, open_loss(run, NONE, HOME), NONE, HOME, database(HOME))


@pytest.mark.parametrize("sign", ["note", "stopped app", "rescue snapshot"])
def test_one_sign_is_enough_for_what_somebody_says(run: Run, aws: Aws, sign: str) -> None:
    if sign == "note":
        note(aws, HOME, AWAY)
    if sign == "stopped app":
        perform(run, Fence(AWAY))
    rescue: Both[RescueSnapshots] = Both(Saved(HOME), Saved(AWAY, saved=("rds:tail",) * (sign == "rescue snapshot")))
    refuse_without_a_sign(run, open_loss(run, rescue, HOME, AWAY), rescue, HOME, database(HOME))


def test_a_loss_that_was_not_noted_is_noted_once(run: Run, make_run: Callable[..., Run]) -> None:
    noting = NoteLoss(HOME, AWAY)
    perform(run, noting)
    found = aftermath_in(run, AWAY)
    assert found is not None
    assert (found.run, found.lost, found.to, found.outage_began) == ("", HOME.region, AWAY.region, None)
    assert [str(line).count("--if-none-match '*'") for line in noting.by_hand(run)] == [1]
    again = make_run()
    perform(again, noting)
    assert again.events.changes == {}
    assert told(open_loss(again, NONE, AWAY)) == (HOME.region, "")


def test_when_a_loss_began_that_was_not_noted_is_not_made_up(run: Run, aws: Aws) -> None:
    """Whoever goes on would else take the time of the failback for it, and what was saved before it for older."""
    perform(run, NoteLoss(HOME, AWAY))
    found = aftermath_in(run, AWAY)
    assert found is not None
    assert found.began is None
    note(aws, AWAY, HOME)
    found = aftermath_in(run, AWAY)
    assert found is not None
    assert found.began == 1000.0
