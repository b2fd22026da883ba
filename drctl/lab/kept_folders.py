"""Temporary folders from which the lab starts processes: neither outlives the lab, however it ends.

A cleaner, a process of its own, waits for each folder until the lab is gone. A cleaner that is killed is replaced at
once. Were the lab and its cleaners killed in the same moment, nobody is left: then `drctl lab up` or `drctl lab down`
of the same home finds the folders by the id of the lab's process, which is in their names, and cleans up.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from drctl.lab import cleaner

PREFIX = "drctl-"
#: Real seconds that a cleaner may take; one that ends sooner than it lived is not replaced at once.
PATIENCE_S, SHORTEST_LIFE_S = 30.0, 1.0


class KeptFolder:
    """A new, empty folder for its owner alone."""

    def __init__(self, purpose: str) -> None:
        name = f"{PREFIX}{os.getpid()}-{purpose}-{secrets.token_hex(6)}"
        self.path = Path(tempfile.gettempdir()).resolve() / name
        self._lock = threading.Lock()
        self._closed = False
        self._cleaner = self._begun()  # before there is anything to be cleaned up
        self.path.mkdir(0o700)
        threading.Thread(target=self._keep, name="cleaner", daemon=True).start()

    @property
    def cleaner(self) -> int:
        """The id of the process that cleans up."""
        return self._cleaner.pid

    def close(self) -> None:
        """End what was started from the folder and remove it."""
        with self._lock:
            self._closed = True
        if self._cleaner.stdin is not None:
            self._cleaner.stdin.close()
        self._cleaner.wait(PATIENCE_S)
        if self.path.exists():  # it was killed on the way
            cleaner.end_all(self.path)

    def _begun(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-I", "-S", cleaner.__file__, str(self.path)],
                                stdin=subprocess.PIPE, start_new_session=True)

    def _keep(self) -> None:
        """There is always one."""
        while True:
            began = time.monotonic()
            self._cleaner.wait()
            if time.monotonic() - began < SHORTEST_LIFE_S:
                threading.Event().wait(SHORTEST_LIFE_S)
            with self._lock:
                if self._closed:
                    return
                if self._cleaner.stdin is not None:
                    self._cleaner.stdin.close()
                self._cleaner = self._begun()


def sweep(pid: int) -> None:
    """Clean up what a lab has left whose process is gone together with its cleaners."""
    for folder in Path(tempfile.gettempdir()).resolve().glob(f"{PREFIX}{pid}-*"):
        cleaner.end_all(folder)
