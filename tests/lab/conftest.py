"""What tests of the lab's own rules need: time that stands almost still, and waiting for the lab's thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.config import Config

from drctl.aws.clients import Region
from drctl.lab.clock import CLOCK, LabClock
from drctl.lab.rules import RULES, SWITCHED_OFF
from drctl.lab.server import Lab
from tests.conftest import SPEED


@pytest.fixture
def by_socket() -> bool:
    """The lab is tried as drctl and the AWS CLI meet it."""
    return True


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


@cache
def _session() -> Any:
    """One for all: reading the service models takes longer than a test."""
    return botocore.session.Session()


class Plain:
    """Plain clients of the SDK that try each call once: what AWS answers is seen, not repeated, not explained."""

    def __init__(self, lab: Lab, read_timeout_s: float) -> None:
        self._lab = lab
        self._config = Config(read_timeout=read_timeout_s, max_pool_connections=128, s3={"addressing_style": "path"},
                              retries={"mode": "standard", "total_max_attempts": 1})

    def __getitem__(self, region: str) -> Region:
        return Region(region, self._make)

    def _make(self, service: str, region: str) -> Any:
        return _session().create_client(
            service, region_name=region, endpoint_url=self._lab.endpoint, aws_access_key_id="lab",
            aws_secret_access_key="lab", config=self._config)


def one_try(lab: Lab, read_timeout_s: float = 10) -> Plain:
    """Clients of a lab that show the first answer."""
    return Plain(lab, read_timeout_s)
