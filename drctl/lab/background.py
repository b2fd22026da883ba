"""Processes that go on in the background after the command that began them: begun, listened to once, ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
from pathlib import Path

from drctl.processes import lives

#: Real seconds that a process may take until it says its first line, and to end.
START_WITHIN, END_WITHIN = 60.0, 15.0
#: Those of this process, kept because Python warns of one that is forgotten while it runs, and these go on on purpose.
_BEGUN: list[subprocess.Popen[bytes]] = []


def begin(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """A process of its own session; what it prints can be read once, what it complains of goes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as complaints:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints,
                                   start_new_session=True)
    _BEGUN.append(process)
    return process


def first_line(process: subprocess.Popen[bytes]) -> bytes:
    """The JSON document that it prints when it is ready; empty, and the process ended, when it says none in time."""
    line = b""
    if process.stdout is not None:
        with process.stdout as out:
            line = out.readline() if select.select([out], [], [], START_WITHIN)[0] else b""
    if line.startswith(b"{"):
        return line
    process.kill()
    process.wait()
    return b""


def last_words(log: Path) -> str:
    """The last line of what it complained of."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def end(pid: int) -> None:
    """Ask a process to end, and make it when it does not in time; it need not be there any more."""
    with contextlib.suppress(ProcessLookupError):
        for number in (signal.SIGTERM, signal.SIGCONT):  # one that was stopped would not hear the first
            os.kill(pid, number)
    if not _goes(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _goes(pid: int) -> bool:
    pause = threading.Event()
    for _ in range(int(END_WITHIN * 50)):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        if not lives(pid):
            return True
        pause.wait(0.02)
    return False
