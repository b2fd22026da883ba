"""One lab per test process, emptied before every test; nothing but loopback can be reached."""

from __future__ import annotations

import itertools
import os
import random
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from drctl.lab.server import Lab  # isort: skip  # sets moto's environment before anything imports it

from drctl.aws.clients import Aws, Credentials, Door
from drctl.aws.hooks import Answer, Call
from drctl.engine.clock import Clock
from drctl.engine.events import Events, Record
from drctl.engine.run import Run
from drctl.engine.step import Step, dependencies
from drctl.lab import extensions
from drctl.lab.rules import SWITCHED_OFF
from drctl.settings import Settings
from tests.straight import Straight

#: AWS seconds in a second of a test: half an hour of AWS passes in 18 ms.
SPEED = 100_000.0

_connect = socket.socket.connect


def _connect_to_loopback_only(self: socket.socket, address: Any) -> None:
    by_network = self.family in {socket.AF_INET, socket.AF_INET6}
    if by_network and not str(address[0]).startswith(("127.", "::1", "localhost")):
        raise AssertionError(f"a test tried to reach {address}")
    _connect(self, address)


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Refuse every connection that is not loopback."""
    setattr(socket.socket, "connect", _connect_to_loopback_only)  # noqa: B010  # the one wall around all tests
    yield
    setattr(socket.socket, "connect", _connect)  # noqa: B010  # as it was


@pytest.fixture(autouse=True, scope="session")
def no_real_credentials() -> None:
    """The SDK finds neither credentials nor profiles nor a metadata service."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "DRCTL_"))]:
        del os.environ[name]
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = "/nonexistent"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--without-rules", action="store_true",
                     help="run the tests that hold a rule of the lab with that rule switched off: each must go red")
    parser.addoption("--all-points", action="store_true",
                     help="the contract of the steps: try every point of every step, not a sample")
    # Every process of a run must draw the same sample: the first one tells the others by the environment.
    drawn = os.environ.setdefault("CONTRACT_SEED", str(random.randrange(10**6)))  # noqa: S311  # a sample
    parser.addoption("--contract-seed", type=int, default=int(drawn),
                     help="the contract of the steps: draw the sample of this seed")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Tests that share a fixture of their module are kept in one process: two would make it twice.

    Said as soon as a test is known: pytest-xdist reads the groups before any other hook sees the collected tests.
    """
    found = item._fixtureinfo.name2fixturedefs.values()  # type: ignore[attr-defined]  # functions have it
    if not item.get_closest_marker("xdist_group") and any(one.scope == "module" for defs in found for one in defs):
        item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --without-rules only the tests that hold a rule are run, and each is expected to fail."""
    if config.getoption("--without-rules"):
        items[:] = [item for item in items if item.get_closest_marker("rule")]
        for item in items:
            item.add_marker(pytest.mark.xfail(strict=True, reason="its rule is switched off"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """pytest 9.2 leaves the groups of pytest-xdist 3.8 unheard: each process would make every module's fixtures."""
    if hasattr(session.config, "workerinput"):
        unheard = [item.nodeid for item in session.items
                   if item.get_closest_marker("xdist_group") and "@" not in item.nodeid]
        assert not unheard, f"not kept in one process: {unheard[0]} and {len(unheard) - 1} more"


@pytest.fixture(autouse=True)
def rules_off(request: pytest.FixtureRequest) -> Iterator[None]:
    """With --without-rules the rules that a test holds are switched off while it runs."""
    if request.config.getoption("--without-rules"):
        SWITCHED_OFF.update(mark.args[0] for mark in request.node.iter_markers("rule"))
    yield
    SWITCHED_OFF.clear()


@pytest.fixture(scope="session")
def lab_server() -> Iterator[Lab]:
    """The lab of this test process."""
    lab = Lab(speed=SPEED)
    lab.start()
    yield lab
    lab.stop()


@pytest.fixture
def lab(lab_server: Lab) -> Lab:
    """The lab, empty."""
    extensions.reset()
    lab_server.counting.calls.clear()
    return lab_server


class Relay:
    """Hands what a client tells on to whichever run uses it now: making clients costs more than most tests."""

    def __init__(self) -> None:
        self.to = Events(Clock(SPEED))

    def sending(self, call: Call) -> None:
        self.to.sending(call)

    def leaving(self, call: Call) -> None:
        self.to.leaving(call)

    def answered(self, call: Call, answer: Answer) -> None:
        self.to.answered(call, answer)


@pytest.fixture(scope="session")
def all_clients(lab_server: Lab) -> dict[bool, list[tuple[Aws, Relay]]]:
    """Clients of this process's lab, by `by_socket`: the first for `aws`, the others for the runs of a test."""
    return {True: [], False: []}


@pytest.fixture
def by_socket() -> bool:
    """Whether requests go to the lab by a socket, as drctl's own do."""
    return False


@pytest.fixture
def clients(all_clients: dict[bool, list[tuple[Aws, Relay]]], lab: Lab, by_socket: bool) -> Callable[[Events], Aws]:
    """The next clients that no run of this test uses yet."""
    used, shared_clients = itertools.count(), all_clients[by_socket]

    def take(events: Events) -> Aws:
        number = next(used)
        if number == len(shared_clients):
            relay = Relay()
            door = Door(lab.endpoint, Credentials("lab", "lab"), speed=SPEED)
            made = Aws(door, relay) if by_socket else Straight(lab.counting, door, relay)
            shared_clients.append((made, relay))
        found, relay = shared_clients[number]
        relay.to = events
        return found

    return take


@pytest.fixture
def aws(clients: Callable[[Events], Aws]) -> Aws:
    """Plain clients of the lab."""
    return clients(Events(Clock(SPEED)))


@pytest.fixture
def records() -> list[Record]:
    """Everything the run tells."""
    return []


@pytest.fixture
def make_run(clients: Callable[[Events], Aws], records: list[Record]) -> Callable[..., Run]:
    """A new run against the lab, as another process would make it: it remembers nothing."""

    def make(settings: Settings | None = None) -> Run:
        clock = Clock(SPEED)
        events = Events(clock, records.append)
        return Run("test", settings or Settings(), clients(events), clock, events)

    return make


@pytest.fixture
def run(make_run: Callable[..., Run]) -> Run:
    """A run with the default settings."""
    return make_run()


def ensure_with_needs(run: Run, step: Step[Any]) -> Any:
    """Ensure everything that `step` needs, then `step`, and return how it stands."""
    for need in dependencies(step):
        if run._outputs.get(need) is None:
            ensure_with_needs(run, need)
    with run.events.at(step.key, step.region):
        run.forget(step)
        out = step.ensure(run)
        run.remember(step, out)
    return out


def changes(run: Run, step: Step[Any]) -> int:
    """How many mutating calls this run made for `step`."""
    return run.events.changes.get(step.key, 0)
