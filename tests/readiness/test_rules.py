"""The catalogue of readiness: every finding of every step is some rule's, and every rule says why and what to do."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator

import pytest

from drctl.engine.step import Finding, Step
from drctl.readiness.readiness import RULES
from drctl.readiness.rule import Owns, owner_of
from drctl.settings import LAB_ACCOUNT, Settings
from drctl.stack import stack_of

#: Settings that choose every step there is.
CHOICES = ({"backup": {"enabled": True}, "trail": {"enabled": True}}, {"network": {"egress": "nat"}},
           {"tls": {"mode": "off"}},
           {"tls": {"mode": "given", **{f"{role}_certificate_arn": f"arn:aws:acm:{region}:{LAB_ACCOUNT}:certificate/1"
                                        for role, region in (("primary", "us-east-1"), ("standby", "us-west-2"))}}})
STEPS = {(type(step), step.purpose): step for choice in CHOICES
         for step in stack_of(Settings.model_validate(choice)).steps}


def owners(step: Step[object]) -> list[Owns]:
    return [rule for rule in RULES if isinstance(rule, Owns) and rule.is_of(step)]


@pytest.mark.parametrize("step", STEPS.values(), ids=lambda step: step.key)
def test_each_step_has_one_rule_for_whatever_no_other_rule_takes(step: Step[object]) -> None:
    assert [rule.id for rule in owners(step) if not rule.words] != []
    assert len([rule for rule in owners(step) if not rule.words]) == 1
    assert owner_of(RULES, step, Finding("it is blue")).words == ""


def test_a_step_that_no_rule_knows_is_told() -> None:
    step = next(iter(STEPS.values()))
    with pytest.raises(LookupError, match=type(step).__name__):
        owner_of([rule for rule in RULES if rule not in owners(step)], step, Finding("it is blue"))


def test_rules_are_many_and_each_has_its_own_id_reason_and_way() -> None:
    assert len(RULES) >= 60
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(re.fullmatch(r"[A-Z]+-\d\d", rule.id) and rule.must and rule.why and rule.mend for rule in RULES)


def texts(kind: type) -> Iterator[str]:
    """Every text in the modules of a step's class and of what these import from drctl.steps, with X for what is filled
    in."""
    modules = {inspect.getmodule(one) for one in kind.__mro__ if one.__module__.startswith("drctl.steps")}
    for module in list(modules):
        modules |= {inspect.getmodule(value) if not inspect.ismodule(value) else value
                    for value in vars(module).values() if getattr(
                        value, "__module__", getattr(value, "__name__", "")).startswith("drctl.steps")}
    for module in filter(None, modules):
        tree = ast.parse(inspect.getsource(module))
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


@pytest.mark.parametrize("rule", [rule for rule in RULES if isinstance(rule, Owns) and rule.words],
                         ids=lambda rule: rule.id)
def test_the_words_of_a_rule_are_words_of_its_steps(rule: Owns) -> None:
    """A finding that is worded anew must not move to another rule unnoticed."""
    parts = [re.sub(r"\\[SwW]\+?|[.][*+]?|[()?<!:^]| is ", "\n", one) for one in rule.words.split("|")]
    said = "\n".join(text for kind in rule.of for text in texts(kind))
    for part in parts:
        pieces = [piece.strip(" ,") for piece in part.split("\n")]
        strange = [one for one in pieces if " " in one and one not in said]  # a single word may be AWS's own
        assert not strange, f"{rule.id}: no step of it says {strange}"
