"""The data of a snapshot: a folder with a whole copy of a PostgreSQL server's files, from which servers can be made."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from drctl.lab.postgres import ReplicatedDatabase
from drctl.lab.postgres_server import Home, Login, Server

#: What says that files belong to a server that runs, or to one that follows another.
_OF_THE_SERVER = ("postmaster.pid", "standby.signal")
_numbers = itertools.count(1)


@dataclass(frozen=True)
class SavedData:
    """Files of a server as they were at one moment, and who may log in."""

    folder: Path
    login: Login

    @classmethod
    def of(cls, server: Server, login: Login) -> SavedData:
        """What `server` holds now: a base backup of one that runs, the files of one that crashed."""
        kept = _fresh(server.home)
        if server.is_up:
            kept.clone(server, server.admin_port)
        else:
            _copy(server.home, server.data, kept.data)
        for name in _OF_THE_SERVER:
            (kept.data / name).unlink(missing_ok=True)
        return cls(kept.data, login)

    def database(self, home: Home, label: str, hosts: Iterable[str], delay: Callable[[], float]) -> ReplicatedDatabase:
        """A database of its own that begins with this data."""
        made, server = ReplicatedDatabase(home, delay=delay), Server(home, label, hosts)
        _copy(home, self.folder, server.data)
        server.start()
        made.servers[label], made.writer = server, label
        return made

    def again(self, home: Home) -> SavedData:
        """The same data once more."""
        kept = _fresh(home)
        _copy(home, self.folder, kept.data)
        return SavedData(kept.data, self.login)

    def forget(self) -> None:
        """Remove the files."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _fresh(home: Home) -> Server:
    """A server that never runs: its folder is where data is kept."""
    return Server(home, f"saved-{next(_numbers)}")


def _copy(home: Home, source: Path, target: Path) -> None:
    """Files with their modes; the account owns the copy, too."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("postmaster.*"))
    for folder, _, names in os.walk(target):
        for path in (Path(folder), *(Path(folder, name) for name in names)):
            home.give(path)
