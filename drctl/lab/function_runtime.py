"""The lab's side of the process that environments of Lambda functions are forks of."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drctl.lab import function_worker

#: Real seconds in which a process begins, and in which one that was killed has ended.
BEGINS_S, ENDS_S = 60.0, 5.0


@dataclass(frozen=True)
class Environment:
    """A process that was begun, and the socket that it is spoken with."""

    pid: int
    channel: socket.socket


class Runtime:
    """One process, begun at once; whoever asks for an environment waits until it is ready."""

    def __init__(self, root: Path) -> None:
        self._control, far = socket.socketpair()
        with far:
            self._process = subprocess.Popen(
                [sys.executable, "-I", function_worker.__file__, f"{root}/"], stdin=far.fileno(),
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "en_US.UTF-8"})
        self._asking = threading.Lock()
        self._begun: queue.Queue[int | None] = queue.Queue()
        self._told = threading.Condition()
        self._codes: dict[int, int] = {}
        self._gone = False
        threading.Thread(target=self._listen, name="function-runtime", daemon=True).start()

    @property
    def is_up(self) -> bool:
        """Whether it can be asked."""
        return not self._gone

    def begin(self, folder: Path, entry_point: str, environment: Mapping[str, str]) -> Environment:
        """A new environment; OSError when this process has ended."""
        near, far = socket.socketpair()
        words = json.dumps({"folder": str(folder), "entry_point": entry_point, "environment": dict(environment)})
        with self._asking, far:
            self._ask(words.encode(), far.fileno())
            try:
                pid = self._begun.get(timeout=BEGINS_S)
            except queue.Empty:
                pid = None
        if pid is None:
            near.close()
            raise OSError("the process that environments are forks of has ended")
        return Environment(pid, near)

    def kill(self, pid: int) -> None:
        """End an environment and what its code has started, and return when it has ended."""
        if not self._gone:
            with self._asking, suppress(OSError):
                self._ask(json.dumps({"kill": pid}).encode())
        elif pid not in self._codes:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        self.code_of(pid)

    def code_of(self, pid: int) -> int:
        """How an environment that ends, or has just been killed, has ended; negative for a signal."""
        with self._told:
            self._told.wait_for(lambda: pid in self._codes or self._gone, ENDS_S)
            return self._codes.get(pid, -signal.SIGKILL)

    def stop(self) -> None:
        """End the process, and with it every environment."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(ENDS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, words: bytes, *handles: int) -> None:
        socket.send_fds(self._control, [len(words).to_bytes(4)], handles)
        self._control.sendall(words)

    def _listen(self) -> None:
        with self._control, self._control.makefile("r") as lines, suppress(OSError):
            for line in lines:
                said: dict[str, Any] = json.loads(line)
                if "begun" in said:
                    self._begun.put(said["begun"])
                    continue
                with self._told:
                    self._codes[said["ended"]] = said["code"]
                    self._told.notify_all()
        with self._told:
            self._gone = True
            self._told.notify_all()
        self._begun.put(None)
        self._process.wait()
