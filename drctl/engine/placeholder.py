"""Stands for the output of a step that is yet to be made, so that it can be asked what others will make of it.

What is known beforehand is there; what AWS will make up is a word that says so and equals nothing that stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from types import MethodType
from typing import Any, get_args, get_origin, get_type_hints

from drctl.engine.step import Step
from drctl.engine.survey import UNKNOWN, NotKnownYet


def not_known(step: Step[Any]) -> str:
    """The word for what AWS makes up once `step` is made; it can be taken apart like an ARN."""
    return f"{UNKNOWN}{step.key} is there)"


class Placeholder:
    """An output with the fields of the step's own output class; `known` are those whose value is known."""

    def __init__(self, step: Step[Any], known: Mapping[str, Any]) -> None:
        self._step, self._known = step, known

    @cached_property
    def _class(self) -> type[Any]:
        """The class of the step's output: the argument of `Step` or of a class between."""
        for kind in type(self._step).__mro__:
            for parent in getattr(kind, "__orig_bases__", ()):
                if (inner := get_args(parent)) and isinstance(inner[0], type):
                    return inner[0]
        raise NotKnownYet(f"once {self._step.key} is there")

    def __getattr__(self, name: str) -> Any:
        """Raises NotKnownYet for a field whose value no word can stand for."""
        if name in self._known:
            return self._known[name]
        own = vars(self._class).get(name)
        if isinstance(own, property) and own.fget is not None:
            return own.fget(self)
        if callable(own):
            return MethodType(own, self)
        word, hint = not_known(self._step), get_type_hints(self._class).get(name)
        match get_origin(hint) or hint:
            case kind if kind is str:
                return f"arn:?:?:?:?:{word}" if name == "arn" or name.endswith("_arn") else word
            case kind if kind is tuple:
                return (word,)
            case kind if kind is frozenset:
                return frozenset({word})
        raise NotKnownYet(f"once {self._step.key} is there")
