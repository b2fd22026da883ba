"""Ends every PostgreSQL server below a folder, and the folder, once the process that started this one is gone.

Run as `python -I -S postgres_watch.py FOLDER` with a pipe as standard input: the pipe ends with the lab, whatever ended
the lab, kill -9 included. Imports nothing but the standard library, so that it is up in some milliseconds.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

#: Seconds between SIGQUIT (PostgreSQL's immediate shutdown) and SIGKILL.
GRACE_S = 3.0


def servers(root: Path) -> list[int]:
    """Process ids of the servers whose data lies below `root`; a pid file of a dead server names nobody."""
    found = []
    for file in root.glob("*/postmaster.pid"):
        with suppress(OSError, ValueError, IndexError):
            pid = int(file.read_text().split()[0])
            shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], check=False,  # noqa: S607  # in every PATH
                                   capture_output=True, text=True)
            if str(file.parent) in shown.stdout:
                found.append(pid)
    return found


def end_all(root: Path) -> None:
    """Stop the servers, remove the folder."""
    for number in (signal.SIGQUIT, signal.SIGKILL):
        for pid in servers(root):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        pause = threading.Event()
        for _ in range(int(GRACE_S / 0.05)):
            if not servers(root):
                break
            pause.wait(0.05)
    shutil.rmtree(root, ignore_errors=True)


def main() -> None:
    """Wait for the end of standard input, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    end_all(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
