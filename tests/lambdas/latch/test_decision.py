"""What the latch does, minute by minute: it needs to be sure, it counts through flapping, and it never brings back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from drctl.lambdas.latch.decision import Act, Latch, Lies, Seen, State

LIMIT = 5
NOT_THERE, UNKNOWN, AT_REST = Lies(known=True), Lies(), State()
STANDBY, PRIMARY = Latch("standby", LIMIT), Latch("primary", LIMIT)
#: How minutes are written below: users here, elsewhere, not to be told.
HERE = {"h": True, "-": False, "?": None}


def lies(since: float) -> Lies:
    return Lies(known=True, since=since)


def lived(latch: Latch, minutes: str, own: Lies = NOT_THERE, other: Lies = NOT_THERE, state: State = AT_REST,
          began: float = 10_000.0) -> tuple[list[Act], State]:
    """What is done in each of some minutes, `own` being put when it is, and what is remembered at the end."""
    acts = []
    for number, minute in enumerate(minutes):
        now = began + 60 * number
        act, state = latch.decide(Seen(HERE[minute], own, other), state, now, f"event {now}")
        own = {Act.PUT: lies(now), Act.DELETE: NOT_THERE, Act.NOTHING: own}[act]
        acts.append(act)
    return acts, state


def when(acts: Iterable[Act], act: Act = Act.PUT) -> list[int]:
    """In which minutes, counted from one."""
    return [number for number, one in enumerate(acts, 1) if one is act]


@pytest.mark.parametrize(("minutes", "put"), [
    ("----------", []),
    ("hhhh------", []),
    ("hhhhh", [5]),
    ("---hhhhhhh", [8]),
    # flapping: a way back that is shorter than the limit does not begin the count anew
    ("h-h-h-h-h", [9]),
    ("hh----hh----h", [13]),
    ("h----h----h----h----h", [21]),
    # a way back of the limit does
    ("hhhh-----hhhh", []),
    ("hhhh-----hhhhh", [14]),
    # what cannot be told is neither: it counts nothing and resets nothing
    ("?????????", []),
    ("hh??hh?h", [8]),
    ("hhhh?", []),
    ("hhhh--?--h", [10]),
    # once it is put users belong here
    ("hhhhhhhhhhhh", [5]),
])
def test_the_standbys_latch_puts_the_switch_after_minutes_that_are_counted_through_flapping(
        minutes: str, put: list[int]) -> None:
    assert when(lived(STANDBY, minutes)[0]) == put


def test_a_count_that_nobody_looked_after_for_longer_than_its_limit_begins_anew() -> None:
    _, state = lived(STANDBY, "hhhh", began=0)
    assert state.astray == 4
    soon, _ = STANDBY.decide(Seen(True, NOT_THERE, NOT_THERE), state, 3 * 60 + LIMIT * 60, "e")
    assert soon is Act.PUT
    late, after = STANDBY.decide(Seen(True, NOT_THERE, NOT_THERE), state, 3 * 60 + (LIMIT + 2) * 60, "e")
    assert (late, after.astray) == (Act.NOTHING, 1)


def test_an_event_that_is_delivered_twice_counts_once() -> None:
    seen = Seen(True, NOT_THERE, NOT_THERE)
    _, once = STANDBY.decide(seen, State(), 0, "one")
    assert STANDBY.decide(seen, once, 1, "one") == (Act.NOTHING, once)
    assert STANDBY.decide(seen, once, 60, "two")[1].astray == 2


def test_users_that_an_operator_has_sent_to_the_standby_are_left_alone() -> None:
    acts, state = lived(STANDBY, "hhhhhhhhhh--hh", own=lies(1))
    assert set(acts) == {Act.NOTHING}
    assert state.astray == 0


@pytest.mark.parametrize(("other", "remembered", "put"), [
    (NOT_THERE, UNKNOWN, []),  # the operator has brought users home
    (UNKNOWN, UNKNOWN, []),  # never seen: not sure
    (UNKNOWN, NOT_THERE, []),  # as last seen
    (UNKNOWN, lies(1), [5]),
    (lies(1), UNKNOWN, [5]),
])
def test_the_primarys_latch_puts_the_pin_only_when_the_switch_is_known_to_be_turned(
        other: Lies, remembered: Lies, put: list[int]) -> None:
    acts, _ = lived(PRIMARY, "hhhhhhh", other=other, state=State(other=remembered))
    assert when(acts) == put


def test_the_primarys_latch_counts_through_flapping_of_the_standby_too() -> None:
    assert when(lived(PRIMARY, "hh--h-hh-h", other=lies(1))[0]) == [8]


@pytest.mark.parametrize(("other", "act"), [
    (NOT_THERE, Act.DELETE),
    (lies(101), Act.DELETE),  # an operator has turned the switch since
    (lies(99), Act.NOTHING),
    (lies(100), Act.NOTHING),  # of two of one second the pin counts
    (UNKNOWN, Act.NOTHING),
])
@pytest.mark.parametrize("minute", ["h", "-", "?"])
def test_the_pin_goes_when_the_switch_is_gone_or_younger_and_not_because_nobody_answers(
        other: Lies, act: Act, minute: str) -> None:
    acts, _ = lived(PRIMARY, minute, own=lies(100), other=other, state=State(other=NOT_THERE))
    assert acts == [act]


def test_the_switch_is_never_deleted() -> None:
    for other in (NOT_THERE, UNKNOWN, lies(1), lies(200)):
        for minutes in ("hhhhhhh", "-------", "???????"):
            assert Act.DELETE not in lived(STANDBY, minutes, own=lies(100), other=other)[0]


def test_users_who_fled_from_behind_a_pin_are_latched_by_a_younger_switch() -> None:
    """The primary was pinned and is lost: on its return the old pin would take them back."""
    acts, _ = lived(STANDBY, "hhhhhhh", own=lies(100), other=UNKNOWN, state=State(other=lies(200)))
    assert when(acts) == [5]
    assert lived(PRIMARY, "h", own=lies(200), other=lies(10_000))[0] == [Act.DELETE]


@pytest.mark.parametrize("latch", [STANDBY, PRIMARY])
@pytest.mark.parametrize("own", [NOT_THERE, lies(100)])
@pytest.mark.parametrize("other", [NOT_THERE, UNKNOWN, lies(50), lies(100), lies(150)])
def test_what_is_put_makes_users_belong_and_nothing_is_put_twice(latch: Latch, own: Lies, other: Lies) -> None:
    acts, _ = lived(latch, "h" * 20, own, other, State(other=lies(10)))
    assert len(when(acts)) <= 1
    assert len(when(acts, Act.DELETE)) <= 1


def test_what_the_other_region_last_said_is_remembered_until_it_speaks_again() -> None:
    _, state = lived(PRIMARY, "h", other=lies(7))
    _, silent = lived(PRIMARY, "h?", other=UNKNOWN, state=state)
    assert silent.other == lies(7)
    assert lived(PRIMARY, "h", other=NOT_THERE, state=replace(silent, astray=4))[1] == replace(
        State(), other=NOT_THERE, event="")
