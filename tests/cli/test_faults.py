"""Every fifth call ends badly, from one seed: the stack is built, drilled and torn down as if nothing had happened."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drctl.lab.clock import CLOCK
from drctl.lab.server import Lab
from tests.conftest import SPEED as SPEED_OF_TESTS
from tests.crash_matrix import COMMANDS, SPEED, Workshop
from tests.faults import TIMES, Measured, measured
from tests.forking import warmed

RATE, SEED = 0.2, 5


@pytest.fixture(scope="module")
def lives(lab_server: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Measured], Measured]]:
    """The three runs with faults, and a clean provision in the account that they have left empty."""
    CLOCK.set_speed(SPEED)
    shop = Workshop(lab_server, warmed(), tmp_path_factory.mktemp("faults") / "life")
    try:
        shop.empty()
        disturbed = [measured(shop, run, RATE, SEED) for run in COMMANDS]
        yield disturbed, measured(shop, "provision")
    finally:
        shop.leave()
        CLOCK.set_speed(SPEED_OF_TESTS)


def test_each_run_comes_to_its_end_in_one_process(lives: tuple[list[Measured], Measured]) -> None:
    for run in lives[0]:
        assert run.wrong == []
        assert run.failures == [], run.run
        assert run.processes == 1
        assert run.struck > run.calls * RATE / 2


def test_what_was_built_is_what_a_clean_run_builds(lives: tuple[list[Measured], Measured]) -> None:
    assert lives[1].wrong == []


def test_repetitions_of_the_sdk_and_of_the_engine_do_not_multiply(lives: tuple[list[Measured], Measured]) -> None:
    disturbed, clean = lives[0][0], lives[1]
    assert clean.calls < disturbed.calls <= TIMES * clean.calls
