"""Scheduled rules are on the default bus, say a time that there is, and invoke a function that admits them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.lab import outages, schedules
from drctl.lab.clock import LabClock
from drctl.lab.schedules import due_by
from drctl.packaging import archive
from tests.lab.account import REGION, refusal, role
from tests.lab.conftest import eventually

RULE = f"arn:aws:events:{REGION}:123456789012:rule/often"
CODE = b"def go(event, context):\n    print('tick', event['source'], event['detail-type'], event['resources'][0])\n"


@pytest.fixture
def function(aws: Aws) -> str:
    """A function that writes what it is given into its log; its ARN."""
    lambda_ = aws[REGION].lambda_
    arn = lambda_.create_function(FunctionName="f", Role=role(aws), Runtime="python3.12", Handler="main.go",
                                  Code={"ZipFile": archive({"main.py": CODE})})["FunctionArn"]
    assert eventually(lambda: lambda_.get_function(FunctionName="f")["Configuration"]["State"] == "Active")
    return arn


def admit(aws: Aws, source: str = RULE) -> None:
    aws[REGION].lambda_.add_permission(FunctionName="f", StatementId="s", Action="lambda:InvokeFunction",
                                       Principal="events.amazonaws.com", SourceArn=source)


def schedule(aws: Aws, function: str, expression: str = "rate(1 minute)", **more: Any) -> None:
    events = aws[REGION].events
    events.put_rule(Name="often", ScheduleExpression=expression, **more)
    events.put_targets(Rule="often", Targets=[{"Id": "f", "Arn": function}])


def ticks(aws: Aws) -> list[str]:
    """What the function was given so far."""
    logs = aws[REGION].logs
    if not logs.describe_log_groups()["logGroups"]:
        return []
    return [one["message"].strip() for one in logs.filter_log_events(logGroupName="/aws/lambda/f")["events"]
            if one["message"].startswith("tick")]


def goes_on(aws: Aws, count: int) -> bool:
    """Whether the function was given so many in time; a start of its process makes the rule rest for two seconds."""
    return any(eventually(lambda: len(ticks(aws)) >= count) for _ in range(4))


def no_more(aws: Aws, seconds: float = 2.4) -> bool:
    """Whether nothing comes for longer than the pace."""
    threading.Event().wait(0.3)  # what is under way comes to its end
    before = len(ticks(aws))
    threading.Event().wait(seconds)
    return len(ticks(aws)) == before


@pytest.mark.rule("schedule-fires")
def test_a_function_is_invoked_at_the_rate_and_no_faster_than_the_pace(aws: Aws, function: str) -> None:
    admit(aws)
    schedule(aws, function)
    assert goes_on(aws, 2)
    assert ticks(aws)[0] == f"tick aws.events Scheduled Event {RULE}"
    before = len(ticks(aws))
    threading.Event().wait(2.0)
    assert len(ticks(aws)) - before <= 5
    assert goes_on(aws, before + 1)


def test_a_rate_is_kept_in_the_labs_time(aws: Aws, function: str, clock: LabClock) -> None:
    admit(aws)
    events = aws[REGION].events
    events.put_rule(Name="often", ScheduleExpression="rate(2 minutes)")
    clock.skip(20)
    events.put_targets(Rule="often", Targets=[{"Id": "f", "Arn": function}])
    assert no_more(aws)
    clock.skip(101)
    assert eventually(lambda: len(ticks(aws)) == 1)
    assert no_more(aws)
    clock.skip(60)
    assert no_more(aws)


@pytest.mark.parametrize("service", ["events", "lambda", ""])
def test_in_an_outage_nothing_fires_and_afterwards_it_goes_on(aws: Aws, function: str, service: str) -> None:
    admit(aws)
    schedule(aws, function)
    assert eventually(lambda: bool(ticks(aws)))
    outages.start(REGION, service, "refuse")
    quiet = service == "" or no_more(aws)  # the log is in the same region
    outages.end()
    assert quiet
    assert goes_on(aws, len(ticks(aws)) + 1)


def test_a_rule_that_is_disabled_or_deleted_fires_no_more(aws: Aws, function: str) -> None:
    admit(aws)
    schedule(aws, function)
    assert eventually(lambda: bool(ticks(aws)))
    events = aws[REGION].events
    events.disable_rule(Name="often")
    assert no_more(aws)
    events.enable_rule(Name="often")
    assert goes_on(aws, len(ticks(aws)) + 1)
    events.remove_targets(Rule="often", Ids=["f"])
    events.delete_rule(Name="often")
    assert no_more(aws)
    assert eventually(lambda: not [one for one in threading.enumerate() if one.name == "lab-schedules"])


def test_a_function_that_does_not_admit_the_rule_is_not_invoked(aws: Aws, function: str) -> None:
    admit(aws, source=f"{RULE}-of-others")
    schedule(aws, function)
    assert no_more(aws)
    assert ticks(aws) == []


@pytest.mark.rule("schedule-expression")
@pytest.mark.parametrize("expression", [
    "rate(1 minutes)", "rate(5 minute)", "rate(0 minutes)", "cron(0 12 * * MON *)", "cron(0 12 ? * ? *)",
    "cron(60 12 * * ? *)", "cron(0 24 * * ? *)", "cron(0 12 * * ?)", "cron(0 12 * XYZ ? *)"])
def test_an_expression_that_says_no_time_is_refused(aws: Aws, expression: str) -> None:
    events = aws[REGION].events
    assert refusal(partial(events.put_rule, Name="r", ScheduleExpression=expression)) == "ValidationException"


def test_other_buses_have_no_schedules(aws: Aws) -> None:
    events = aws[REGION].events
    events.create_event_bus(Name="bus")
    assert eventually(lambda: len(events.list_event_buses()["EventBuses"]) == 2)
    assert refusal(partial(events.put_rule, Name="r", EventBusName="bus",
                           ScheduleExpression="rate(1 minute)")) == "ValidationException"


def _seconds(year: int, month: int, day: int, hour: int, minute: int) -> float:
    return (datetime(year, month, day, hour, minute, tzinfo=UTC) - schedules.wall_clock(0)).total_seconds()


@pytest.mark.parametrize(("expression", "at", "due"), [
    ("cron(0 10 * * ? *)", (2030, 1, 7, 10, 0), True),
    ("cron(0 10 * * ? *)", (2030, 1, 7, 10, 1), False),
    ("cron(0/15 * * * ? *)", (2030, 1, 7, 3, 45), True),
    ("cron(0/15 * * * ? *)", (2030, 1, 7, 3, 46), False),
    ("cron(15 12 ? * MON-FRI *)", (2030, 1, 7, 12, 15), True),  # a Monday
    ("cron(15 12 ? * MON-FRI *)", (2030, 1, 6, 12, 15), False),
    ("cron(0 8 1 JAN,JUL ? 2030)", (2030, 7, 1, 8, 0), True),
    ("cron(0 8 1 JAN,JUL ? 2031)", (2030, 7, 1, 8, 0), False),
    ("cron(0 8 L * ? *)", (2030, 7, 31, 8, 0), False),  # valid; the lab knows no last days
])
def test_a_cron_expression_is_due_in_its_minutes(expression: str, at: tuple[int, int, int, int, int],
                                                 due: bool) -> None:
    is_due, moment = due_by(expression), _seconds(*at)
    assert is_due is not None
    assert is_due(moment - 30, moment + 1) == due
    assert not is_due(moment + 1, moment + 2)
