"""Reads a configuration file and reports every problem in it at once, with file, path and line; calls nothing."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from drctl.configuration_rules import problems_of
from drctl.errors import ConfigurationError
from drctl.settings import Settings

Location = tuple[str | int, ...]
#: Examples for keys that are required or often wrong.
EXAMPLES = {
    "account_id": '"210987654321"', "regions.primary": "us-east-1", "dns.zone": "dr.your-company.com",
    "tls.primary_certificate_arn": "arn:aws:acm:us-east-1:210987654321:certificate/<id>",
    "network.primary_cidr": "10.0.0.0/16", "network.admit_cidrs": "[198.51.100.0/24]",
}


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong in a configuration file."""

    file: str
    line: int
    path: str
    text: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        example = f" (for example: {EXAMPLES[self.path]})" if self.path in EXAMPLES else ""
        return f"{where}: {self.path or 'file'}: {self.text}{example}"


class InvalidConfiguration(ConfigurationError):
    """All problems of one file."""

    def __init__(self, file: str, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        count = len(self.problems)
        super().__init__(f"{file}: {count} problem{'s' if count != 1 else ''}; nothing was called",
                         next_step="mend the lines above and run the same command again")


def packaged_lab() -> Path:
    """The packaged lab configuration: what a drctl without any configuration uses."""
    return Path(str(files("drctl").joinpath("config/lab.yaml")))


def load(path: Path) -> Settings:
    """The settings in a YAML file; raises InvalidConfiguration with all problems."""
    return parse(_text(path), str(path))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidConfiguration(str(path), [Problem(str(path), 0, "", f"cannot be read: {reason}")]) from None


def parse(text: str, file: str) -> Settings:
    """The settings in a YAML text; `file` is what messages call it."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 0
        problem = Problem(file, line, "", f"is not YAML: {getattr(error, 'problem', error)}")
        raise InvalidConfiguration(file, [problem]) from None
    if not isinstance(data, dict):
        raise InvalidConfiguration(file, [Problem(file, 1, "", "must be a mapping of keys to values")])
    lines, doubles = _lines(node)
    found = [(path, "is given twice; the last one would win") for path in doubles]
    settings, schema = _validate(data)
    found += schema
    if settings is not None:
        wrong = {path for path, _ in found}
        found += [(path, text) for path, text in problems_of(settings, data) if path not in wrong]
    if found or settings is None:
        raise InvalidConfiguration(file, [
            Problem(file, _line(lines, path), ".".join(map(str, path)), text) for path, text in found])
    return settings


def _validate(data: dict[str, Any]) -> tuple[Settings | None, list[tuple[Location, str]]]:
    """The settings, and what is wrong with the data; what is wrong is left out so that the rest can be judged too."""
    found: list[tuple[Location, str]] = []
    for _ in range(3):
        try:
            return Settings.model_validate(data), found
        except ValidationError as error:
            for one in error.errors():
                location = tuple(one["loc"])
                found.append((location, _words(one, location)))
                data = _without(data, location)
    return None, found


def _words(error: Any, location: Location) -> str:
    if error["type"] != "extra_forbidden":
        message = str(error["msg"])
        return message[:1].lower() + message[1:]
    known = _keys_at(location[:-1])
    near = difflib.get_close_matches(str(location[-1]), known, n=1)
    if near:
        return f"is not a known key; did you mean {near[0]}?"
    return f"is not a known key; known are {', '.join(known)}"


def _keys_at(location: Location) -> list[str]:
    model: Any = Settings
    for part in location:
        field = model.model_fields.get(str(part)) if isinstance(model, type) and issubclass(model, BaseModel) else None
        model = field.annotation if field else None
    return sorted(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _without(data: dict[str, Any], location: Location) -> dict[str, Any]:
    """`data` without the key at `location`, or without the innermost mapping key that leads there."""
    if not location or location[0] not in data:
        return data
    first, rest = str(location[0]), location[1:]
    inner = data[first]
    if rest and isinstance(inner, dict) and rest[0] in inner:
        return {**data, first: _without(inner, rest)}
    return {key: value for key, value in data.items() if key != first}


def _lines(node: Any, path: Location = ()) -> tuple[dict[Location, int], list[Location]]:
    """Line numbers of every key and item, and the keys that stand twice in one mapping."""
    lines: dict[Location, int] = {}
    doubles: list[Location] = []
    children: list[tuple[Location, Any, int]] = []
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, key.value)
            if any(here == other for other, _, _ in children):
                doubles.append(here)
            children.append((here, value, key.start_mark.line + 1))
    elif isinstance(node, yaml.SequenceNode):
        children = [((*path, index), value, value.start_mark.line + 1) for index, value in enumerate(node.value)]
    for here, value, line in children:
        lines[here] = line
        inner_lines, inner_doubles = _lines(value, here)
        lines |= inner_lines
        doubles += inner_doubles
    return lines, doubles


def _line(lines: dict[Location, int], path: Location) -> int:
    """Line of `path`, or of the nearest key above it that is in the file; 0 when there is none."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 0)
