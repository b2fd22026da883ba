"""Rules: what AWS does and moto does not, one small function each, switched off by name to see what it holds.

A rule wraps one method of moto. It gets `proceed`, the method as it was, and decides: refuse, delay, change or add to
the answer. Its docstring says the rule, the error code where it refuses, and the source.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from drctl.lab.clock import CLOCK

Wrapped = Callable[..., Any]


@dataclass(frozen=True)
class Rule:
    """One rule: its name, and its docstring (first line: the rule; then code and source)."""

    name: str
    text: str


#: Every rule by name.
RULES: dict[str, Rule] = {}
#: Names of the rules that are switched off.
SWITCHED_OFF: set[str] = set()


def rule(name: str, owner: type[Any], *methods: str) -> Callable[[Wrapped], Wrapped]:
    """Put a rule around methods of a moto class: `def rule(proceed, self, *args, **kwargs)`."""

    def install(function: Wrapped) -> Wrapped:
        if not function.__doc__ or "Source:" not in function.__doc__:
            raise ValueError(f"rule {name} must say its source")
        RULES[name] = Rule(name, function.__doc__)
        for method in methods:
            _wrap(name, owner, method, function)
        return function

    return install


def _wrap(name: str, owner: type[Any], method: str, function: Wrapped) -> None:
    before = getattr(owner, method)

    @functools.wraps(before)
    def around(self: Any, *args: Any, **kwargs: Any) -> Any:
        if name in SWITCHED_OFF:
            return before(self, *args, **kwargs)
        return function(functools.partial(before, self), self, *args, **kwargs)

    setattr(owner, method, around)


def operation(name: str, owner: type[Any], method: str) -> Callable[[Wrapped], Wrapped]:
    """Add an operation that moto lacks to one of its response classes: `def operation(self) -> ActionResult`."""

    def install(function: Wrapped) -> Wrapped:
        if not function.__doc__ or "Source:" not in function.__doc__:
            raise ValueError(f"operation {name} must say its source")
        RULES[name] = Rule(name, function.__doc__)
        before = getattr(owner, method, _not_there)

        @functools.wraps(function)
        def chosen(self: Any, *args: Any, **kwargs: Any) -> Any:
            return (before if name in SWITCHED_OFF else function)(self, *args, **kwargs)

        setattr(owner, method, chosen)
        return function

    return install


def layer_rule(name: str) -> Callable[[Wrapped], Wrapped]:
    """Make a rule known that stands in front of moto; whoever applies it asks `is_on(name)` first."""

    def install(function: Wrapped) -> Wrapped:
        if not function.__doc__ or "Source:" not in function.__doc__:
            raise ValueError(f"rule {name} must say its source")
        RULES[name] = Rule(name, function.__doc__)
        return function

    return install


def is_on(name: str) -> bool:
    """Whether a rule is not switched off."""
    return name not in SWITCHED_OFF


def unknown_rules(names: Iterable[str], known: Collection[str]) -> str:
    """A sentence about the first name that no known rule has, with the nearest; empty when all are known."""
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            return f"the lab has no rule {name!r}" + (f"; did you mean {near[0]}?" if near else "")
    return ""


def _not_there(*_: Any, **__: Any) -> Any:
    raise NotImplementedError("moto has no such operation")


def hide(model: Any, aws_seconds: float) -> None:
    """Let reads miss `model` for that long: AWS's reads lag behind its writes."""
    model.__dict__["_lab_hidden_until"] = CLOCK.now() + aws_seconds


def is_hidden(model: Any) -> bool:
    """Whether reads still miss `model`."""
    return bool(CLOCK.now() < model.__dict__.get("_lab_hidden_until", 0.0))


class Pending:
    """An attribute of a moto model that shows a pending value until its object is due, then its own.

    `Pending.install(NatGateway, "state", "pending")` once; `take(nat, seconds)` when one is made, and
    `take(nat, seconds, "deleting")` for a later stage that shows another value.
    """

    def __init__(self, attribute: str, value: str) -> None:
        self.attribute, self.value = attribute, value

    @classmethod
    def install(cls, owner: type[Any], attribute: str, value: str) -> None:
        """Replace the plain attribute of `owner`; instances keep their values."""
        setattr(owner, attribute, cls(attribute, value))

    def __get__(self, instance: Any, owner: type[Any]) -> Any:
        if instance is None:
            return self
        if is_due(instance):
            return instance.__dict__.get(self.attribute)
        return instance.__dict__.get("_lab_shows") or self.value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.attribute] = value


def take(model: Any, aws_seconds: float, shows: str | None = None) -> None:
    """Let `model` be pending for that long from now, showing `shows` instead of the usual pending value."""
    model.__dict__["_lab_shows"] = shows
    model.__dict__["_lab_due_at"] = CLOCK.now() + aws_seconds


def is_due(model: Any) -> bool:
    """Whether what `model` waits for has come."""
    return bool(CLOCK.now() >= model.__dict__.get("_lab_due_at", 0.0))
