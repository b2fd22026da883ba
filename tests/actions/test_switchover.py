"""A switchover moves the writer once, joins what is under way, and is asked again where AWS was busy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drctl.actions.switchover import Switchover, active_site
from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.engine.events import Record
from drctl.engine.run import Run
from drctl.engine.runbook import perform
from drctl.errors import Refused, RunFailed
from drctl.lab.aurora_states import passes_through
from drctl.lab.clock import CLOCK
from tests.conftest import SPEED
from tests.steps.database import AWAY, HOME, PRIMARY, READERS, STANDBY, WORLD, ensure_all

#: AWS seconds in a second at which something a tenth of a second long is met half way.
SLOW = 1_000.0
THERE, BACK = Switchover(WORLD, AWAY), Switchover(WORLD, HOME)


def test_the_writer_moves_there_and_back_and_what_is_done_is_not_asked_again(
        run: Run, make_run: Callable[..., Run]) -> None:
    ensure_all(run)
    for action, site in ((THERE, AWAY), (BACK, HOME)):
        perform(run, action)
        fresh = make_run()
        assert active_site(fresh, WORLD) == site
        perform(fresh, action)
        assert fresh.events.changes == {}


def test_a_change_that_somebody_else_has_begun_is_joined_and_then_turned_round(run: Run, aws: Aws) -> None:
    ensure_all(run)
    target = run.output(STANDBY).arn
    aws[HOME.region].rds.switchover_global_cluster(
        GlobalClusterIdentifier=run.output(WORLD).id, TargetDbClusterIdentifier=target)
    perform(run, BACK)
    assert active_site(run, WORLD) == HOME
    assert run.output(PRIMARY).arn != target


def test_without_a_member_in_the_region_there_is_nothing_to_switch_to(run: Run, aws: Aws) -> None:
    ensure_all(run)
    aws[AWAY.region].rds.remove_from_global_cluster(
        GlobalClusterIdentifier=run.output(WORLD).id, DbClusterIdentifier=run.output(STANDBY).arn)
    run.wait_until("the member is gone", lambda: len(run.refresh(WORLD).members),  # type: ignore[union-attr]  # stands
                   lambda count: count == 1, within=3600)
    with pytest.raises(Refused, match="has no member in us-west-2"):
        perform(run, THERE)


def test_without_a_database_there_is_nothing_to_switch(run: Run) -> None:
    with pytest.raises(Refused, match="there is no global database"):
        perform(run, THERE)


def test_a_target_that_is_not_available_yet_is_waited_for_and_asked_again(run: Run, records: list[Record]) -> None:
    ensure_all(run)
    CLOCK.set_speed(SLOW)
    try:
        passes_through(run.output(STANDBY).arn, [(5 * seconds("failover"), "modifying")])
        records.clear()
        perform(run, THERE)
    finally:
        CLOCK.set_speed(SPEED)
    assert active_site(run, WORLD) == AWAY
    assert len([record for record in records if record["event"] == "call"
                and record["operation"] == "SwitchoverGlobalCluster"]) == 2
    assert any(record["event"] == "waiting" and record["seen"] == "modifying" for record in records)


def test_a_target_that_cannot_take_over_fails_in_awss_own_words(run: Run) -> None:
    ensure_all(run)
    run.at(AWAY).rds.delete_db_instance(DBInstanceIdentifier=run.output(READERS).instances[0].id,
                                        SkipFinalSnapshot=True)
    with pytest.raises(RunFailed, match=r"InvalidDBClusterStateFault.* (has no available instance|healthy state)"):
        perform(run, THERE)
