"""Clients of a region that is out: refused, left waiting or told so; also those that were served a moment before."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.lab import outages
from drctl.lab.server import Lab
from tests.lab.front_door_world import HERE, THERE, Balancer, until
from tests.lab.internet import Internet, Line, certify, open_door
from tests.steps.lifecycle import lagging


@pytest.fixture
def internet(lab: Lab) -> Iterator[Internet]:
    """Clients outside the lab."""
    made = Internet(lab.endpoint)
    yield made
    made.go()


@pytest.fixture
def door(aws: Aws) -> Iterator[Balancer]:
    """A balancer with and without TLS; from then on time passes as on AWS."""
    made = open_door(aws)
    certify(aws, made)
    with lagging(1.0):
        yield made


@pytest.fixture(params=["HTTP", "HTTPS"])
def line(request: pytest.FixtureRequest, internet: Internet, door: Balancer) -> Callable[..., Line]:
    """New connections to it, by either protocol."""
    trust = internet.trust if request.param == "HTTPS" else None
    return lambda **more: internet.line(trust=trust, **more)


@pytest.mark.parametrize("service", ["", "elbv2"])
def test_a_region_that_refuses_breaks_connections_and_makes_no_new_ones(
        line: Callable[..., Line], service: str) -> None:
    kept = line()
    assert kept.ask().status == 200
    outages.start(HERE, service, "refuse")
    for one in (kept, line()):
        with pytest.raises((ConnectionError, ssl.SSLError, http.client.HTTPException)):
            one.ask()
    outages.end()
    assert line().ask().status == 200


def test_a_connection_that_nobody_uses_just_now_is_broken_at_once(line: Callable[..., Line]) -> None:
    kept = line()
    assert kept.ask().status == 200
    assert kept.sock is not None
    outages.start(HERE, "", "refuse")
    assert kept.sock.recv(1) == b""


def test_a_region_that_hangs_answers_when_it_is_back(line: Callable[..., Line]) -> None:
    kept, impatient = line(), line(patience_s=0.3)
    assert (kept.ask().status, impatient.ask().status) == (200, 200)
    outage, _ = outages.start(HERE, "", "hang")
    asked = InBackground(lambda: kept.ask("/late"))
    until(lambda: outage.wire()["waiting"] == 1)
    for one in (impatient, line(patience_s=0.3)):
        with pytest.raises(TimeoutError):
            one.ask()
    outages.end()
    assert asked.answer().status == 200
    assert line().ask().status == 200


def test_a_region_that_fails_says_so_to_everybody(line: Callable[..., Line]) -> None:
    kept = line()
    assert kept.ask().status == 200
    outages.start(HERE, "elbv2", "error")
    assert (kept.ask().status, line().ask().status) == (503, 503)
    outages.end()
    assert kept.ask().status == 200


@pytest.mark.parametrize("place", [(THERE, ""), (HERE, "rds")])
def test_what_is_out_elsewhere_breaks_no_connection(line: Callable[..., Line], place: tuple[str, str]) -> None:
    kept = line()
    assert kept.ask().status == 200
    first = kept.sock
    outages.start(*place, "refuse")
    assert kept.ask().status == 200
    assert kept.sock is first


class InBackground:
    """Something that is asked while something else happens."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask, self._answers = ask, list[Any]()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with suppress(OSError, http.client.HTTPException):
            self._answers.append(self._ask())

    def answer(self) -> Any:
        """What came back; None when nothing did."""
        self._thread.join(20)
        return next(iter(self._answers), None)


def asked(line: Line, folder: Path) -> InBackground:
    """A request that the function has begun to work on, and works on until it is let go."""
    request = InBackground(lambda: line.ask("/slow", "POST", str(folder), Content_Type="text/plain"))
    until((folder / "began").exists)
    return request


def test_the_answer_that_a_refusing_outage_overtakes_is_lost(line: Callable[..., Line], tmp_path: Path) -> None:
    request = asked(line(), tmp_path)
    outages.start(HERE, "", "refuse")
    assert request.answer() is None
    (tmp_path / "go").touch()


def test_the_answer_that_a_hanging_outage_overtakes_comes_with_its_end_and_the_work_is_done_once(
        line: Callable[..., Line], tmp_path: Path) -> None:
    request = asked(line(), tmp_path)
    outage, _ = outages.start(HERE, "elbv2", "hang")
    (tmp_path / "go").touch()
    until(lambda: outage.wire()["waiting"] == 1)
    (tmp_path / "began").unlink()
    outages.end()
    assert request.answer().status == 200
    assert not (tmp_path / "began").exists()


def test_the_answer_that_a_failing_outage_overtakes_is_a_503(line: Callable[..., Line], tmp_path: Path) -> None:
    request = asked(line(), tmp_path)
    outages.start(HERE, "elbv2", "error")
    (tmp_path / "go").touch()
    assert request.answer().status == 503
