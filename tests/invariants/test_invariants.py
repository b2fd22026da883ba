"""Invariants."""
from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from drctl.lab.aurora_roles import ON_ROLE_CHANGE
from drctl.lab.server import Lab
from tests.invariants.machine import Schedule
from tests.invariants.world import World


@pytest.fixture(scope="module")
def world(lab_server: Lab) -> Iterator[World]:
    made = World(lab_server)
    made.build()
    ON_ROLE_CHANGE.append(made.role_changed)
    yield made
    ON_ROLE_CHANGE.remove(made.role_changed)
    made.leave()


def test_simple(world: World) -> None:
    Schedule.world = world
    m = Schedule()
    for f in [lambda: m.planned_failover(None), lambda: m.failback(None), lambda: m.drill(None, False), lambda: m.outage("us-east-1","","refuse"), lambda: m.time_passes(150), lambda: m.failover(None, 600.0, ""), lambda: m.all_is_well(0), lambda: m.failback(None)]:
        b = time.perf_counter(); c=time.process_time()
        f(); print(time.perf_counter()-b, time.process_time()-c, [(p.command, p.outcome, p.calls, str(p.error)[:100], getattr(p.error,'findings',None)) for p in m.desk.processes[-1:]])
        m.nothing_is_wrong()
    m.teardown()


def test_profile(world: World) -> None:
    import cProfile, pstats
    Schedule.world = world
    m = Schedule()
    m.planned_failover(None); m.failback(None)
    p = cProfile.Profile(); p.enable()
    for _ in range(10):
        m.planned_failover(None); m.failback(None)
    p.disable(); pstats.Stats(p).sort_stats("tottime").print_stats(35); pstats.Stats(p).sort_stats("cumtime").print_stats(70)


def test_schedules(world: World) -> None:
    Schedule.world = world
    run_state_machine_as_test(Schedule, settings=settings(max_examples=100, stateful_step_count=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)))
