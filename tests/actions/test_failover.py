"""A failover promotes the other region's copy once, whatever became of the writer and of the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from drctl.actions.failover import Failover
from drctl.actions.switchover import active_site, anew
from drctl.aws.clients import Aws, Credentials, Door
from drctl.aws.durations import seconds
from drctl.engine.clock import Clock
from drctl.engine.events import Events, Record
from drctl.engine.run import Run
from drctl.engine.runbook import perform
from drctl.errors import Refused, RunFailed
from drctl.lab import outages
from drctl.lab.aurora_states import passes_through
from drctl.lab.aurora_store import GLOBALS
from drctl.lab.clock import CLOCK
from drctl.lab.server import Lab
from drctl.settings import Settings
from tests.cli.between import Reply, Request, between, refusal
from tests.conftest import SPEED
from tests.lab.conftest import settle
from tests.steps.database import AWAY, HOME, STANDBY, WORLD, ensure_all

THERE, BACK = Failover(WORLD, AWAY), Failover(WORLD, HOME)
#: AWS seconds in a second at which a change of roles, a tenth of a second long, is met half way.
SLOW = 1_000.0


@contextmanager
def lost(region: str) -> Iterator[None]:
    """A region that refuses every request."""
    outages.start(region, "", "refuse")
    try:
        yield
    finally:
        outages.end()


@pytest.fixture
def slow() -> Iterator[None]:
    """The lab's time goes so slowly that something can be met half way."""
    CLOCK.set_speed(SLOW)
    yield
    CLOCK.set_speed(SPEED)


@pytest.fixture
def survivor(run: Run, make_run: Callable[..., Run]) -> Run:
    """A run that takes the first region for lost, beside a database in both."""
    ensure_all(run)
    found = make_run()
    found.lost = HOME.region
    return found


def asked(records: list[Record], operation: str = "FailoverGlobalCluster") -> list[Record]:
    """The calls of an operation."""
    return [record for record in records if record["event"] == "call" and record["operation"] == operation]


def test_the_copy_becomes_the_writer_while_its_region_alone_is_asked(survivor: Run, records: list[Record]) -> None:
    records.clear()
    with lost(HOME.region):
        perform(survivor, THERE)
        assert active_site(survivor, WORLD) == AWAY
    assert {record["to"] for record in records if record["event"] == "call"} == {AWAY.region}
    assert len(asked(records)) == 1


def test_the_call_accepts_data_loss_and_names_the_cluster_by_its_arn(survivor: Run, records: list[Record]) -> None:
    records.clear()
    with lost(HOME.region):
        perform(survivor, THERE)
    params = asked(records)[0]["params"]
    assert params == {"GlobalClusterIdentifier": "aurora-database-global-lab", "AllowDataLoss": True,
                      "TargetDbClusterIdentifier": survivor.output(STANDBY).arn}
    by_hand = list(map(str, THERE.by_hand(survivor)))
    assert by_hand == [
        "aws rds failover-global-cluster --global-cluster-identifier aurora-database-global-lab "
        f"--target-db-cluster-identifier {params['TargetDbClusterIdentifier']} --allow-data-loss --region us-west-2",
        "aws rds describe-global-clusters --global-cluster-identifier aurora-database-global-lab --region us-west-2"]


def test_what_is_done_is_not_asked_again(survivor: Run, make_run: Callable[..., Run]) -> None:
    with lost(HOME.region):
        perform(survivor, THERE)
        again = make_run()
        again.lost = HOME.region
        perform(again, THERE)
    assert again.events.changes == {}


def test_a_healthy_writer_is_left_as_well_when_somebody_says_so(run: Run) -> None:
    ensure_all(run)
    perform(run, THERE)
    assert active_site(run, WORLD) == AWAY


@pytest.mark.parametrize("took_effect", [True, False])
def test_an_answer_that_was_lost_promotes_once(survivor: Run, lab: Lab, aws: Aws, took_effect: bool) -> None:
    calls: Counter[str] = Counter()

    def lose_the_answer(request: Request) -> Reply | None:
        calls[request.operation] += 1
        if request.operation != "FailoverGlobalCluster" or calls[request.operation] > 1:
            return None
        if took_effect:
            THERE._command(survivor).send(aws)
        return refusal("ServiceUnavailable", "Try again.", 503)

    with lost(HOME.region), between(lab.endpoint) as line:
        line.decide = lose_the_answer
        clock = Clock(SPEED)
        events = Events(clock)
        run = Run("lossy", Settings(), Aws(Door(line.url, Credentials("lab", "lab"), speed=SPEED), events), clock,
                  events, lost=HOME.region)
        perform(run, THERE)
        assert active_site(run, WORLD) == AWAY
    assert calls["FailoverGlobalCluster"] == (1 if took_effect else 2)


def test_a_failover_that_somebody_else_has_begun_is_joined(survivor: Run, aws: Aws, records: list[Record],
                                                           slow: None) -> None:
    with lost(HOME.region):
        THERE._command(survivor).send(aws)
        perform(survivor, THERE)
        assert active_site(survivor, WORLD) == AWAY
        assert anew(survivor, WORLD).at_rest


