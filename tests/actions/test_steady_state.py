"""The gate before anything is moved on purpose: what it says of the lag, and how often it asks."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from drctl.actions.steady_state import Growth, Lag, SteadyState, covers, growth_of, replication_lag
from drctl.engine.run import Run
from drctl.engine.runbook import perform
from drctl.errors import Refused
from drctl.lab import aurora
from drctl.lab.clock import CLOCK
from tests.conftest import SPEED
from tests.steps.database import AWAY, HOME, WORLD, ensure_all

NOTHING: Any = None


@dataclass(frozen=True, eq=False)
class Gate(SteadyState):
    """Only the database is asked, and a probe that says what is written down."""

    global_cluster: Any = WORLD
    balancer: Any = NOTHING
    source: Any = HOME
    target: Any = AWAY
    says: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def _health(self, run: Run) -> dict[str, Any]:
        self.asked.append(self.target.region)
        return self.says

    def where_users_are(self, run: Run) -> Iterable[str]:
        return ()

    def _app(self, run: Run) -> Iterable[str]:
        return ()

    def _certificate(self, run: Run) -> Iterable[str]:
        return ()


def findings(run: Run, gate: Gate) -> tuple[str, ...]:
    """What keeps the gate shut; empty when it opens."""
    try:
        perform(run, gate)
    except Refused as refused:
        return refused.findings
    return ()


def of_the_lag(run: Run, says: dict[str, Any]) -> list[str]:
    """What it says of the lag where CloudWatch has no datapoint: there is no database."""
    gate = Gate(says=says)
    found = findings(run, gate)
    assert gate.asked == [AWAY.region], "its answer is shared"
    return [text for text in found if "lag" in text]


UNKNOWN = ["the replication lag of us-west-2 is not known: CloudWatch has no AuroraGlobalDBRPOLag, and the probe does "
           "not tell it"]


@pytest.mark.parametrize(("says", "told"), [
    ({"ok": True, "lag_s": 7.0}, []),
    ({"ok": True, "lag_s": 0.0}, []),
    ({"ok": True, "lag_s": 901.0}, ["replication lag is 901 s, over the RPO of 15 min"]),
    ({"ok": True, "lag_s": None}, UNKNOWN),
    ({"ok": False, "error": "UNREACHABLE", "text": "no"}, UNKNOWN)])
def test_without_a_datapoint_the_database_tells_the_lag_and_one_that_nobody_knows_shuts_the_gate(
        run: Run, says: dict[str, Any], told: list[str]) -> None:
    assert of_the_lag(run, says) == told


def test_a_probe_that_fails_is_told_once_in_its_own_words(run: Run) -> None:
    found = findings(run, Gate(says={"ok": False, "error": "ProbeFailed", "text": "out of memory"}))
    assert [text for text in found if "probe in" in text] == [
        "the probe in us-west-2 cannot read: ProbeFailed: out of memory"]


def test_cloudwatchs_lag_counts_before_the_databases_own(run: Run) -> None:
    ensure_all(run)
    assert findings(run, Gate(says={"ok": True, "lag_s": 901.0})) == ()
    aurora.set_lag_ms(901_000.0)
    try:
        found = findings(run, Gate(says={"ok": True, "lag_s": 0.0}))
        assert found == ("replication lag is 901 s, over the RPO of 15 min",)
    finally:
        aurora.set_lag_ms(80.0)


@pytest.mark.parametrize(("certified", "name", "fits"), [
    ("app.dr.example.com", "app.dr.example.com", True), ("*.dr.example.com", "app.dr.example.com", True),
    ("*.example.com", "app.dr.example.com", False), ("dr.example.com", "app.dr.example.com", False)])
def test_a_certificate_is_for_its_name_and_a_wildcard_for_one_label(certified: str, name: str, fits: bool) -> None:
    assert covers(certified, name) is fits


def test_the_newest_datapoint_comes_with_the_beginning_of_its_minute_and_its_age(run: Run) -> None:
    ensure_all(run)
    run.clock.speed = 1.0
    CLOCK.set_speed(1.0)
    try:
        CLOCK.skip(60 - CLOCK.now() % 60 + 40)
        now, lag = time.time(), replication_lag(run, AWAY)
        assert lag is not None
        assert lag.seconds == 0.08
        assert lag.measured_at == pytest.approx(now - 40, abs=5)
        assert lag.age_s == pytest.approx(40, abs=5)
        assert lag.reaches_back_to(run) == pytest.approx(lag.measured_at - 0.08)
        assert replication_lag(run, HOME) is None, "it is the writer's"
    finally:
        CLOCK.set_speed(SPEED)


def test_the_moment_that_a_lag_reaches_back_to_is_one_of_real_time(run: Run) -> None:
    assert Lag(20.0, 1000.0).reaches_back_to(run) == pytest.approx(1000.0 - 20.0 / SPEED)


def minutes_of(*lags: float) -> list[tuple[float, float]]:
    """Datapoints a minute apart, at the pace of AWS."""
    return [(60.0 * minute, lag) for minute, lag in enumerate(lags)]


def test_a_lag_that_grows_by_a_second_a_second_tells_since_when_nothing_has_arrived() -> None:
    assert growth_of(minutes_of(0.1, 0.1, 40.3, 100.3, 160.4), 1.0) == Growth(60.0, 40.3)
    assert growth_of(minutes_of(0.1, 0.1, 60.1, 120.1, 135.0), 1.0) == Growth(60.0, 60.1)
    assert growth_of(minutes_of(0.1, 0.1, 60.0, 120.0), 1.0) == Growth(60.0, 60.0)


def test_a_lag_that_stands_rises_a_little_or_grew_before_the_first_look_tells_nothing() -> None:
    assert growth_of(minutes_of(0.1, 0.1, 0.2), 1.0) is None
    assert growth_of(minutes_of(0.1, 60.1, 20.0), 1.0) is None
    assert growth_of(minutes_of(300.0, 360.0, 420.0), 1.0) is None
    assert growth_of(minutes_of(0.1), 1.0) is None


def test_growth_is_counted_in_aws_time() -> None:
    assert growth_of([(0.0, 0.1), (1.0, 60.0), (2.0, 120.0)], 60.0) == Growth(0.0, 60.0)


def test_a_lost_region_shows_as_growth_since_about_when_it_was_lost(run: Run) -> None:
    ensure_all(run)
    CLOCK.set_speed(1.0)
    run.clock.speed = 1.0
    try:
        CLOCK.skip(300.0)
        aurora.lose(HOME.region)
        CLOCK.skip(240.0)
        lag = replication_lag(run, AWAY)
        assert lag is not None
        assert lag.growth is not None
        assert lag.seconds == pytest.approx(240, abs=61)
        assert lag.growth.seconds <= 62  # and what passes meanwhile
    finally:
        aurora.restore(HOME.region)
        CLOCK.set_speed(SPEED)
