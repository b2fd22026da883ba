"""drctl is killed at mutating calls, places are gone, and every fifth call ends badly: seeded samples of
`make crash-matrix`, `make blackout-matrix` and `make faults`, in one life of one account.

A stack is built; a drill of it is killed twice, failovers are begun while something is gone, a failover is killed twice
and the failback after it once, the teardown twice. Another is built, drilled and torn down while calls end badly. Then
a provision is killed three times. Each must end as if nothing had happened. At last a stack is torn down that was
killed half way.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from drctl.lab.clock import CLOCK
from drctl.lab.server import Lab
from tests.blackout_matrix import BEFORE, BUCKET, REGION, Blackouts, Cell, Went, drawn, plan, too_slow
from tests.conftest import SPEED as SPEED_OF_TESTS
from tests.crash_matrix import COMMANDS, EAST, ELSEWHERE, HALF, HOME, SPEED, WAYS, Life, Lived, Workshop
from tests.faults import TIMES, Measured, measured
from tests.forking import warmed

#: Share of the calls that end badly, and the seed that chooses them.
RATE, SEED = 0.2, 5
#: Chooses the calls, whether before or after their effect, and how the first kill is gone on with.
DRAW = random.Random(11)  # noqa: S311  # repeatable, not secret


@pytest.fixture(scope="module")
def shop(lab_server: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """An account with somebody else's things in it, and drctl processes that can be killed."""
    CLOCK.set_speed(SPEED)
    shop = Workshop(lab_server, warmed(), tmp_path_factory.mktemp("crash") / "life")
    try:
        shop.empty()
        yield shop
    finally:
        shop.leave()
        CLOCK.set_speed(SPEED_OF_TESTS)


@pytest.fixture(scope="module")
def clean(shop: Workshop) -> Measured:
    """A provision without disturbance, with everything noted that then stands."""
    undisturbed = measured(shop, "provision")
    assert undisturbed.wrong == []
    shop.wanted["drill"] = shop.wanted["provision"]
    return undisturbed


@pytest.fixture(scope="module")
def drilled(shop: Workshop, clean: Measured) -> Lived:
    """A drill that was killed twice."""
    return killed(shop, "drill", (DRAW.randint(1, 8), DRAW.randint(14, 22)))


@pytest.fixture(scope="module")
def blackouts(shop: Workshop, drilled: Lived) -> Iterator[Blackouts]:
    """The stack, and what can be taken away from it."""
    found = Blackouts(shop, stands=not drilled.wrong)
    yield found
    found.leave()


@pytest.fixture(scope="module")
def silent(blackouts: Blackouts) -> list[Went]:
    """A failover from a region that refuses, and from one that hangs, from before the run."""
    return blackouts.trio(Cell(EAST, REGION, BEFORE), ("refuse", "hang"))


@pytest.fixture(scope="module")
def without_control(blackouts: Blackouts, silent: list[Went]) -> Went:
    """A failover whose own control bucket hangs."""
    return blackouts.run(Cell(EAST, BUCKET, BEFORE, "hang"))


@pytest.fixture(scope="module")
def anything(blackouts: Blackouts, without_control: Went) -> Went:
    """A failover while any place of the matrix is gone, from any moment."""
    return blackouts.run(replace(drawn(plan(), 1, SEED)[0], mode="hang"))


@pytest.fixture(scope="module")
def waiting(blackouts: Blackouts, anything: Went, silent: list[Went]) -> Went:
    """A program in drctl's place that asks the lost region and waits for it."""
    return blackouts.run(silent[1].cell, "tests.waiting_program")


@pytest.fixture(scope="module")
def moved(shop: Workshop, blackouts: Blackouts, waiting: Went) -> list[Lived]:
    """A failover from a region that hangs, killed twice, then a failback, killed once; gone on with elsewhere."""
    shop.wanted["failback"] = shop.wanted["provision"]
    shop.bring(HOME)
    lives = [Lived(Life("failover", True, (DRAW.randint(2, 4), DRAW.randint(6, 9)), ELSEWHERE + 2 * len(WAYS))),
             Lived(Life("failback", False, (DRAW.randint(20, 60),), ELSEWHERE))]
    for lived in lives:
        shop.go_through(lived)
    return lives


