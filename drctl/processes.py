"""Processes of this machine: when one began, and whether it still lives; a dead one that nobody has buried does not."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

#: What `began` says of a process that has ended and lies there unburied; some containers bury nobody for seconds.
GONE = "gone"


def began(pid: int) -> str:
    """When a process began, in ticks since the machine did; GONE when it has ended, empty where nothing tells."""
    with suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return GONE if fields[0] in {"Z", "X"} else fields[19]
    return ""


def lives(pid: int) -> bool:
    """Whether a process of this number is alive, somebody else's too."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return began(pid) != GONE
