"""Imports go one way, each heavy library has one room, and every module says what it is for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
#: What each room may import of drctl, besides itself.
MAY_IMPORT = {
    "cli": {"runbooks", "readiness", "stack", "actions", "steps", "engine", "aws", "lab", "permissions", "ground"},
    "readiness": {"stack", "actions", "steps", "engine", "aws", "ground"},
    "runbooks": {"stack", "actions", "engine", "aws", "ground"},
    "stack": {"steps", "engine", "aws", "ground"},
    "actions": {"steps", "engine", "aws", "ground"},
    "steps": {"engine", "aws", "ground"},
    "permissions": {"steps", "aws", "ground"},
    "engine": {"aws", "ground"},
    "aws": {"ground", "lambdas"},
    "lab": {"aws", "ground"},
    "lambdas": set(),
    "ground": set(),
}
#: Modules of drctl that everybody stands on.
GROUND = {"settings", "settings_operation", "names", "errors", "home", "configuration", "configuration_rules",
          "packaging", "processes", ""}
#: What the lab may know of the rest: data and the classification of calls, so that it stays an independent AWS.
LAB_MAY_KNOW = {"drctl.aws.durations", "drctl.aws.calls", "drctl.aws.tags", "drctl.errors", "drctl.home",
                "drctl.processes", "drctl"}
#: Libraries that live in one room only.
ROOMS = {"click": {"cli"}, "boto3": {"aws", "lambdas"}, "tenacity": {"engine"}, "moto": {"lab"}, "rich": {"cli"},
         "flask": {"lab"}, "werkzeug": {"lab"}, "dnslib": {"lab"}, "dns": {"lambdas"}, "jinja2": {"cli"},
         "pg8000": {"lab", "lambdas"},
}


def modules() -> list[Path]:
    found = [*(ROOT / "drctl").rglob("*.py"), *(ROOT / "runbooks").glob("*.py")]
    return [path for path in found if not (path.is_relative_to(ROOT / "drctl/runbooks")
                                           or path.is_relative_to(ROOT / "drctl/config"))]


def room(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    if parts[0] == "runbooks":
        return "runbooks"
    if len(parts) == 2:
        name = parts[1].removesuffix(".py")
        return "stack" if name == "stack" else "ground"
    return parts[1]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of_import(name: str) -> str | None:
    parts = name.split(".")
    if parts[0] != "drctl":
        return None
    inner = parts[1] if len(parts) > 1 else ""
    if inner in MAY_IMPORT:
        return inner
    return "ground" if inner in GROUND or inner.startswith("__") else None


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    here = room(path)
    wrong = {name for name in imports(path)
             if (there := room_of_import(name)) and there != here and there not in MAY_IMPORT[here]}
    assert not wrong, f"{here} may not import {wrong}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_each_library_stays_in_its_room(path: Path) -> None:
    here = room(path)
    wrong = {name for name in imports(path) if (top := name.split(".")[0]) in ROOMS and here not in ROOMS[top]}
    assert not wrong, f"{here} may not import {wrong}"


def test_tenacity_is_used_in_one_module_only() -> None:
    users = {path.name for path in modules() for name in imports(path) if name.split(".")[0] == "tenacity"}
    assert users == {"waiting.py"}


def test_the_lab_knows_only_data_of_the_rest() -> None:
    known = {name for path in modules() if room(path) == "lab" for name in imports(path)
             if name.startswith("drctl") and not name.startswith("drctl.lab")}
    strangers = {name for name in known if not any(name == it or name.startswith(it + ".") for it in LAB_MAY_KNOW)}
    assert not {name for name in strangers if name.split(".")[1:2] not in (["lab"], ["errors"], ["home"], ["processes"])
                and name != "drctl.aws"}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for_and_stays_short(path: Path) -> None:
    text = path.read_text()
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), "a module's docstring says what it is for"
    assert text.count("\n") <= 300, "a module over 300 lines holds two things"


def test_no_module_sleeps_but_the_clock() -> None:
    sleepers = {path.name for path in modules() if "time.sleep" in path.read_text()}
    assert not sleepers


def test_the_house_notices_a_wrong_import(tmp_path: Path) -> None:
    """The check can fail: a step that imports a command is found."""
    assert "cli" not in MAY_IMPORT["steps"]
    assert room_of_import("drctl.cli.main") == "cli"
    bad = tmp_path / "bad.py"
    bad.write_text("from drctl.cli import main\nimport moto.server\n")
    assert {room_of_import(name) for name in imports(bad)} >= {"cli"}
