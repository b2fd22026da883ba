"""What the lab's clients ask for: the name, and how a numbered row is written and read through the users' own app."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True)
class Asked:
    """One HTTP request; an empty body is none."""

    method: str
    path: str
    body: bytes = b""


@dataclass(frozen=True)
class Target:
    """The users' name, whether it is asked by HTTPS, the client's IPv4 address, and the requests as templates.

    `{row}` and `{id}` in them become the row's text and what the app called it; `id_field` is where the JSON answer to
    a write says that: a key, or keys with dots between them.
    """

    name: str
    tls: bool
    client: str
    method: str
    path: str
    body: Mapping[str, Any]
    read_path: str
    id_field: str

    @property
    def port(self) -> int:
        """The balancer's port."""
        return 443 if self.tls else 80

    def write(self, row: str) -> Asked:
        """The request that writes a row."""
        return Asked(self.method, _path(self.path, row=row), json.dumps(_filled(self.body, row)).encode())

    def read(self, row: str, known_as: str | None) -> Asked | None:
        """The request that reads a row back; None when it needs an id and the app gave none."""
        if known_as is None and "{id}" in self.read_path:
            return None
        return Asked("GET", _path(self.read_path, row=row, id=known_as or ""))

    def id_in(self, answer: bytes) -> str | None:
        """What the app calls the row, by its answer to the write; None when it does not say."""
        try:
            found: Any = json.loads(answer)
            for key in self.id_field.split("."):
                found = found[key]
        except (ValueError, KeyError, TypeError):
            return None
        return str(found) if isinstance(found, str | int) else None


def _path(path: str, **values: str) -> str:
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    return path


def _filled(value: Any, row: str) -> Any:
    match value:
        case str():
            return value.replace("{row}", row)
        case dict():
            return {key: _filled(inner, row) for key, inner in value.items()}
        case list():
            return [_filled(inner, row) for inner in value]
        case _:
            return value
