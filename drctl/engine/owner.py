"""Who runs drctl: a person on a machine, and the process, so that a dead process of this machine is told from a live
one."""

from __future__ import annotations

import getpass
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from drctl.processes import began, lives


@dataclass(frozen=True)
class Owner:
    """`name` is what a person types; `machine` differs between machines, their starts, and their containers."""

    name: str
    host: str
    machine: str
    pid: int
    started: str


def myself() -> Owner:
    """The owner that this process is."""
    host = socket.gethostname()
    return Owner(f"{_user()}@{host}", host, _machine(), os.getpid(), began(os.getpid()))


def is_dead(owner: Owner) -> bool:
    """Whether the owner surely lives no more; of another machine, or where nothing tells, nobody knows: False."""
    if owner.machine != _machine():
        return False
    return not lives(owner.pid) or (bool(owner.started) and began(owner.pid) not in {owner.started, ""})


def is_alive_here(owner: Owner) -> bool:
    """Whether the owner is a process of this machine that lives."""
    return owner.machine == _machine() and not is_dead(owner)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return str(os.getuid())


def _machine() -> str:
    """Process numbers mean something within one start of one machine and one process namespace only."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(Path("/proc/self/ns/pid").readlink().name)
    return " ".join(parts)
