"""docs/configuration.md: every key of a configuration, from the models and from config/production.yaml.

A key's meaning is the text below its field; a model's docstring is what its keys are about. Nothing of it is known when
drctl runs, so it is read from the source.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
import types
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from drctl.settings import Settings
from tests.documents.markdown import code, table

PRODUCTION = Path(__file__).parent.parent.parent / "config/production.yaml"
#: What a field's name ends with, and the unit that it stands for.
UNITS = {"_s": "seconds", "_minutes": "minutes", "_days": "days", "_mb": "MiB", "_percent": "percent", "_acu": "ACU"}
PLAIN = {str: "text", int: "whole number", float: "number", bool: "true, false", IPv4Network: "address range"}
HEAD = """\
<!-- Made by `make docs` from drctl/settings.py and config/production.yaml: change those, not this file. -->
# Configuration

A configuration is a YAML file, given with `-c/--config` or `DRCTL_CONFIG`. Without one drctl works on the lab and can
touch nothing else. Every configuration has to say who may reach the balancers; `target: aws` needs `account_id` and a
`dns.zone` of yours; all other keys are optional. `config/lab.yaml` is what runs without any, `config/dev.yaml` is small
and cheap, `config/production.yaml` shows every key; the examples below are from there.

A wrong file reports all its problems at once, with file, path and line, and nothing is called (exit 2):

```text
bad configuration: my.yaml: 3 problems; nothing was called
  my.yaml:2: enviroment: is not a known key; did you mean environment?
  my.yaml:6: network.standby_cidr: 10.0.128.0/17 overlaps network.primary_cidr 10.0.0.0/16: a peering between them …
  my.yaml:9: database.instance_class: db.t3.medium cannot be in a global database: burstable classes are refused; …
```

Credentials never go into a configuration. They are found as the AWS SDK finds them.
"""
VARIABLES = (
    ("`DRCTL_CONFIG`", "configuration file, instead of `-c`"),
    ("`DRCTL_HOME`", "where runs and the lab's state are kept, default `.drctl`; several homes hold several labs side "
     "by side"),
    ("`DRCTL_WEBHOOK_URL`", "where failovers and drills tell that they begin, need a decision and have ended: an "
     "incoming webhook that takes Slack's JSON; a secret, so never in a configuration file"),
    ("`DRCTL_SPEED`", "AWS seconds in a second of the lab, default 60; `drctl lab up --speed` wins"),
    ("`AWS_ENDPOINT_URL`", "wins over the lab's own address, so that a proxy or another emulator can stand there"),
    ("`AWS_PROFILE`, `AWS_*`", "as everywhere in the SDK, with `target: aws`"),
)


@dataclass(frozen=True)
class Key:
    """One key of a configuration file, or a group of them; `fields` are the group's model, None for a plain key."""

    path: tuple[str, ...]
    field: FieldInfo
    meaning: str
    fields: type[BaseModel] | None

    @property
    def name(self) -> str:
        """The path as messages write it."""
        return ".".join(self.path)


def all_keys(model: type[BaseModel] = Settings, path: tuple[str, ...] = ()) -> Iterator[Key]:
    """Every key, a group before the keys in it."""
    texts = meanings(model)
    for name, field in model.model_fields.items():
        kind = field.annotation
        group = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
        text = inspect.cleandoc(group.__doc__ or "") if group else texts.get(name, "")
        yield Key((*path, name), field, " ".join(text.split()), group)
        if group:
            yield from all_keys(group, (*path, name))


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """The text below each field of a model that has one."""
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr) \
                and isinstance(text.value, ast.Constant):
            found[field.target.id] = str(text.value.value)
    return found


def given(text: str) -> Any:
    """What a configuration would hold if none of its keys were commented out."""
    return yaml.safe_load(re.sub(r"^(\s*)# (?=\s*[a-z_]+:)", r"\1", text, flags=re.MULTILINE))


def reference() -> str:
    """The whole document."""
    examples = given(PRODUCTION.read_text(encoding="utf-8"))
    every = list(all_keys())
    parts = [HEAD, table(("environment variable", "meaning"), VARIABLES), "\n## The stack\n",
             _table([key for key in every if len(key.path) == 1 and not key.fields], examples)]
    for group in every:
        if group.fields:
            own = [key for key in every if key.path[:-1] == group.path and not key.fields]
            parts += [f"\n## {group.name}\n\n{group.meaning}\n", *([_table(own, examples)] if own else [])]
    return "\n".join(parts) + "\n"


def _table(rows: list[Key], examples: Any) -> str:
    return table(("key", "values", "default", "unit", "meaning", "example"), (
        (code(key.name), allowed(key.field.annotation, key.field.metadata), _default(key), unit(key.path[-1]),
         key.meaning, code(_shown(_example(key, examples)))) for key in rows))


def unit(name: str) -> str:
    """The unit that a field's name ends with."""
    return next((word for ending, word in UNITS.items() if name.endswith(ending)), "")


def allowed(kind: Any, limits: list[Any]) -> str:
    """The values that a field takes, in words."""
    if get_origin(kind) is Annotated:
        inner, *fields = get_args(kind)
        return allowed(inner, [limit for field in fields for limit in getattr(field, "metadata", [])])
    if get_origin(kind) in {Union, types.UnionType}:
        return ", or ".join("unset" if one is type(None) else allowed(one, []) for one in get_args(kind))
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is tuple:
        return f"list: {allowed(get_args(kind)[0], [])}"
    if get_origin(kind) is dict:
        return "mapping of names to texts" if get_args(kind)[1] is str else "mapping, anything that JSON knows"
    return " ".join(filter(None, (PLAIN[kind], _within(limits))))


def _within(limits: list[Any]) -> str:
    """Limits as `2 to 6`, `from 1`, or `over 0, up to 100`."""
    least = next((f"{one.ge}" for one in limits if isinstance(one, annotated_types.Ge)), "")
    over = next((f"over {one.gt}" for one in limits if isinstance(one, annotated_types.Gt)), "")
    most = next((f"{one.le}" for one in limits if isinstance(one, annotated_types.Le)), "")
    if least:
        return f"{least} to {most}" if most else f"from {least}"
    return ", ".join(filter(None, (over, f"up to {most}" if most else "")))


def _default(key: Key) -> str:
    return "unset" if key.field.default is None else code(_shown(key.field.default))


def _example(key: Key, examples: Any) -> Any:
    for part in key.path:
        examples = examples.get(part) if isinstance(examples, dict) else None
    return examples


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f'"{value}"' if re.fullmatch(r"[\d.]+", value) else value  # YAML takes bare digits for a number
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(str, value))}]"
    return json.dumps(value) if isinstance(value, bool | dict) else str(value)