def test_a_promotion_that_is_not_at_rest_yet_is_waited_for_and_not_asked_for_again(
        survivor: Run, aws: Aws, records: list[Record], slow: None) -> None:
    with lost(HOME.region):
        CLOCK.set_speed(1.0)
        THERE._command(survivor).send(aws)
        CLOCK.skip(seconds("failover") + 1)
        settle(CLOCK)
        now = anew(survivor, WORLD)
        assert (now.writer, now.at_rest) == (AWAY.region, False)
        CLOCK.set_speed(SLOW)
        records.clear()
        perform(survivor, THERE)
        assert anew(survivor, WORLD).at_rest
    assert asked(records) == []


def test_one_that_came_to_its_end_since_the_last_look_is_no_failure(survivor: Run, aws: Aws, slow: None) -> None:
    with lost(HOME.region):
        CLOCK.set_speed(1.0)
        assert anew(survivor, WORLD).writer == HOME.region
        THERE._command(survivor).send(aws)
        CLOCK.skip(2 * seconds("failover"))
        settle(CLOCK)
        CLOCK.set_speed(SLOW)
        THERE.do(survivor)
        assert THERE.done(survivor)


def test_a_switchover_that_lost_its_primary_is_cancelled_by_aurora_and_the_call_repeated_until_then(
        survivor: Run, aws: Aws, records: list[Record], slow: None) -> None:
    aws[HOME.region].rds.switchover_global_cluster(
        GlobalClusterIdentifier=survivor.output(WORLD).id, TargetDbClusterIdentifier=survivor.output(STANDBY).arn)
    records.clear()
    with lost(HOME.region):
        perform(survivor, THERE)
        assert active_site(survivor, WORLD) == AWAY
    assert len(asked(records)) > 1
    assert any(record["event"] == "waiting" and "InvalidGlobalClusterStateFault" in record["seen"]
               for record in records)


@contextmanager
def told(lab: Lab, run: Run, words: str, while_: Callable[[], bool]) -> Iterator[list[str]]:
    """What a run calls, its failovers being answered so while something lasts: the target's cluster is not in the
    state for it."""
    called: list[str] = []

    def decide(request: Request) -> Reply | None:
        called.append(request.operation)
        refused = request.operation == "FailoverGlobalCluster" and while_()
        return refusal("InvalidDBClusterStateFault", words) if refused else None

    with between(lab.endpoint) as line:
        line.decide = decide
        run.aws = Aws(Door(line.url, Credentials("lab", "lab"), speed=SPEED), run.events)
        yield called


def test_a_target_that_an_escalated_switchover_is_promoting_is_asked_again_until_that_is_over(
        survivor: Run, aws: Aws, lab: Lab, slow: None) -> None:
    world = survivor.output(WORLD).id
    aws[HOME.region].rds.switchover_global_cluster(
        GlobalClusterIdentifier=world, TargetDbClusterIdentifier=survivor.output(STANDBY).arn)
    CLOCK.skip(20)
    CLOCK.set_speed(SLOW / 20)  # on a busy machine too it is not over before it is asked
    with lost(HOME.region), told(lab, survivor, "promoting", lambda: GLOBALS[world].change is not None) as called:
        perform(survivor, THERE)
        assert active_site(survivor, WORLD) == AWAY
    assert called.count("FailoverGlobalCluster") > 1


def test_a_target_that_is_not_available_yet_is_asked_again_until_it_is(
        survivor: Run, records: list[Record], slow: None) -> None:
    passes_through(survivor.output(STANDBY).arn, [(seconds("failover"), "modifying")])
    records.clear()
    with lost(HOME.region):
        perform(survivor, THERE)
        assert active_site(survivor, WORLD) == AWAY
    assert len(asked(records)) > 1
    assert any(record["event"] == "waiting" and "InvalidDBClusterStateFault" in record["seen"] for record in records)


def test_a_target_that_cannot_be_promoted_is_asked_twice_and_fails_in_awss_own_words(survivor: Run, lab: Lab) -> None:
    with lost(HOME.region), told(lab, survivor, "Versions differ.", lambda: True) as called, \
            pytest.raises(RunFailed, match=r"InvalidDBClusterStateFault.*Versions differ\."):
        perform(survivor, THERE)
    assert called.count("FailoverGlobalCluster") == 2


def test_a_target_from_whose_state_nothing_comes_back_is_not_waited_for(survivor: Run, records: list[Record]) -> None:
    passes_through(survivor.output(STANDBY).arn, [(9e9, "inaccessible-encryption-credentials")])
    with lost(HOME.region), pytest.raises(RunFailed, match="InvalidDBClusterStateFault"):
        perform(survivor, THERE)
    assert len(asked(records)) == 2


def test_without_a_member_in_the_region_nothing_is_asked(run: Run, aws: Aws, records: list[Record]) -> None:
    ensure_all(run)
    aws[AWAY.region].rds.remove_from_global_cluster(
        GlobalClusterIdentifier=run.output(WORLD).id, DbClusterIdentifier=run.output(STANDBY).arn)
    run.wait_until("the member is gone", lambda: len(anew(run, WORLD).members), lambda count: count == 1, within=3600)
    with pytest.raises(Refused, match="has no member in us-west-2") as refused:
        perform(run, THERE)
    assert refused.value.next_step == "drctl provision"
    assert asked(records) == []


def test_it_goes_the_other_way_round_as_well(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_all(run)
    perform(run, THERE)
    run.wait_until("the old writer is a copy", lambda: anew(run, WORLD).member(HOME.region),
                   lambda member: member is not None and member.synchronization == "connected", within=3600)
    back = make_run()
    back.lost = AWAY.region
    with lost(AWAY.region):
        perform(back, BACK)
        assert active_site(back, WORLD) == HOME
