"""Ends every process that was started from a folder, and removes the folder, once the process that began this one is
gone.

Run as `python -I -S cleaner.py FOLDER` with a pipe as standard input: the pipe ends with the lab, whatever ended the
lab, kill -9 included. A PostgreSQL server is asked to stop at once; a function that is busy, and does not read that its
own pipe has ended, is killed with what it has started. Imports nothing but the standard library, so that it is up in
some milliseconds.
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

#: Seconds between SIGQUIT (PostgreSQL's immediate shutdown) and SIGKILL, and in which a folder can be removed.
GRACE_S = 3.0


def commands() -> dict[int, str]:
    """The command lines of all processes by their ids."""
    shown = subprocess.run(["ps", "-axww", "-o", "pid=,command="], check=False,  # noqa: S607  # in every PATH
                           capture_output=True, text=True, errors="replace")
    lines = (line.strip().partition(" ") for line in shown.stdout.splitlines())
    return {int(pid): command.strip() for pid, _, command in lines if pid.isdigit()}


def started_from(root: Path) -> dict[int, str]:
    """The processes that name a path below `root`, by their ids; not those that clean up."""
    return {pid: command for pid, command in commands().items() if f"{root}/" in command and __file__ not in command}


def end_all(root: Path) -> None:
    """Stop what was started from a folder, remove the folder."""
    pause = threading.Event()
    for number in (signal.SIGQUIT, signal.SIGKILL):
        for pid, command in started_from(root).items():
            _end(pid, command, number)
        for _ in range(int(GRACE_S / 0.05)):
            if not started_from(root):
                break
            pause.wait(0.05)
    for _ in range(int(GRACE_S / 0.05)):
        shutil.rmtree(root, ignore_errors=True)
        if not root.exists():  # what has ended may have written a last file meanwhile
            return
        pause.wait(0.05)


def _end(pid: int, command: str, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if Path(command.split(maxsplit=1)[0]).name == "postgres":
            os.kill(pid, number)
        else:
            os.killpg(pid, signal.SIGKILL)  # each is the first of its own session


def main() -> None:
    """Wait for the end of standard input, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    end_all(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
