"""Changing a setting later: the plan says exactly what, provision does exactly that, nothing else is touched, and back.

`make test` draws some of the changes, `make changes` makes all of them; CHANGES_SEED draws others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from drctl.actions.plan import Plan
from drctl.lab import extensions
from drctl.lab.server import Lab
from drctl.settings import Settings
from drctl.steps.certificate import CertificateOut
from drctl.steps.listeners import ListenersOut
from tests.actions.plan_world import Planned, changed, intended
from tests.actions.test_plan import refused_by_provision
from tests.changes.cases import CHANGES, ELSEWHERE, NOT_AWS, REFUSALS, Change, OneWay, Parts, Refusal, every_key, keys

#: How many changes `make test` makes.
SOME = 4
ALL, SEED = os.environ.get("CHANGES") == "all", os.environ.get("CHANGES_SEED", "1")
THERE_AND_BACK = [one for one in CHANGES if not isinstance(one, OneWay)]


def drawn(cases: Any, count: int) -> Any:
    """All of them, or a sample that the seed repeats."""
    return cases if ALL else Random(SEED).sample(list(cases), count)  # noqa: S311  # repeatable


@pytest.fixture(scope="module")
def world(lab_server: Lab) -> Iterator[Planned]:
    """A stack that stands."""
    extensions.reset()
    made = Planned(lab_server)
    made.provision(Settings())
    yield made
    extensions.reset()


@pytest.fixture
def restore(world: Planned) -> Iterator[list[Settings]]:
    """Settings under which a test ended in its middle: the world is put back for the next one."""
    left: list[Settings] = []
    yield left
    if left:
        world.provision(Settings())


def by_name(steps: Mapping[str, str]) -> frozenset[str]:
    """Steps without their regions."""
    return frozenset(key.rpartition(" ")[0] for key in steps)


def standing(found: Plan, *, but: Mapping[str, str]) -> dict[str, Any]:
    """How every step stands that is not spoken of."""
    return {one.step.key: lasting(one.out) for one in found.intents if one.step.key not in but}


def lasting(out: Any) -> Any:
    """What passes by itself left out: a certificate's days, and what a balancer finds of its targets."""
    if isinstance(out, CertificateOut):
        return replace(out, days_left=None)
    if isinstance(out, ListenersOut):
        return replace(out, group=replace(out.group, targets=dict.fromkeys(out.group.targets, "")))
    return out


def told(parts: Any, world: Planned, folder: Path) -> Parts:
    found: Parts = parts(world, folder) if callable(parts) else parts
    return found


def makes_exactly(world: Planned, wanted: Settings, touches: frozenset[str], may_touch: frozenset[str] = frozenset(),
                  shown_by: frozenset[str] = frozenset()) -> None:
    """The plan says that these steps are touched, provision touches them alone, and then nothing is left to do."""
    before = world.calls()[1]
    found = world.plan(wanted)
    assert world.calls()[1] == before, "a plan has changed something"
    planned = intended(found)
    assert by_name(planned) - may_touch == touches
    done = world.provision(wanted)
    assert {key: planned[key] for key in done} == done
    assert by_name({key: what for key, what in planned.items() if key not in done}) <= may_touch
    after = world.plan(wanted)
    assert (intended(after), after.is_whole) == ({}, True)
    others = {key: out for key, out in standing(found, but=planned).items() if key.rpartition(" ")[0] not in shown_by}
    assert {key: out for key, out in standing(after, but=planned).items() if key in others} == others


@pytest.mark.parametrize("change", drawn(THERE_AND_BACK, SOME), ids=str)
def test_a_change_is_made_in_place_and_touches_nothing_else_and_so_is_the_way_back(
        world: Planned, restore: list[Settings], tmp_path: Path, change: Change) -> None:
    base = changed(Settings(), told(change.before, world, tmp_path))
    if change.before:
        world.provision(base)
    restore.append(base)
    makes_exactly(world, changed(base, told(change.parts, world, tmp_path)), change.touches, change.may_touch)
    makes_exactly(world, base, change.touches if change.back is None else change.back)
    restore.pop()
    if change.before:
        world.provision(Settings())


@pytest.mark.parametrize("refusal", drawn(REFUSALS, 2), ids=str)
def test_what_cannot_change_in_place_is_refused_with_the_reason_and_the_way(world: Planned, refusal: Refusal) -> None:
    settings, before = changed(Settings(), refusal.parts), world.calls()[1]
    in_the_way = [one for one in world.plan(settings).in_the_way if refusal.words in one.texts[0]]
    assert in_the_way
    assert all(refusal.way in one.way for one in in_the_way)
    assert world.calls()[1] == before
    assert set(refused_by_provision(world, settings, [one.step for one in in_the_way])) == {
        one.step.key for one in in_the_way}
    assert world.calls()[1] == before, "what is refused was begun"
    assert intended(world.plan(Settings())) == {}


def test_what_aws_never_sees_changes_nothing(world: Planned) -> None:
    assert intended(world.plan(changed(Settings(), NOT_AWS))) == {}


def test_every_key_of_the_configuration_is_spoken_of() -> None:
    of_lab = {f"lab.{key}" for key in ("traffic.write.method", "traffic.write.path", "traffic.write.body",
                                       "traffic.read.path", "traffic.id_field")}
    every: tuple[Change | Refusal, ...] = (*CHANGES, *REFUSALS)
    spoken = {key for one in every if not callable(one.parts) for key in keys(one.parts)}
    spoken |= {key for key in keys(NOT_AWS) if not key.startswith("lab.")} | of_lab | set(ELSEWHERE)
    spoken |= {"dns.zone_id", "tls.primary_certificate_arn", "tls.standby_certificate_arn", "app.package"}
    assert set(every_key()) - spoken == set()
    assert spoken - set(every_key()) == set()


@pytest.mark.parametrize("change", [one for one in CHANGES if isinstance(one, OneWay)], ids=str)
def test_what_goes_one_way_is_made_in_place_and_the_way_back_is_refused(world: Planned, change: OneWay) -> None:
    """The last tests of this world: it is another one afterwards."""
    before = settled(world)
    there = changed(before, told(change.parts, world, Path()))
    makes_exactly(world, there, change.touches, shown_by=change.shown_by)
    back = [one for one in world.plan(before).in_the_way if change.words in one.texts[0]]
    assert back
    assert all(change.way in one.way for one in back)


def settled(world: Planned) -> Settings:
    """The settings that the world has, as far as they were changed for good."""
    found, done = Settings(), {one.step.key: one.out for one in world.plan(Settings()).intents}
    version = done["global cluster us-east-1"].engine_version
    generation = done["database secret us-east-1"].password_generation
    return changed(found, {"database": {"engine_version": version, "password_generation": generation}})
