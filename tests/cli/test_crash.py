"""drctl is killed at mutating calls: a seeded sample of `make crash-matrix`, in one life of one account.

A stack is built; a drill and a teardown of it are killed twice each, and a provision in the account that was torn down
is killed three times. Each goes on as the matrix goes on, and must end as if nothing had happened. Then a stack that is
killed half way is torn down.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from drctl.lab.clock import CLOCK
from drctl.lab.server import Lab
from tests.conftest import SPEED as SPEED_OF_TESTS
from tests.crash_matrix import HALF, SPEED, WAYS, Life, Lived, Workshop
from tests.forking import warmed

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
def built(shop: Workshop) -> Workshop:
    """A stack that was built without disturbance, with everything in it noted."""
    undisturbed = Lived(Life("provision", False, ()))
    shop.go_through(undisturbed)
    assert undisturbed.wrong == []
    shop.wanted["drill"] = shop.wanted["provision"]
    return shop


@pytest.fixture(scope="module")
def drilled(built: Workshop) -> Lived:
    """A drill that was killed twice."""
    return killed(built, "drill", (DRAW.randint(1, 8), DRAW.randint(14, 22)))


@pytest.fixture(scope="module")
def torn_down(built: Workshop, drilled: Lived) -> Lived:
    """A teardown that was killed twice."""
    return killed(built, "teardown", (DRAW.randint(1, 90), DRAW.randint(100, 200)))


@pytest.fixture(scope="module")
def built_again(built: Workshop, torn_down: Lived) -> Lived:
    """A provision, where all of it once stood, that was killed three times."""
    return killed(built, "provision", (DRAW.randint(1, 60), DRAW.randint(90, 200), DRAW.randint(220, 360)))


@pytest.fixture(scope="module")
def half(built: Workshop, built_again: Lived) -> Lived:
    """A provision in an empty account that was killed, and was torn down instead of gone on with."""
    built.empty()
    return killed(built, HALF, (DRAW.randint(40, 300),))


def killed(shop: Workshop, run: str, points: tuple[int, ...]) -> Lived:
    """A run that is killed at these calls, each time gone on with, and compared at its end."""
    lived = Lived(Life(run, DRAW.random() < 0.5, points, DRAW.randrange(len(WAYS))))
    shop.go_through(lived)
    return lived


def test_a_killed_drill_ends_at_home_with_the_stack_as_it_was(drilled: Lived) -> None:
    assert drilled.wrong == []
    assert len(drilled.kills) == 2


def test_a_killed_teardown_leaves_nothing_but_what_was_there_before(torn_down: Lived) -> None:
    assert torn_down.wrong == []
    assert len(torn_down.kills) == 2


def test_a_killed_provision_builds_the_same_stack_with_one_of_everything(built_again: Lived) -> None:
    assert built_again.wrong == []
    assert len(built_again.kills) == 3


def test_half_a_stack_is_torn_down_to_nothing(half: Lived) -> None:
    assert half.wrong == []
    assert len(half.kills) == 1


def test_what_is_killed_is_gone_on_with_in_different_ways(drilled: Lived, torn_down: Lived, built_again: Lived) -> None:
    assert len({way for lived in (drilled, torn_down, built_again) for _, _, way in lived.kills}) >= 3
