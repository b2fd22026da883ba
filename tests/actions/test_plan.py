"""What a plan says is what a provision does: over damage by hand and over settings that are changed later."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

import pytest

from drctl.engine.runner import build, destroy
from drctl.engine.step import Step
from drctl.errors import RunFailed
from drctl.lab import extensions
from drctl.lab.server import Lab
from drctl.settings import Settings
from drctl.stack import stack_of
from tests.actions.plan_world import CHOICES, DAMAGES, EAST, Planned, changed, damaged, foreign_topic, intended

BASE = Settings()
#: How many trials `make test` makes; PLAN_TRIALS makes more, PLAN_SEED others.
TRIALS, SEED = int(os.environ.get("PLAN_TRIALS", "5")), int(os.environ.get("PLAN_SEED", "1"))


@pytest.fixture(scope="module")
def empty(lab_server: Lab) -> Iterator[Planned]:
    """An account in which nothing stands yet."""
    extensions.reset()
    yield Planned(lab_server)
    extensions.reset()


@pytest.fixture(scope="module")
def first(empty: Planned) -> tuple[dict[str, str], dict[str, str], int]:
    """The first plan and what the provision after it did, and how many changes the plan has made."""
    before = empty.calls()[1]
    found = empty.plan(BASE)
    changes = empty.calls()[1] - before
    return intended(found), empty.provision(BASE), changes


@pytest.fixture
def world(empty: Planned, first: Any) -> Planned:
    """A stack that stands as the settings want it."""
    return empty


def test_the_plan_of_an_empty_account_is_what_the_first_provision_makes(first: Any) -> None:
    planned, done, changes = first
    assert planned == done
    assert len(planned) > 80
    assert changes == 0


def test_the_plan_of_a_stack_that_stands_is_empty_and_asks_little(world: Planned) -> None:
    stack, run = stack_of(BASE), world.run(BASE)
    resources = stack.count_resources(run)
    before = world.calls()
    found = world.plan(BASE)
    calls, changes = (now - then for now, then in zip(world.calls(), before, strict=True))
    assert (intended(found), found.leftovers, found.leftovers_unknown) == ({}, (), "")
    assert changes == 0
    assert calls / resources <= 1.2
    assert round(found.bill.now) == round(found.bill.planned)
    assert (found.path.seconds, found.on_the_way()) == (0, [])


@pytest.mark.parametrize("trial", range(TRIALS))
def test_what_a_plan_says_is_what_provision_does(world: Planned, trial: int) -> None:
    random = Random(f"{SEED} {trial}")  # noqa: S311  # repeatable
    settings = BASE
    for choice in random.sample(CHOICES, random.choice((0, 1, 3))):
        settings = changed(settings, choice)
    done = damaged(world, random.sample(sorted(DAMAGES), random.choice((1, 3, 6))), random)
    for wanted in [settings, BASE] if settings != BASE else [BASE]:
        before = world.calls()[1]
        planned = intended(world.plan(wanted))
        assert world.calls()[1] == before, "a plan has changed something"
        assert planned == world.provision(wanted), f"after {done}, with {settings}"
        assert intended(world.plan(wanted)) == {}


def refused_by_provision(world: Planned, settings: Settings, steps: Iterable[Step[Any]] = ()) -> dict[str, str]:
    """The steps that provision stops at, with what it says; every step is tried, or each of `steps`."""
    run, said = world.run(settings), {}
    for step in steps or stack_of(settings).steps:
        try:
            build(run, [step])
        except RunFailed as failed:
            said[step.key] = str(failed.failures[0].error)
    return said


@pytest.mark.parametrize(("choice", "words"), [
    ({"database": {"name": "another"}}, "cannot be changed without replacing the data"),
    ({"network": {"availability_zones": 2}}, "which cannot be taken from them"),
    ({"database": {"engine_version": "16.4"}}, "Aurora takes no version back"),
], ids=str)
def test_what_would_replace_data_is_refused_by_the_plan_in_provisions_own_words(
        world: Planned, choice: dict[str, Any], words: str) -> None:
    settings = changed(BASE, choice)
    refused = {one.step.key: one for one in world.plan(settings).those({"refused"})}
    said = refused_by_provision(world, settings)
    assert set(refused) == set(said)
    assert refused
    for key, intent in refused.items():
        assert intent.way
        assert words in intent.texts[0]
        assert said[key].startswith(intent.texts[0])
    assert intended(world.plan(BASE)) == world.provision(BASE)  # what could change with the rest is put back


def test_a_name_of_ours_without_our_tag_is_told_as_not_ours_and_provision_stops_there(world: Planned) -> None:
    east = world.aws[EAST]
    DAMAGES["a topic is deleted"](east)
    arn = foreign_topic(east)
    [theirs] = world.plan(BASE).in_the_way
    assert (theirs.step.key, theirs.what) == ("topic us-east-1", "not-ours")
    assert "does not carry this stack's tag" in theirs.texts[0]
    assert "rename or delete" in theirs.way
    assert refused_by_provision(world, BASE)["topic us-east-1"] == theirs.texts[0]
    east.sns.delete_topic(TopicArn=arn)
    world.provision(BASE)


def test_what_former_settings_have_left_is_told_and_is_nothing_that_provision_does(world: Planned) -> None:
    settings = changed(BASE, {"backup": {"enabled": True}})
    world.provision(settings)
    found = world.plan(BASE)
    left = set(found.leftovers) - set(world.plan(settings).leftovers)
    assert {one.kind for one in left} == {"backup:plan", "backup:vault", "iam:role"}
    assert (found.to_do, found.in_the_way, found.is_whole) == ([], [], True)
    destroy(world.run(BASE), [step for step in stack_of(BASE).retired if "backup" in step.key])
    assert not left & set(world.plan(BASE).leftovers)


def test_what_stands_half_is_not_taken_for_left_over(world: Planned) -> None:
    DAMAGES["a health check is deleted"](world.aws[EAST])
    found = world.plan(BASE)
    assert [one.step.key for one in found.those({"create"})] == ["health checks us-east-1"]
    assert "route53:healthcheck" not in {one.kind for one in found.leftovers}
    world.provision(BASE)


def test_a_change_is_told_with_its_price_and_its_time(world: Planned) -> None:
    found = world.plan(changed(BASE, {"network": {"egress": "nat"}}))
    part = next(one for one in found.bill.parts if one.name == "endpoints and NAT")
    assert (round(part.now), round(part.planned)) == (88, 66)
    assert found.path.seconds >= 120
    assert next(step.key for step, _ in found.on_the_way()) in {"nat us-east-1", "nat us-west-2"}


def test_what_a_check_keeps_for_life_is_replaced_and_its_record_follows(world: Planned) -> None:
    found = world.plan(changed(BASE, {"dns": {"health_interval_s": 30, "latch_minutes": 9}}))
    kinds = {one.step.key: one.what for one in found.to_do}
    assert (kinds["health checks us-east-1"], kinds["failover records us-east-1"]) == ("replace", "change")
