"""What tests of the lab's own rules need: time that stands almost still, and waiting for the lab's thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from drctl.aws.clients import Aws, Credentials, Door
from drctl.engine.clock import Clock
from drctl.engine.events import Events
from drctl.lab.clock import CLOCK, LabClock
from drctl.lab.rules import RULES, SWITCHED_OFF
from drctl.lab.server import Lab
from tests.conftest import SPEED


@pytest.fixture
def clock(lab: Lab) -> Iterator[LabClock]:
    """The lab's clock at the pace of AWS; `skip` lets time pass. Nobody is throttled but by what a test sets up."""
    SWITCHED_OFF.update(name for name in RULES if name.startswith("throttling-"))
    CLOCK.set_speed(1.0)
    yield CLOCK
    CLOCK.set_speed(SPEED)


def eventually(check: Callable[[], bool]) -> bool:
    """Whether `check` comes true within three seconds, which the lab's own thread may need."""
    end = time.monotonic() + 3
    while not check():
        if time.monotonic() > end:
            return False
        threading.Event().wait(0.005)
    return True


def settle(clock: LabClock) -> None:
    """Return when the lab's thread has done everything that is due."""
    done = threading.Event()
    clock.after(0, done.set)
    assert done.wait(3)


def one_try(lab: Lab, read_timeout_s: float = 10) -> Aws:
    """Clients of the lab that try each call once: what AWS answers is seen, not repeated."""
    return Aws(Door(lab.endpoint, Credentials("lab", "lab"), attempts=1, read_timeout_s=read_timeout_s),
               Events(Clock(SPEED)))
