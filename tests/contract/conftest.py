"""One world for all tests of the contract; what was tried is counted and told at the end."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from drctl.lab import extensions
from drctl.lab.clock import CLOCK
from drctl.lab.rules import RULES, SWITCHED_OFF
from drctl.lab.server import Lab
from tests.conftest import SPEED
from tests.contract.wire import Wire
from tests.contract.world import World

#: Name of the property in which a test hands on how many points passed and failed.
POINTS = "points"


@pytest.fixture(scope="session")
def world(lab_server: Lab, pytestconfig: pytest.Config) -> World:
    """A world in this process's lab."""
    seed, every = pytestconfig.getoption("contract_seed"), pytestconfig.getoption("all_points")
    return World(lab_server, Wire(lab_server.counting, lab_server.endpoint, SPEED),
                 lambda case: every or Random(f"{seed} {case}").randrange(5) == 0)  # noqa: S311  # repeatable


@pytest.fixture(autouse=True)
def the_worlds_time() -> Iterator[None]:
    """Time stands still between the looks of a run; request quotas, which are not tried here, do not count."""
    CLOCK.hold()
    SWITCHED_OFF.update(name for name in RULES if name.startswith("throttling-"))
    yield
    CLOCK.release()


@pytest.fixture(autouse=True, scope="module")
def an_empty_lab_afterwards() -> Iterator[None]:
    """Leave nothing that goes on in the lab."""
    yield
    extensions.reset()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how many points were tried, and the seed they were drawn with."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ())]
    points = [value for report in reports if getattr(report, "when", "") == "call"
              for name, value in report.user_properties if name == POINTS]
    if points:
        good, bad = (sum(one[at] for one in points) for at in (0, 1))
        terminalreporter.write_line(f"contract: {good} passed, {bad} failed "
                                    f"(seed {terminalreporter.config.getoption('contract_seed')})")
