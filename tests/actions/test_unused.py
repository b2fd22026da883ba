"""No cluster is deleted that users may work with, whatever the global database shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from drctl.actions.dns_switch import Sent
from drctl.actions.fencing import Fence
from drctl.actions.unused import ProveUnused
from drctl.aws.clients import Aws
from drctl.aws.dns import Answer
from drctl.engine.events import Record
from drctl.engine.run import Run
from drctl.engine.runbook import perform
from drctl.errors import Refused
from drctl.settings import Site
from drctl.steps.control_bucket import ControlBucket
from drctl.steps.zone import Zone
from tests.conftest import ensure_with_needs
from tests.steps.database import AWAY, HOME, STANDBY, WORLD, ensure_all
from tests.steps.edge import Edge, SmallFunction

ELSEWHERE, HERE = Sent(Answer(("192.0.2.1",)), Answer(("192.0.2.2",))), Sent(Answer(("192.0.2.2",)),
                                                                             Answer(("192.0.2.2", "192.0.2.3")))
#: The note of a failover to the region whose cluster is looked at, and of one away from it.
TO_IT, FROM_IT = ({"run": "a-run", "lost": lost.region, "to": to.region, "at": 0.0}
                  for lost, to in ((HOME, AWAY), (AWAY, HOME)))


def saying(**answer: Any) -> Callable[..., dict[str, Any]]:
    """A probe that gives this answer."""
    return lambda *_, **__: answer


UNUSED = ProveUnused(WORLD, STANDBY, Edge(AWAY, Zone(HOME)).balancer, AWAY, ask=saying(ok=False, error="UNREACHABLE"),
                     sent=lambda *_: ELSEWHERE)


@pytest.fixture
def alone(run: Run, aws: Aws) -> Run:
    """A run that finds the standby's cluster outside of the global database; both control buckets and the app stand."""
    ensure_all(run)
    ensure_with_needs(run, SmallFunction(AWAY))
    for site in (HOME, AWAY):
        ensure_with_needs(run, ControlBucket(site))
    aws[AWAY.region].rds.remove_from_global_cluster(
        GlobalClusterIdentifier=run.output(WORLD).id, DbClusterIdentifier=run.output(STANDBY).arn)
    run.wait_until("it stands alone", lambda: run.refresh(WORLD), lambda seen: seen is not None and seen.member(
        AWAY.region) is None, within=3600)
    return run


def note(aws: Aws, site: Site, content: dict[str, Any]) -> None:
    """Put a failover's note into a region's control bucket."""
    aws[site.region].s3.put_object(Bucket=f"s3-control-{site.region}-lab-123456789012", Key="aftermath.json",
                                   Body=json.dumps(content).encode())


def findings(run: Run, action: ProveUnused) -> tuple[str, ...]:
    with pytest.raises(Refused, match="may be the one that users work with: it is not deleted") as refused:
        perform(run, action)
    return refused.value.findings


def test_a_cluster_that_nothing_speaks_for_may_be_deleted(alone: Run) -> None:
    perform(alone, UNUSED)


def test_a_member_is_in_no_danger_and_nothing_else_is_looked_at(run: Run) -> None:
    ensure_all(run)
    assert replace(UNUSED, sent=lambda *_: HERE).needless(run)


@pytest.mark.parametrize("place", [HOME, AWAY])
def test_a_note_that_a_failover_went_there_speaks_for_it_wherever_it_lies(
        alone: Run, aws: Aws, place: Site, records: list[Record]) -> None:
    note(aws, place, TO_IT)
    said = f"the note in {place.region} says that run a-run went from us-east-1 to us-west-2"
    assert findings(alone, UNUSED) == (said,)
    assert [record["text"] for record in records if record["event"] == "finding"] == [said]


def test_a_note_that_a_failover_went_away_from_there_does_not(alone: Run, aws: Aws) -> None:
    note(aws, HOME, FROM_IT)
    perform(alone, UNUSED)


def test_a_database_that_takes_writes_speaks_for_it_until_the_app_beside_it_is_stopped(alone: Run) -> None:
    writes = replace(UNUSED, ask=saying(ok=True, writer=True))
    assert findings(alone, writes) == ("its database takes writes, and the app in us-west-2 is not stopped",)
    perform(alone, replace(UNUSED, ask=saying(ok=True, writer=False)))
    perform(alone, Fence(AWAY))
    perform(alone, writes)


def test_a_region_whose_loss_is_noted_is_about_to_have_its_app_stopped(alone: Run, aws: Aws) -> None:
    note(aws, HOME, FROM_IT)
    perform(alone, replace(UNUSED, ask=saying(ok=True, writer=True)))


def test_users_who_are_sent_there_speak_for_it(alone: Run) -> None:
    assert findings(alone, replace(UNUSED, sent=lambda *_: HERE)) == ("app.dr.example.com sends users to us-west-2",)


@pytest.mark.parametrize("sent", [Sent(Answer(problem="no answer"), HERE.balancer),
                                  Sent(HERE.answer, Answer(problem="NXDOMAIN"))])
def test_where_users_are_sent_has_to_be_seen(alone: Run, sent: Sent) -> None:
    assert findings(alone, replace(UNUSED, sent=lambda *_: sent))[0].startswith(
        "where app.dr.example.com sends users cannot be seen: ")


def test_everything_that_speaks_for_it_is_listed(alone: Run, aws: Aws) -> None:
    note(aws, AWAY, TO_IT)
    assert len(findings(alone, replace(UNUSED, ask=saying(ok=True, writer=True), sent=lambda *_: HERE))) == 3
