"""drctl processes from one warmed parent: each is a fork with everything imported, so its start costs milliseconds.

Run as `python -m tests.forking`: one JSON line in for each process to begin (args, environment, cwd, out, err,
program), one JSON line out when it has begun (`pid`) and when it has ended (`pid`, `code`). Forks are processes like
any other: they have their own start time, and SIGKILL ends them.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass
class Forked:
    """One drctl process."""

    pid: int
    out: Path
    err: Path
    parent: Parent

    def wait(self, within: float = 240) -> int:
        """Its exit code, negative for a signal."""
        return self.parent.code_of(self.pid, within)


class Parent:
    """The warmed process, and what it has told of its children."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-m", "tests.forking"], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
        self._told = threading.Condition()
        self._begun: list[int] = []
        self._codes: dict[int, int] = {}
        self._hearing = threading.Thread(target=self._hear, daemon=True)
        self._hearing.start()

    def begin(self, arguments: list[str], environment: dict[str, str], cwd: Path, out: Path, err: Path,
              program: str = "") -> Forked:
        """A drctl process that goes on; its output goes into two files. `program`: see `_child`."""
        assert self._process.stdin is not None
        with self._told:
            begun = len(self._begun)
            self._process.stdin.write(json.dumps({"args": arguments, "environment": environment, "cwd": str(cwd),
                                                  "out": str(out), "err": str(err), "program": program}) + "\n")
            self._process.stdin.flush()
            assert self._told.wait_for(lambda: len(self._begun) > begun, timeout=60), "the parent is not there"
            return Forked(self._begun[begun], out, err, self)

    def code_of(self, pid: int, within: float) -> int:
        """How a child ended."""
        with self._told:
            if not self._told.wait_for(lambda: pid in self._codes, timeout=within):
                os.kill(pid, signal.SIGKILL)
                raise TimeoutError(f"process {pid} has not ended within {within:g} s")
            return self._codes.pop(pid)

    def _hear(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            with self._told:
                if "code" in told:
                    self._codes[told["pid"]] = told["code"]
                else:
                    self._begun.append(told["pid"])
                self._told.notify_all()

    def end(self) -> None:
        """No more children."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._hearing.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


@cache
def warmed() -> Parent:
    """The one of this process, ended with it."""
    made = Parent()
    atexit.register(made.end)
    return made


# The parent's own side. ----------------------------------------------------------------------------------------------


def _warm() -> None:
    """Import what a command imports, and read the service models, which take most of a start."""
    from drctl.aws import clients
    from drctl.cli.main import COMMANDS

    for module, _ in COMMANDS.values():
        importlib.import_module(f"drctl.cli.commands.{module}")
    for module in ("cli.control", "cli.evidence", "cli.failures", "actions.judge", "actions.prove", "lab.process",
                   "actions.preflight", "runbooks.provision", "runbooks.drill", "runbooks.teardown", "stack",
                   "actions.look", "cli.failing_over", "cli.failing_back"):
        importlib.import_module(f"drctl.{module}")
    for name in clients.Region.__annotations__:
        if name != "name":
            clients._models().load_service_model(clients.SERVICE_NAMES.get(name, name), "service-2")


def _child(asked: dict[str, Any]) -> None:
    """Be `drctl ARGS`, and nothing of what the parent was; `program` is a module whose `main` stands for drctl's."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for path, flags, number in ((os.devnull, os.O_RDONLY, 0), (asked["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 1),
                                (asked["err"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 2)):
        file = os.open(path, flags, 0o644)
        os.dup2(file, number)
        os.close(file)
    os.closerange(3, 256)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w"))
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["cwd"])
    random.seed()  # otherwise all children would draw the same pauses
    sys.argv = ["drctl", *asked["args"]]
    code = 1
    try:
        importlib.import_module(asked["program"] or "drctl.cli.main").main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _serve() -> None:
    """Fork on request, bury the dead, end when nobody asks any more."""
    _warm()
    near, far = os.pipe()
    os.set_blocking(far, False)
    signal.set_wakeup_fd(far)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    asked = b""
    while True:
        ready, _, _ = select.select([0, near], [], [])
        if near in ready:
            os.read(near, 4096)
            _bury()
        if 0 in ready:
            piece = os.read(0, 65536)
            if not piece:
                return
            *lines, asked = (asked + piece).split(b"\n")
            for line in lines:
                pid = os.fork()
                if pid == 0:
                    _child(json.loads(line))
                _tell(pid=pid)


def _bury() -> None:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            _tell(pid=ended[0], code=os.waitstatus_to_exitcode(ended[1]))


def _tell(**told: int) -> None:
    os.write(1, json.dumps(told).encode() + b"\n")


if __name__ == "__main__":
    _serve()
