"""EventBridge's scheduled rules: rate and cron expressions on the default bus, fired in the lab's time.

A fast lab would fire thousands of times a second: a rule fires once in half a real second at most, whatever the speed,
and rests twenty times as long as its function took the last time, two seconds at most; while nothing changes in the lab
sixty times as long, ten seconds at most.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.events.exceptions import ValidationException
from moto.events.models import EventsBackend, Rule, events_backends

from drctl.lab import outages
from drctl.lab.clock import CLOCK
from drctl.lab.compute import TOOK
from drctl.lab.event_delivery import send_to
from drctl.lab.rules import rule
from drctl.lab.stir import STIR
from drctl.lab.watching import Watch

#: Real seconds between two looks for rules that are due, and between two firings of one rule.
LOOK_S, PACE_S = 0.1, 0.5
#: Real seconds of rest at most, and in a quiet lab.
LONGEST_REST_S, LONGEST_QUIET_S = 2.0, 10.0
UNITS = {"minute": 60, "hour": 3_600, "day": 86_400}
#: Lowest and highest value of each field of a cron expression, with the names that stand for numbers (EventBridge User
#: Guide, "Cron expressions reference").
FIELDS = ((0, 59, ""), (0, 23, ""), (1, 31, ""), (1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"),
          (1, 7, "SUNMONTUEWEDTHUFRISAT"), (1970, 2199, ""))
#: The longest time, in minutes, that is looked back for moments of a cron expression.
MOST_MINUTES = 2_000

#: Whether a rule is due between two AWS seconds (the first of them excluded).
Due = Callable[[float, float], bool]


def due_by(expression: str) -> Due | None:
    """How an expression is judged; None when it is not valid."""
    if found := re.fullmatch(r"rate\((\d+) (minute|hour|day)(s?)\)", expression):
        count, unit, plural = int(found[1]), found[2], bool(found[3])
        period = count * UNITS[unit]
        return (lambda last, now: now - last >= period) if count and plural == (count > 1) else None
    if found := re.fullmatch(r"cron\((.*)\)", expression):
        fields = found[1].split(" ")
        # Exactly one of day of month and day of week says `?`.
        if len(fields) != len(FIELDS) or (fields[2] == "?") == (fields[4] == "?"):
            return None
        chosen = [_values(field, *limits) for field, limits in zip(fields, FIELDS, strict=True)]
        return _cron(chosen) if all(one is not None for one in chosen) else None
    return None


def _values(field: str, low: int, high: int, names: str) -> frozenset[int] | None:
    """The values that a field means; None when it is not valid. `L`, `W` and `#` are valid and mean no value here."""
    if field in {"*", "?"}:
        return frozenset(range(low, high + 1))
    if re.fullmatch(r"\d{0,2}[LW]|LW|\d#\d", field):
        return frozenset()
    found: set[int] = set()
    for part in field.split(","):
        match = re.fullmatch(r"(?P<low>\*|\w+)(?:-(?P<high>\w+))?(?:/(?P<step>\d+))?", part)
        if match is None:
            return None
        first = low if match["low"] == "*" else _number(match["low"], names)
        open_ended = match["step"] or match["low"] == "*"
        last = _number(match["high"], names) if match["high"] else high if open_ended else first
        step = int(match["step"] or 1)
        if not low <= first <= last <= high or not step:
            return None
        found |= set(range(first, last + 1, step))
    return frozenset(found)


def _number(text: str, names: str) -> int:
    """A value, also by its name; -1 for neither."""
    at = names.find(text.upper()) if len(text) == 3 else -1
    return at // 3 + 1 if at >= 0 and at % 3 == 0 else int(text) if text.isdigit() else -1


def _cron(chosen: list[Any]) -> Due:
    minutes, hours, days, months, weekdays, years = chosen

    def is_due(last: float, now: float) -> bool:
        first, final = int(last // 60) + 1, int(now // 60)
        moments = (wall_clock(60.0 * number) for number in range(max(first, final - MOST_MINUTES), final + 1))
        return any(at.minute in minutes and at.hour in hours and at.day in days and at.month in months
                   and at.isoweekday() % 7 + 1 in weekdays and at.year in years for at in moments)

    return is_due


#: When the lab came up, at a full minute.
_ZERO = datetime.now(UTC).replace(second=0, microsecond=0)


def wall_clock(aws_seconds: float) -> datetime:
    """The time of day of a moment of the lab."""
    return _ZERO + timedelta(seconds=aws_seconds)


@rule("schedule-expression", EventsBackend, "put_rule")
def schedule_expression(proceed: Any, _self: EventsBackend, name: str, *args: Any, **given: Any) -> Any:
    """A rate says 1 minute or several minutes, a cron expression has six fields with values that there are.

    Refuses with ValidationException. Source: EventBridge User Guide, "Setting a schedule pattern for scheduled rules".
    """
    expression = given.get("scheduled_expression")
    if expression and due_by(expression) is None:
        raise ValidationException("Parameter ScheduleExpression is not valid.")
    return proceed(name, *args, **given)


@rule("schedule-fires", EventsBackend, "put_rule")
def schedule_fires(proceed: Any, _self: EventsBackend, name: str, *args: Any, **given: Any) -> Any:
    """A rule with a schedule sends a Scheduled Event to its targets whenever it is due, while it is enabled.

    Source: EventBridge User Guide, "Creating a scheduled rule" and "Rate expressions reference": a rate begins when the
    rule is made.
    """
    made: Rule = proceed(name, *args, **given)
    if made.scheduled_expression:
        made.__dict__["_lab_fired"] = CLOCK.now()
        WATCH.start()
    return made


def scheduled() -> Iterator[Rule]:
    """All rules with a schedule; AWS lets only the default bus have them."""
    for account in list(events_backends.values()):
        for backend in list(account.values()):
            bus = backend.event_buses.get("default")
            yield from (one for one in list(bus.rules.values() if bus else ()) if one.scheduled_expression)


def fire_when_due(one: Rule) -> float:
    """Send the event of a rule that is due, and say in how many real seconds it may be due again.

    What fell due in an outage, or faster than the pace, is left out.
    """
    now, real, kept = CLOCK.now(), time.monotonic(), one.__dict__
    rest = float(kept.get("_lab_fired_at", 0.0)) + _pace(one) - real
    if rest > 0 or now < kept.get("_lab_acts_at", 0.0):
        return max(rest, 0.0)
    due = due_by(str(one.scheduled_expression))
    if due is not None and due(kept.get("_lab_fired", now), now):
        _fire(one, now, real)
    return 0.0


def _fire(one: Rule, now: float, real: float) -> None:
    kept = one.__dict__
    kept["_lab_fired"], kept["_lab_fired_at"] = now, real
    if one.state == "ENABLED" and not any(outages.is_down(one.region_name, out) for out in ("events", "lambda")):
        send_to(one, {"version": "0", "id": str(uuid.uuid4()), "detail-type": "Scheduled Event", "source": "aws.events",
                      "account": one.account_id, "time": wall_clock(now).strftime("%Y-%m-%dT%H:%M:%SZ"),
                      "region": one.region_name, "resources": [one.arn], "detail": {}})


def _pace(one: Rule) -> float:
    """Real seconds between two firings of a rule."""
    names = [(one.region_name, str(target["Arn"]).split(":")[6]) for target in one.targets
             if ":function:" in str(target["Arn"])]
    took = sum(TOOK.get(name, 0.0) for name in names)
    return max(PACE_S, min(60 * took, LONGEST_QUIET_S) if STIR.is_quiet else min(20 * took, LONGEST_REST_S))


#: Fires what is due.
WATCH = Watch("lab-schedules", LOOK_S, scheduled, fire_when_due)
STIR.on_change.append(WATCH.wake)
