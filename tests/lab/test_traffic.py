"""All clients together: they keep their pace, share one record, and end with what is under way."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from drctl.lab.traffic import Traffic
from drctl.lab.traffic_process import Order
from drctl.lab.traffic_record import Record
from tests.lab.conftest import eventually
from tests.lab.traffic_world import EAST, EAST_TOO, REGIONS, World, target, world


@pytest.fixture
def there() -> Iterator[World]:
    with world() as made:
        yield made


@pytest.fixture
def order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Order:
    """Four clients with fifty requests a second."""
    monkeypatch.setenv("DRCTL_HOME", str(tmp_path))
    return Order("run", 4, 50.0, target())


@contextmanager
def running(order: Order, page: dict[str, Any]) -> Iterator[Traffic]:
    """The traffic; it has ended after the body, which may end it before."""
    made = Traffic(order, page)
    made.start()
    try:
        yield made
    finally:
        made.end()


def lines(order: Order) -> int:
    return sum(Record(order.record).counts.values())


def test_clients_keep_the_pace_together_and_every_request_is_in_the_record_as_soon_as_it_is_answered(
        there: World, order: Order) -> None:
    begun = time.monotonic()
    with running(order, there.page):
        assert eventually(lambda: lines(order) >= 30)
    assert lines(order) <= (time.monotonic() - begun) * order.rate + 1
    assert len(there.connections) == order.clients
    assert lines(order) == len(there.requests)
    writes = Record(order.record).acknowledged()
    assert {one.n for one in writes} == set(range(1, len(writes) + 1))
    assert {one.row.split("-")[1] for one in writes} == {"1", "2", "3", "4"}
    assert {one.row for one in writes} == set(there.rows.values())


def test_clients_spread_over_the_addresses(there: World, order: Order) -> None:
    there.sent_to = (EAST, EAST_TOO)
    with running(order, there.page):
        assert eventually(lambda: lines(order) >= 8)
    assert sorted(address for address, _ in there.connections) == [EAST, EAST, EAST_TOO, EAST_TOO]


def test_the_end_waits_for_the_requests_under_way(there: World, order: Order) -> None:
    with running(order, there.page) as traffic:
        assert eventually(lambda: lines(order) >= 8)
        there.doors[EAST] = "stalls"
        before = lines(order)
        assert eventually(lambda: len(there.requests) >= before + 4)
        traffic.stopped.set()
        there.over.set()
    assert lines(order) == len(there.requests)
    assert set(Record(order.record).counts) <= {"write acknowledged", "read read"}


def test_a_region_that_is_known_only_later_is_named_then(there: World, order: Order) -> None:
    with running(order, {**there.page, "regions": {}}) as traffic:
        assert eventually(lambda: lines(order) >= 1)
        traffic.regions = REGIONS
        assert eventually(lambda: Record(order.record).region == "us-east-1")
    assert Record(order.record).acknowledged()[0].region == ""


def test_a_client_that_fails_by_a_defect_ends_the_traffic_and_says_so(
        there: World, order: Order, caplog: pytest.LogCaptureFixture) -> None:
    with running(order, {**there.page, "regions": None}) as traffic:
        assert traffic.stopped.wait(5)
    assert "so does the traffic" in caplog.text


def test_the_process_is_light_it_imports_neither_moto_nor_boto3() -> None:
    told = subprocess.run([sys.executable, "-c", "import sys, drctl.lab.traffic; print(*sys.modules)"],
                          check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    assert not {"moto", "boto3", "botocore", "click", "pydantic"} & set(told)
