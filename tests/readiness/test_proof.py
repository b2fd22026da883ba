"""A sample of `make readiness-proof`, and that it can fail: what nobody finds, or another rule, is a miss."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from drctl.lab import extensions
from drctl.lab.server import Lab
from drctl.readiness.readiness import RULES
from drctl.stack import stack_of
from tests.readiness.breakages import Breakage
from tests.readiness.proof import BREAKAGES, Told, broken, drawn, tell
from tests.readiness.world import BASE, World, amiss

#: READINESS_SEED draws others, READINESS_SAMPLE more.
SEED, SAMPLE = int(os.environ.get("READINESS_SEED", "1")), int(os.environ.get("READINESS_SAMPLE", "6"))


@pytest.fixture(scope="module")
def ready(lab_server: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A stack that is ready."""
    extensions.reset()
    os.environ["DRCTL_HOME"] = str(tmp_path_factory.mktemp("home"))
    world = World(lab_server)
    world.make_ready(BASE)
    yield world
    del os.environ["DRCTL_HOME"]
    extensions.reset()


def test_nothing_is_found_in_a_ready_stack_and_little_is_asked(ready: World) -> None:
    before = ready.calls()
    found, seconds = ready.judged()
    asked = ready.calls() - before
    assert (amiss(found), found.score) == ({}, 100)
    assert asked <= 1.2 * stack_of(BASE).count_resources(ready.run())
    assert seconds <= 10


@pytest.mark.parametrize(("kind", "number"), drawn(SAMPLE, SEED), ids=lambda one: getattr(one, "name", one))
def test_a_breakage_is_found_by_the_right_rule_and_is_gone_when_it_was_put_back(
        ready: World, kind: Breakage, number: int) -> None:
    told = broken(ready, kind, number, away=False)
    assert told.is_right, str(told)
    assert not told.left, str(told)


def test_what_nobody_does_is_found_by_nobody(ready: World) -> None:
    idle = Breakage("nothing at all", "DB-02", lambda _: None)
    told = broken(ready, idle, 0, away=False)
    assert not told.is_right
    assert str(told).startswith("MISS")


def test_the_proof_fails_when_another_rule_finds_it_or_none_or_a_ready_stack_is_blamed() -> None:
    kind = BREAKAGES["a key does not rotate"]
    right = Told(kind, "us-east-1", away=False, found={"KEY-03": ["it does not rotate"]})
    wrong = Told(kind, "us-east-1", away=False, found={"KEY-04": ["its policy is another"]})
    unseen = Told(kind, "us-east-1", away=False, found={"KEY-03": ["not seen: no answer"]})
    assert tell([right] * 100, [("a", {}, 1.0)]) == 0
    assert tell([*[right] * 96, *[wrong] * 4], []) == 1
    assert tell([*[right] * 96, *[unseen] * 4], []) == 1
    assert tell([right], [("a", {"KEY-03": ["it does not rotate"]}, 1.0)]) == 1
    assert tell([right], [("a", {}, 11.0)]) == 1
    assert tell([Told(kind, "us-east-1", away=False, found=right.found, left={"KEY-03": ["still"]})], []) == 1


def test_breakages_are_many_drawn_again_alike_and_each_has_a_rule() -> None:
    assert len(BREAKAGES) >= 100
    assert len({one.rule for one in BREAKAGES.values()}) >= 60
    assert {one.rule for one in BREAKAGES.values()} <= {rule.id for rule in RULES}
    assert drawn(200, 3) == drawn(200, 3)
    assert {kind.name for kind, _ in drawn(200, 3)} == set(BREAKAGES)
