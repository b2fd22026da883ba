"""Of writes that were acknowledged: the gap of a move, what was at stake in it, and the span of what is gone."""

from __future__ import annotations

from drctl.engine.witness import Gap, Write, at_stake, first_in, last_in, ranges, span_of

EAST, WEST = "us-east-1", "us-west-2"


def written(*places: str) -> list[Write]:
    """Writes one to so many, ten seconds apart."""
    return [Write(number, 10.0 * number, place) for number, place in enumerate(places, 1)]


def test_a_gap_reaches_from_the_last_write_here_to_the_first_there() -> None:
    writes = written(EAST, EAST, WEST, WEST)
    first = first_in(WEST, writes, 0.0)
    assert first is not None
    assert (first.number, last_in(EAST, writes, first)) == (3, writes[1])
    assert Gap(writes[1], first).seconds == 10


def test_the_writes_of_an_earlier_stay_there_are_not_the_first() -> None:
    first = first_in(WEST, written(WEST, EAST, WEST), 15.0)
    assert first is not None
    assert first.number == 3


def test_a_write_here_that_came_after_the_first_one_there_does_not_close_the_gap() -> None:
    writes = written(EAST, WEST, EAST)
    assert last_in(EAST, writes, writes[1]) == writes[0]


def test_without_a_write_in_the_old_region_there_is_no_last_one() -> None:
    writes = written(WEST)
    assert last_in(EAST, writes, writes[0]) is None
    assert first_in(EAST, writes, 0.0) is None


def test_at_stake_are_the_writes_since_users_came_to_the_old_region_and_all_that_followed() -> None:
    """An old region that nobody stopped goes on to acknowledge what nobody will find."""
    writes = written(EAST, WEST, EAST, EAST, WEST, EAST)
    assert [one.number for one in at_stake(writes, Gap(writes[3], writes[4]))] == [3, 4, 5, 6]


def test_the_span_of_lost_writes_reaches_from_the_pause_before_the_first_to_the_last_acknowledged() -> None:
    writes = written(*[EAST] * 5)
    assert span_of(writes[3:], writes[4], 1.5) == 10 + 1.5
    assert span_of([], writes[4], 1.5) == 0


def test_numbers_are_listed_as_people_do() -> None:
    assert ranges([9, 7, 8, 4]) == "4, 7-9"
    assert ranges([]) == ""
