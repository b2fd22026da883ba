"""Every acknowledged row is read back through the name; lost is only what the app says it does not have."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from drctl.lab.traffic_audit import Audit, audit
from drctl.lab.traffic_record import Write
from tests.lab.conftest import eventually
from tests.lab.traffic_world import EAST, World, target, world


@pytest.fixture
def there() -> Iterator[World]:
    with world() as made:
        yield made


def written(there: World, count: int) -> list[Write]:
    """So many acknowledged rows."""
    there.rows |= {f"id-{n}": f"run-1-{n}" for n in range(1, count + 1)}
    return [Write(n, f"run-1-{n}", f"id-{n}", float(n), "us-east-1", EAST) for n in range(1, count + 1)]


def test_the_rows_that_are_gone_are_told_by_number(there: World) -> None:
    writes = written(there, 300)
    for n in (299, 7, 150):
        del there.rows[f"id-{n}"]
    assert audit(writes, there.way, target()) == Audit(297, missing=(7, 150, 299), unknown=())
    assert len(there.requests) == 300
    assert len(there.connections) == 8


def test_nothing_written_is_nothing_lost(there: World) -> None:
    assert audit([], there.way, target()) == Audit(0, (), ())


@pytest.mark.parametrize("trouble", ["503", "closes", "another row"])
def test_what_cannot_be_read_is_unknown_and_never_lost(there: World, trouble: str) -> None:
    writes = written(there, 3)
    if trouble == "503":
        there.statuses["GET"] = 503
    elif trouble == "closes":
        there.doors[EAST] = "closes"
    else:
        there.rows["id-1"] = there.rows["id-2"] = there.rows["id-3"] = "another"
    assert audit(writes, there.way, target(), patience_s=0.3) == Audit(0, (), unknown=(1, 2, 3))
    assert len(there.connections) >= 3


def test_one_row_that_cannot_be_read_does_not_hold_up_the_others(there: World) -> None:
    writes = written(there, 20)
    there.rows["id-3"] = "another"
    assert audit(writes, there.way, target(), patience_s=0.3) == Audit(19, (), unknown=(3,))


def test_what_failed_is_read_again_while_there_is_patience(there: World) -> None:
    writes = written(there, 5)
    there.statuses["GET"] = 503
    found: list[Audit] = []
    reading = threading.Thread(target=lambda: found.append(audit(writes, there.way, target(), patience_s=20)))
    reading.start()
    assert eventually(lambda: len(there.requests) > 5)
    del there.rows["id-2"], there.statuses["GET"]
    reading.join()
    assert found == [Audit(4, missing=(2,), unknown=())]


def test_a_row_without_an_id_is_unknown_unless_it_is_read_by_its_text(there: World) -> None:
    nameless = [Write(1, "run-1-1", None, 1.0, "us-east-1", EAST)]
    assert audit(nameless, there.way, target()) == Audit(0, (), unknown=(1,))
    there.rows["run-1-1"] = "run-1-1"
    assert audit(nameless, there.way, target(read_path="/rows/{row}")) == Audit(1, (), ())
