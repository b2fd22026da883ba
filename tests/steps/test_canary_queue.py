"""Canary events can be seen to arrive."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.settings import Settings
from drctl.steps.canary_queue import DETAIL_TYPE, CanaryQueue
from drctl.steps.event_bus import EventBus
from drctl.steps.key import Key
from tests.conftest import ensure_with_needs
from tests.steps.lifecycle import assert_a_second_run_changes_nothing, assert_mended, destroy_twice, findings, lagging

SITE, OTHER = Settings().sites
CANARY = CanaryQueue(SITE, Key(SITE), EventBus(SITE, OTHER))


def test_a_canary_arrives_and_other_events_do_not(run: Run, aws: Aws) -> None:
    out, here = ensure_with_needs(run, CANARY), aws[SITE.region]
    for detail_type in (DETAIL_TYPE, "appointment booked"):
        here.events.put_events(Entries=[{"EventBusName": run.output(CANARY.bus).name, "DetailType": detail_type,
                                         "Source": run.settings.events.source, "Detail": "{}"}])
    messages = run.wait_until("the canary arrives", within=600, ready=bool, look=lambda: here.sqs.receive_message(
        QueueUrl=out.url, MaxNumberOfMessages=10).get("Messages", []))
    assert [json.loads(message["Body"])["detail-type"] for message in messages] == [DETAIL_TYPE]


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, CANARY)
    assert_a_second_run_changes_nothing(make_run, CANARY)


@pytest.mark.notices("CanaryQueue")
def test_damage_to_rule_and_queue_is_noticed_and_mended(run: Run, aws: Aws) -> None:
    out, here, bus = ensure_with_needs(run, CANARY), aws[SITE.region], run.output(CANARY.bus).name
    assert_mended(run, CANARY, lambda: here.sqs.set_queue_attributes(QueueUrl=out.url, Attributes={"Policy": ""}),
                  "admit")
    assert_mended(run, CANARY, lambda: here.events.remove_targets(Rule=out.rule, EventBusName=bus,
                                                                  Ids=["canary-queue"]), "send")


def test_destroy_removes_both_and_twice_is_fine(run: Run) -> None:
    ensure_with_needs(run, CANARY)
    destroy_twice(run, CANARY)
    assert findings(run, CANARY) == ["absent"]


def test_queue_and_rule_are_made_while_aws_lags(run: Run) -> None:
    for need in (CANARY.encryption_key, CANARY.bus):
        ensure_with_needs(run, need)
    with lagging():
        out = CANARY.ensure(run)
    assert list(CANARY.verify(run, out)) == []
