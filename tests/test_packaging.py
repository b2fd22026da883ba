from __future__ import annotations

import base64
import hashlib
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from drctl import packaging
from drctl.errors import ConfigurationError
from drctl.packaging import archive, files_below, package
from drctl.settings import App, Settings


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    packaging._ours.cache_clear()
    packaging._users_own.cache_clear()


@pytest.mark.parametrize("label", ["app", "probe", "latch"])
def test_the_same_input_gives_the_same_hash(label: str) -> None:
    first = package(Settings(), label)
    packaging._ours.cache_clear()
    again = package(Settings(), label)
    assert first is not again
    assert first.sha256 == again.sha256
    assert first.sha256 == base64.b64encode(hashlib.sha256(first.content).digest()).decode()


def test_it_is_made_once_a_process() -> None:
    assert package(Settings(), "app") is package(Settings(), "app")


@pytest.mark.parametrize(("label", "library"), [
    ("app", "pg8000.native"), ("probe", "pg8000.native"), ("latch", "dns.message")])
def test_it_imports_in_a_clean_interpreter_with_nothing_else(label: str, library: str, tmp_path: Path) -> None:
    made = package(Settings(), label)
    path = tmp_path / "function.zip"
    path.write_bytes(made.content)
    module, _, function = made.entry_point.rpartition(".")
    code = (f"import sys; sys.path.insert(0, {str(path)!r})\n"
            f"import {module}, {library} as library\n"
            f"from importlib.resources import files\n"
            f"assert callable({module}.{function})\n"
            f"assert library.__file__.startswith({str(path)!r}), library.__file__\n"
            f"assert not [name for name in sys.modules if name.split('.')[0] in ('drctl', 'boto3', 'botocore')]\n"
            + ("import lambdas.app.migrations as m; assert list(m.known())[0] == '0001_patients.sql'\n"
               if label == "app" else ""))
    ended = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_each_package_has_its_own_function_only() -> None:
    names = zipfile.ZipFile(io.BytesIO(package(Settings(), "probe").content)).namelist()
    assert "lambdas/probe/main.py" in names
    assert not [name for name in names if name.startswith("lambdas/app/") or name.endswith(".pyc")]
    assert names == sorted(names)
    assert any(name.startswith("pg8000-") and name.endswith("LICENSE") for name in names)


def test_neither_file_times_nor_modes_nor_order_change_the_hash(tmp_path: Path) -> None:
    files = {"b.py": "B = 2\n", "a.py": "A = 1\n", "deep/c.py": ""}
    hashes = set()
    for number, order in enumerate([list(files), sorted(files)]):
        root = tmp_path / str(number)
        for name in order:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[name])
            path.chmod(0o600 + number * 0o44)
            os.utime(path, (10**9 * (number + 1),) * 2)
        (root / "__pycache__").mkdir()
        (root / "__pycache__" / "a.cpython-311.pyc").write_bytes(os.urandom(8))
        hashes.add(hashlib.sha256(archive(files_below(root))).hexdigest())
    assert len(hashes) == 1


def test_another_content_changes_the_hash() -> None:
    assert archive({"a.py": b"1"}) != archive({"a.py": b"2"})


def test_a_directory_of_the_users_own_is_packed(tmp_path: Path) -> None:
    (tmp_path / "web.py").write_text("def go(event, context): return 'mine'\n")
    made = package(Settings(app=App(package=str(tmp_path), entry_point="web.go")), "app")
    assert made.entry_point == "web.go"
    assert zipfile.ZipFile(io.BytesIO(made.content)).namelist() == ["web.py"]


def test_a_zip_of_the_users_own_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.zip"
    path.write_bytes(archive({"web.py": b""}))
    assert package(Settings(app=App(package=str(path))), "app").content == path.read_bytes()


def test_the_probe_is_always_ours(tmp_path: Path) -> None:
    mine = Settings(app=App(package=str(tmp_path)))
    assert package(mine, "probe").entry_point == "lambdas.probe.main.handler"


def test_a_package_that_is_nowhere_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="neither a directory nor a zip"):
        package(Settings(app=App(package=str(tmp_path / "absent"))), "app")


def test_a_distribution_that_is_not_pure_python_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not pure Python"):
        packaging.vendored("pydantic_core")
