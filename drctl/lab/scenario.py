"""A scenario: what happens to a stack in a lab, step by step, and what is expected of drctl and of users at each.

One YAML file each, packaged under `config/scenarios`; users may write their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from drctl.errors import ConfigurationError
from drctl.lab.damages import DAMAGES
from drctl.settings_operation import Model

#: What a field of a report has to be: that value, or a number between two.
Expected = str | bool | int | float | None | tuple[float, float]
#: Keys of which a step has exactly one.
KINDS = ("drctl", "outage", "lag", "traffic", "damage", "wait", "users", "rows")


def _span(text: str) -> str:
    if not re.fullmatch(r"\d+(\.\d+)?(ms|s|m|h)", text):
        raise ValueError(f"{text!r} is no span of time: 500ms, 20s, 15m, 2h")
    return text


def _damage(name: str) -> str:
    if name not in DAMAGES:
        raise ValueError(f"{name!r} is no damage: {', '.join(DAMAGES)}")
    return name


Span = Annotated[str, AfterValidator(_span)]


class Outage(Model):
    """What is taken away, as `drctl lab outage start` takes it; `end` gives everything back."""

    region: str
    service: str = ""
    bucket: str = ""
    mode: Literal["refuse", "error", "hang"] = "refuse"
    gray: str = ""
    #: Real time by which a slow database answers late, such as 100ms; empty for what the lab usually takes.
    delay: str = ""


class Step(Model):
    """One thing that is done or expected; exactly one of its keys, and what belongs to it."""

    #: A command, without the word drctl; its exit code, words of its screen, and fields of its report.
    drctl: str | None = None
    exits: int = 0
    says: tuple[str, ...] = ()
    report: dict[str, Expected] = {}
    #: The lab's own switches.
    outage: Outage | Literal["end"] | None = None
    lag: Span | None = None
    traffic: Literal["start", "stop"] | None = None
    #: Something broken by hand, by name.
    damage: Annotated[str, AfterValidator(_damage)] | None = None
    #: AWS time that passes.
    wait: Span | None = None
    #: The region that users write to within `within`, or none: nobody's write is acknowledged for a minute.
    users: str | None = None
    within: Span = "15m"
    #: Every acknowledged row is there (`kept`), or there or on the last failback's list (`accounted`).
    rows: Literal["kept", "accounted"] | None = None

    @property
    def kind(self) -> str:
        """Which key it has."""
        return next(name for name in KINDS if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _one_kind(self) -> Step:
        given = [name for name in KINDS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a step has exactly one of {', '.join(KINDS)}; this one has {', '.join(given) or 'none'}")
        return self


class Scenario(Model):
    """Title and reason for people, then the steps; `built` is whether the stack stands before the first of them."""

    title: str
    why: str
    built: bool = True
    #: Parts of the configuration that this scenario wants otherwise.
    settings: dict[str, Any] = {}
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]


def packaged() -> dict[str, Path]:
    """The scenarios that come with drctl, by name."""
    folder = Path(str(files("drctl").joinpath("config/scenarios")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load(path: Path, names: Mapping[str, str]) -> Scenario:
    """A scenario with `{names}` put in their places; ConfigurationError for one that cannot be read, with every
    problem."""
    try:
        text = path.read_text(encoding="utf-8")
        data = yaml.safe_load(_filled(text, names))
        return Scenario.model_validate(data)
    except (OSError, yaml.YAMLError, KeyError) as error:
        raise ConfigurationError(f"{path}: is no scenario: {error}") from None
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ConfigurationError(f"{path}: {told}") from None


def _filled(text: str, names: Mapping[str, str]) -> str:
    """Only known names are filled in: YAML has braces of its own."""
    return re.sub(r"\{(\w+)\}", lambda match: names.get(match[1], match[0]), text)
