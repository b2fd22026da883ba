"""The critical path is the longest chain of waits, not the longest list of steps."""

from __future__ import annotations

from dataclasses import dataclass

from drctl.aws.durations import seconds
from drctl.engine.critical_path import critical_path
from tests.engine.fakes import SITE, Thing, World


@dataclass(frozen=True, eq=False)
class Slow(Thing):
    waits = ("instance-create",)


def test_the_longest_chain_of_waits_is_found() -> None:
    world = World()
    quick = Thing(SITE, "quick", world)
    slow = Slow(SITE, "slow", world, (quick,))
    slower = Slow(SITE, "slower", world, (slow, quick))
    beside = Thing(SITE, "beside", world, (quick,))
    path = critical_path([beside, slower, quick, slow])
    assert path.seconds == 2 * seconds("instance-create")
    assert path.steps == (quick, slow, slower)


def test_nothing_takes_no_time() -> None:
    assert critical_path([]).seconds == 0
