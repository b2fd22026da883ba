"""The zip of each Lambda function, reproducible: the same input gives the same hash on every machine.

Files are sorted, stored without compression (compressors differ between machines) and carry one fixed time and mode.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath

from drctl.errors import ConfigurationError
from drctl.settings import Settings

#: The earliest time that a zip can hold.
EPOCH = (1980, 1, 1, 0, 0, 0)
#: Lambda's own user must be able to read the files (Lambda Developer Guide, "Working with .zip file archives").
MODE = 0o644
LAMBDAS = Path(__file__).parent / "lambdas"
#: What each of our functions is made of, and the library that Lambda's runtime does not have; boto3 it has.
PARTS = {"app": (("app", "database"), "pg8000"), "probe": (("probe", "database"), "pg8000"),
         "latch": (("latch", "name_servers"), "dnspython")}
#: What an installer writes beside a distribution: differs from machine to machine.
INSTALLERS_OWN = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
NATIVE = {".so", ".pyd", ".dylib"}
#: CreateFunction takes this much as a direct upload (Lambda Developer Guide, "Lambda quotas").
LARGEST = 50 * 1024 * 1024


@dataclass(frozen=True)
class Package:
    """A function's code; `sha256` is base64, as Lambda shows it in CodeSha256."""

    content: bytes = field(repr=False)
    sha256: str
    entry_point: str


def package(settings: Settings, label: str) -> Package:
    """The package of function `label` ("app", "probe" or "latch"), made once a process; raises ConfigurationError."""
    if label == "app" and settings.app.package:
        return _users_own(settings.app.package, settings.app.entry_point)
    if label not in PARTS:
        raise ConfigurationError(f"there is no function {label}")
    return _ours(label)


@cache
def _ours(label: str) -> Package:
    files = {"lambdas/__init__.py": (LAMBDAS / "__init__.py").read_bytes()}
    parts, library = PARTS[label]
    for part in parts:
        files |= {f"lambdas/{part}/{path}": content for path, content in files_below(LAMBDAS / part).items()}
    return _package(files | vendored(library), f"lambdas.{label}.main.handler")


@cache
def _users_own(place: str, entry_point: str) -> Package:
    path = Path(place).expanduser()
    if path.is_dir():
        return _package(files_below(path), entry_point)
    if not zipfile.is_zipfile(path):
        raise ConfigurationError(f"app.package: {place} is neither a directory nor a zip file",
                                 next_step="name the directory or the zip file with your function's code")
    return _finished(path.read_bytes(), entry_point)


def _package(files: Mapping[str, bytes], entry_point: str) -> Package:
    return _finished(archive(files), entry_point)


def _finished(content: bytes, entry_point: str) -> Package:
    if len(content) > LARGEST:
        raise ConfigurationError(f"the package has {len(content) // 2**20} MB; Lambda takes 50 MB in a direct upload")
    return Package(content, base64.b64encode(hashlib.sha256(content).digest()).decode(), entry_point)


def archive(files: Mapping[str, bytes]) -> bytes:
    """A zip of the files that depends on their names and contents alone."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as target:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3  # Unix, whatever this machine is: else the mode is not read
            entry.external_attr = (0o100000 | MODE) << 16
            target.writestr(entry, files[name])
    return made.getvalue()


def files_below(root: Path) -> dict[str, bytes]:
    """Every file below a directory by its path, but compiled code and what hides behind a dot."""
    found = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if _belongs(PurePosixPath(name))}


def _belongs(path: PurePosixPath) -> bool:
    return path.suffix != ".pyc" and not any(part == "__pycache__" or part.startswith(".") for part in path.parts)


def vendored(name: str) -> dict[str, bytes]:
    """The files of an installed distribution and all it requires; raises ConfigurationError if one cannot go along."""
    files: dict[str, bytes] = {}
    for found in _with_requirements(name):
        for path in found.files or ():
            here = PurePosixPath(path.as_posix())
            if ".." in here.parts or here.name in INSTALLERS_OWN or not _belongs(here):
                continue
            if here.suffix in NATIVE:
                raise ConfigurationError(f"{found.name} is not pure Python ({here}) and would not run on Lambda")
            files[str(here)] = Path(str(found.locate_file(path))).read_bytes()
    return files


def _with_requirements(name: str) -> Iterator[Distribution]:
    wanted, seen = [name], set[str]()
    while wanted:
        current = wanted.pop()
        if current in seen:
            continue
        seen.add(current)
        found = _installed(current)
        yield found
        # "scramp==1.5.0": the name; what is for an extra or another Python (after ";") is not needed on Lambda's.
        wanted += [match.group() for text in found.requires or () if ";" not in text
                   and (match := re.match(r"[A-Za-z0-9._-]+", text))]


def _installed(name: str) -> Distribution:
    try:
        found = distribution(name)
    except PackageNotFoundError:
        raise ConfigurationError(f"{name} is not installed; it goes into the functions' packages",
                                 next_step="pip install drctl again") from None
    if not found.files:
        raise ConfigurationError(f"the installed {name} has no list of its files",
                                 next_step=f"pip install --force-reinstall {name}")
    return found
