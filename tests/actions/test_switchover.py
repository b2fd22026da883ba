"""A switchover moves the writer once, joins what is under way, and is asked again where AWS was busy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drctl.actions.switchover import Switchover, active_site
from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.engine.runbook import perform
from drctl.errors import Refused
from tests.steps.database import AWAY, HOME, PRIMARY, STANDBY, WORLD, ensure_all

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
