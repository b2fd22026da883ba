"""Events cross to the other region once, with a role, a dead-letter queue and no way back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.engine.step import Step, dependencies
from drctl.errors import Refused
from drctl.settings import Settings
from drctl.steps import event_forwarding
from drctl.steps.canary_queue import DETAIL_TYPE, CanaryQueue
from drctl.steps.dead_letters import DeadLetters
from drctl.steps.event_bus import EventBus
from drctl.steps.event_forwarding import EventForwarding
from drctl.steps.key import Key
from drctl.steps.role import Role
from tests.conftest import ensure_with_needs
from tests.steps.lifecycle import assert_a_second_run_changes_nothing, assert_mended, destroy_twice, lagging

HERE, THERE = Settings().sites
BUSES = EventBus(HERE, THERE), EventBus(THERE, HERE)


def forwarding(here: int) -> EventForwarding:
    site = (HERE, THERE)[here]
    role = Role(site, "forwarding", "events.amazonaws.com", lambda run: event_forwarding.policy(run, site))
    return EventForwarding(site, BUSES[here], BUSES[1 - here], role, DeadLetters(site, Key(site)))


OUT, BACK = forwarding(0), forwarding(1)


def target_of(aws: Aws, run: Run) -> Any:
    bus, rule = run.output(BUSES[0]).name, run.output(OUT).rule
    return aws[HERE.region].events.list_targets_by_rule(Rule=rule, EventBusName=bus)["Targets"][0]


def test_trap_8_the_target_has_a_role_a_dead_letter_queue_and_a_bus_that_admits_it(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, OUT)
    target, there = target_of(aws, run), run.output(BUSES[1])
    assert target["Arn"] == there.arn
    assert target["RoleArn"] == run.output(OUT.role).arn
    assert target["DeadLetterConfig"]["Arn"] == run.output(OUT.dead_letters).arn
    assert run.output(OUT.role).arn in there.policy
    assert run.output(OUT).seen.arn in run.output(OUT.dead_letters).policy
    assert run.output(OUT.role).policy["Statement"][0]["Resource"] == there.arn


def test_a_forwarded_event_does_not_match_the_rule_of_the_way_back(run: Run) -> None:
    ensure_with_needs(run, OUT)
    ensure_with_needs(run, BACK)
    out, back = (json.loads(run.output(step).seen.pattern)["region"] for step in (OUT, BACK))
    assert (out, back) == ([HERE.region], [THERE.region])


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, OUT)
    ensure_with_needs(run, BACK)
    assert_a_second_run_changes_nothing(make_run, OUT, BACK)


@pytest.mark.notices("EventForwarding")
def test_every_kind_of_damage_is_noticed_and_mended(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, OUT)
    events, bus, rule = aws[HERE.region].events, run.output(BUSES[0]).name, run.output(OUT).rule
    without_queue = {key: value for key, value in target_of(aws, run).items() if key != "DeadLetterConfig"}
    everything = json.dumps({"source": [{"prefix": ""}]})
    assert_mended(run, OUT, lambda: events.disable_rule(Name=rule, EventBusName=bus), "disabled")
    assert_mended(run, OUT, lambda: events.remove_targets(Rule=rule, EventBusName=bus, Ids=["other-region"]), "send")
    assert_mended(run, OUT, lambda: events.put_targets(Rule=rule, EventBusName=bus, Targets=[without_queue]), "send")  # type: ignore[list-item]  # a target as it was answered
    assert_mended(run, OUT, lambda: events.put_rule(Name=rule, EventBusName=bus, EventPattern=everything), "matches")


def test_a_second_target_is_noticed_and_removed(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, OUT)
    events, bus, rule = aws[HERE.region].events, run.output(BUSES[0]).name, run.output(OUT).rule
    stray: Any = {"Id": "stray", "Arn": run.output(OUT.dead_letters).arn}
    assert_mended(run, OUT, lambda: events.put_targets(Rule=rule, EventBusName=bus, Targets=[stray]), "2 targets")


def test_an_event_arrives_in_the_other_region_once_and_does_not_come_back(run: Run, aws: Aws) -> None:
    queues = [CanaryQueue(site, Key(site), bus) for site, bus in zip((HERE, THERE), BUSES, strict=True)]
    steps: tuple[Step[Any], ...] = (OUT, BACK, *queues)
    for step in steps:
        ensure_with_needs(run, step)
    aws[HERE.region].events.put_events(Entries=[{
        "EventBusName": run.output(BUSES[0]).name, "Source": run.settings.events.source, "DetailType": DETAIL_TYPE,
        "Detail": '{"n": 1}'}])
    arrived = run.wait_until("the canary arrives", lambda: messages(aws, run, queues[1]), bool, within=1200)
    assert [(event["region"], event["detail"]) for event in arrived] == [(HERE.region, {"n": 1})]
    run.clock.sleep(60 * 60)
    assert messages(aws, run, queues[1]) == []
    assert len(messages(aws, run, queues[0])) == 1


def test_what_the_other_bus_does_not_take_becomes_a_dead_letter(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, OUT)
    aws[HERE.region].iam.delete_role_policy(RoleName=run.output(OUT.role).name, PolicyName="forwarding")
    aws[HERE.region].events.put_events(Entries=[{
        "EventBusName": run.output(BUSES[0]).name, "Source": run.settings.events.source, "DetailType": "booked",
        "Detail": "{}"}])
    assert run.wait_until("the letter is there", lambda: messages(aws, run, OUT.dead_letters), bool, within=1200)


def messages(aws: Aws, run: Run, queue: Step[Any]) -> list[Any]:
    answer = aws[queue.region].sqs.receive_message(QueueUrl=run.output(queue).url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def test_destroy_removes_the_rule_even_when_the_buses_are_gone(run: Run) -> None:
    ensure_with_needs(run, OUT)
    destroy_twice(run, OUT)
    for bus in BUSES:
        bus.destroy(run)
    OUT.destroy(run)


def test_a_rule_of_somebody_else_keeps_its_pattern(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, BUSES[0])
    events, bus, name = aws[HERE.region].events, run.output(BUSES[0]).name, run.name("rule", "event-forwarding", HERE)
    events.put_rule(Name=name, EventBusName=bus, EventPattern='{"source": ["theirs"]}')
    with pytest.raises(Refused, match=name):
        ensure_with_needs(run, OUT)
    assert events.describe_rule(Name=name, EventBusName=bus)["EventPattern"] == '{"source": ["theirs"]}'


def test_forwarding_is_made_while_aws_lags(run: Run) -> None:
    step = forwarding(0)
    for need in dependencies(step):
        ensure_with_needs(run, need)
    with lagging():
        out = step.ensure(run)
    assert list(step.verify(run, out)) == []

