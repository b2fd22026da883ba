"""The probe is called once a day by a rule that it admits, so that it never falls asleep."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.lambdas.probe.main import ACTIONS
from drctl.settings import Settings
from drctl.stack import stack_of
from drctl.steps.probe_schedule import ProbeSchedule
from tests.conftest import ensure_with_needs
from tests.steps.database import HOME
from tests.steps.lifecycle import assert_a_second_run_changes_nothing, assert_mended, destroy_twice
from tests.steps.test_function import wired

PROBE = wired("probe")
SCHEDULE = ProbeSchedule(HOME, PROBE)


def test_the_probe_is_asked_for_its_health_once_a_day(run: Run, make_run: Callable[..., Run]) -> None:
    out = ensure_with_needs(run, SCHEDULE)
    assert (out.rule.schedule, out.rule.enabled, out.permitted) == ("rate(1 day)", True, True)
    target = out.rule.targets[0]
    assert target["Arn"] == run.output(PROBE).alias_arn
    assert json.loads(target["Input"])["action"] in ACTIONS
    assert_a_second_run_changes_nothing(make_run, SCHEDULE)


@pytest.mark.notices("ProbeSchedule")
def test_damage_is_noticed_and_mended(run: Run, aws: Aws) -> None:
    out, at = ensure_with_needs(run, SCHEDULE), aws[HOME.region]
    assert_mended(run, SCHEDULE, lambda: at.events.disable_rule(Name=out.rule.name), "is disabled")
    assert_mended(run, SCHEDULE, lambda: at.events.remove_targets(Rule=out.rule.name, Ids=["probe"]), "does not send")
    assert_mended(run, SCHEDULE, lambda: at.lambda_.remove_permission(
        FunctionName=run.output(PROBE).name, Qualifier="live", StatementId="schedule"), "does not let its rule")


def test_destroy_leaves_no_rule_and_twice_is_fine(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, SCHEDULE)
    destroy_twice(run, SCHEDULE)
    assert out.rule.name not in {one["Name"] for one in aws[HOME.region].events.list_rules()["Rules"]}


def test_there_is_one_in_each_region() -> None:
    steps = [step for step in stack_of(Settings()).steps if isinstance(step, ProbeSchedule)]
    assert [(step.region, step.probe.region) for step in steps] == [("us-east-1",) * 2, ("us-west-2",) * 2]
