"""A placeholder says what is known, and a word for what AWS will make up, which equals nothing that stands."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from drctl.engine.placeholder import Placeholder, not_known
from drctl.engine.step import Step
from drctl.engine.survey import NotKnownYet
from drctl.settings import Settings
from drctl.stack import stack_of
from drctl.steps.secret import DatabaseSecret
from drctl.steps.subnets import Subnets
from tests.engine.fakes import SITE, Thing, World

STACK = stack_of(Settings())


def of(kind: type[Any], **known: Any) -> Any:
    step = next(step for step in STACK.steps if isinstance(step, kind))
    return Placeholder(step, known)


def test_what_is_known_is_given_and_the_rest_is_a_word_that_says_what_for() -> None:
    out = of(DatabaseSecret, name="secret-database")
    assert (out.name, out.version) == ("secret-database", "(known once database secret us-east-1 is there)")


def test_several_ids_are_several_of_one_word() -> None:
    assert of(Subnets).private == ("(known once subnets us-east-1 is there)",)


def test_what_an_output_makes_of_its_fields_it_makes_of_the_words_too() -> None:
    out = of(DatabaseSecret)
    assert "(known once" in out.local("us-west-2")
    assert out.generation.endswith("is there)")


def test_a_field_that_no_word_can_stand_for_says_what_is_missing() -> None:
    with pytest.raises(NotKnownYet, match="once security groups us-east-1 is there"):
        _ = of(type(STACK.ground.primary.groups)).rules
    with pytest.raises(NotKnownYet):
        _ = Placeholder(Thing(SITE, "a", World()), {}).anything


@pytest.mark.parametrize("step", STACK.steps, ids=lambda step: step.key)
def test_every_step_of_the_stack_can_be_stood_for(step: Step[Any]) -> None:
    """A field is given, or it is said that it is not known; nothing else can happen."""
    placeholder = Placeholder(step, {})
    for name in placeholder._class.__annotations__:
        with suppress(NotKnownYet):
            assert getattr(placeholder, name) is not None


def test_a_word_equals_no_other() -> None:
    assert not_known(STACK.steps[0]) != not_known(STACK.steps[1])


