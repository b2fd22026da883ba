"""The latch is invoked every minute by a rule that it admits, and by nobody else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.steps.latch_schedule import LatchSchedule
from tests.conftest import ensure_with_needs
from tests.steps.lifecycle import assert_a_second_run_changes_nothing, assert_mended, destroy_twice, given, lagging
from tests.steps.test_latch import AWAY, LATCH

SCHEDULE = LatchSchedule(AWAY, LATCH, given(AWAY, "records"))
RULE = "rule-latch-us-west-2-lab"


def test_the_rule_is_on_the_default_bus_and_leads_to_the_live_version(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, SCHEDULE)
    assert out.rule.arn == f"arn:aws:events:us-west-2:123456789012:rule/{RULE}"
    assert (out.rule.schedule, out.rule.enabled, out.permitted) == ("rate(1 minute)", True, True)
    assert [target["Arn"] for target in out.rule.targets] == [run.output(LATCH).alias_arn]
    tags = aws[AWAY.region].events.list_tags_for_resource(ResourceARN=out.rule.arn)["Tags"]
    assert {"Key": "drctl:stack", "Value": "lab"} in tags


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, SCHEDULE)
    assert_a_second_run_changes_nothing(make_run, SCHEDULE)


def test_it_stands_while_rule_and_permission_are_seen_late(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, LATCH)
    with lagging():
        assert ensure_with_needs(run, SCHEDULE).permitted
    assert_a_second_run_changes_nothing(make_run, SCHEDULE)


@pytest.mark.notices("LatchSchedule")
def test_damage_is_noticed_and_mended(run: Run, aws: Aws) -> None:
    out, events, client = ensure_with_needs(run, SCHEDULE), aws[AWAY.region].events, aws[AWAY.region].lambda_
    name = run.output(LATCH).name
    assert_mended(run, SCHEDULE, lambda: events.disable_rule(Name=out.rule.name), "is disabled")
    assert_mended(run, SCHEDULE, lambda: events.put_rule(Name=out.rule.name, ScheduleExpression="rate(1 hour)"),
                  "is due rate(1 hour), not rate(1 minute)")
    assert_mended(run, SCHEDULE, lambda: events.remove_targets(Rule=out.rule.name, Ids=["latch"]), "does not send to")
    assert_mended(run, SCHEDULE, lambda: client.remove_permission(
        FunctionName=name, Qualifier="live", StatementId="schedule"), "does not let its rule invoke it")


def test_a_rule_of_somebody_else_is_refused_and_stays(run: Run, aws: Aws) -> None:
    events = aws[AWAY.region].events
    events.put_rule(Name=RULE, ScheduleExpression="rate(1 hour)")
    with pytest.raises(Refused, match="does not belong"):
        ensure_with_needs(run, SCHEDULE)
    with pytest.raises(Refused, match="does not belong"):
        SCHEDULE.destroy(run)
    assert events.describe_rule(Name=RULE)["ScheduleExpression"] == "rate(1 hour)"


def test_destroy_leaves_neither_rule_nor_permission_and_twice_is_fine(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, SCHEDULE)
    destroy_twice(run, SCHEDULE)
    assert out.rule.name not in {one["Name"] for one in aws[AWAY.region].events.list_rules()["Rules"]}
    client = aws[AWAY.region].lambda_
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_policy(FunctionName=run.output(LATCH).name, Qualifier="live")