@pytest.fixture(scope="module")
def torn_down(shop: Workshop, moved: list[Lived]) -> Lived:
    """A teardown that was killed twice."""
    return killed(shop, "teardown", (DRAW.randint(1, 90), DRAW.randint(100, 200)))


@pytest.fixture(scope="module")
def faulty(shop: Workshop, torn_down: Lived) -> list[Measured]:
    """The three runs while calls end badly."""
    return [measured(shop, run, RATE, SEED) for run in COMMANDS]


@pytest.fixture(scope="module")
def built_again(shop: Workshop, faulty: list[Measured]) -> Lived:
    """A provision, where all of it once stood, that was killed three times."""
    return killed(shop, "provision", (DRAW.randint(1, 60), DRAW.randint(90, 200), DRAW.randint(220, 360)))


@pytest.fixture(scope="module")
def half(shop: Workshop, built_again: Lived) -> Lived:
    """A provision in an empty account that was killed, and was torn down instead of gone on with."""
    shop.empty()
    return killed(shop, HALF, (DRAW.randint(40, 300),))


def killed(shop: Workshop, run: str, points: tuple[int, ...]) -> Lived:
    """A run that is killed at these calls, each time gone on with, and compared at its end."""
    lived = Lived(Life(run, DRAW.random() < 0.5, points, DRAW.randrange(len(WAYS))))
    shop.go_through(lived)
    return lived


def test_a_killed_drill_ends_at_home_with_the_stack_as_it_was(drilled: Lived) -> None:
    assert drilled.wrong == []
    assert len(drilled.kills) == 2


def test_a_region_that_hangs_holds_up_a_failover_no_longer_than_one_that_refuses(silent: list[Went]) -> None:
    assert [one.wrong for one in silent] == [[], []]
    assert all(one.struck for one in silent)


def test_a_control_bucket_that_hangs_keeps_nobody_from_a_failover(without_control: Went) -> None:
    assert without_control.wrong == []
    assert without_control.struck


def test_a_failover_needs_nothing_of_any_place_of_the_matrix(anything: Went) -> None:
    assert anything.wrong == [], str(anything.cell)


def test_a_program_that_waits_for_the_lost_region_fails_in_the_matrix(waiting: Went, silent: list[Went]) -> None:
    assert waiting.wrong == ["us-east-1 was asked rds DescribeDBInstances",
                             "the journal has DescribeDBInstances in us-east-1"]
    assert list(too_slow([silent[0], waiting])) == [waiting]


def test_a_killed_failover_and_a_killed_failback_end_as_undisturbed_ones(moved: list[Lived]) -> None:
    assert [lived.wrong for lived in moved] == [[], []]
    assert [len(lived.kills) for lived in moved] == [2, 1]


def test_a_killed_teardown_leaves_nothing_but_what_was_there_before(torn_down: Lived) -> None:
    assert torn_down.wrong == []
    assert len(torn_down.kills) == 2


def test_with_faults_each_run_comes_to_the_same_end_in_one_process(faulty: list[Measured]) -> None:
    for run in faulty:
        assert run.wrong == []
        assert run.failures == [], run.run
        assert run.processes == 1
        assert run.struck > run.calls * RATE / 2


def test_repetitions_of_the_sdk_and_of_the_engine_do_not_multiply(clean: Measured, faulty: list[Measured]) -> None:
    assert clean.calls < faulty[0].calls <= TIMES * clean.calls


def test_a_killed_provision_builds_the_same_stack_with_one_of_everything(built_again: Lived) -> None:
    assert built_again.wrong == []
    assert len(built_again.kills) == 3


def test_half_a_stack_is_torn_down_to_nothing(half: Lived) -> None:
    assert half.wrong == []
    assert len(half.kills) == 1


def test_what_is_killed_is_gone_on_with_in_different_ways(drilled: Lived, torn_down: Lived, built_again: Lived) -> None:
    assert len({way for lived in (drilled, torn_down, built_again) for _, _, way in lived.kills}) >= 3
