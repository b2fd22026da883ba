"""Where a scenario is played: a lab of its own under a home of its own, and drctl in processes of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from drctl.aws.clients import Aws, Credentials, Door
from drctl.cli.traffic import target_of
from drctl.configuration import load
from drctl.engine.clock import Clock
from drctl.engine.events import Events
from drctl.lab import process, traffic_process
from drctl.lab.damages import Stricken
from drctl.lab.traffic_audit import Audit, audit
from drctl.lab.traffic_record import Record
from drctl.lab.traffic_user import Way
from drctl.settings import Settings

#: Real seconds that a command may take; and that users may take on a slow machine, however fast its lab is.
COMMAND_S, USERS_AT_LEAST_S = 600.0, 30.0


class Differs(Exception):
    """Something is otherwise than the scenario expects."""


class Stage:
    """One lab, the settings of the scenario in a file, and what was seen so far."""

    def __init__(self, home: Path, settings: Mapping[str, Any], speed: float) -> None:
        self.home = home.resolve()
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        file = self.home / "settings.yaml"
        file.write_text(yaml.safe_dump(dict(settings)), encoding="utf-8")
        self.settings: Settings = load(file)
        self.environment = {**os.environ, "DRCTL_HOME": str(self.home), "DRCTL_CONFIG": str(file)}
        self.environment.pop("AWS_ENDPOINT_URL", None)
        #: Of the commands whose report was looked at.
        self.reports: list[dict[str, Any]] = []
        self._records: list[Record] = []
        self._speed = speed

    def __enter__(self) -> Stage:
        self.must("lab", "up", "--speed", str(self._speed))
        return self

    def __exit__(self, *_: object) -> None:
        self.run("lab", "down")

    @cached_property
    def lab(self) -> process.LabState:
        """The lab of this stage."""
        state = json.loads((self.home / "lab.json").read_text(encoding="utf-8"))
        return process.LabState(**{**state, "without": tuple(state["without"])})

    @cached_property
    def stricken(self) -> Stricken:
        """The stack for whoever breaks it."""
        door = Door(self.lab.endpoint, Credentials("lab", "lab"), speed=self.lab.speed)
        return Stricken(Aws(door, Events(Clock(self.lab.speed))), self.settings, self.lab)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command, as its user types it; Differs when it does not end."""
        try:
            return subprocess.run([sys.executable, "-m", "drctl.cli", *words], env=self.environment, text=True,
                                  check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=COMMAND_S)
        except subprocess.TimeoutExpired:
            raise Differs(f"drctl {' '.join(words)} did not end within {COMMAND_S:g} s") from None

    def must(self, *words: str) -> None:
        """A command that the scenario rests on."""
        done = self.run(*words)
        if done.returncode:
            raise Differs(f"drctl {' '.join(words)}: exit {done.returncode}: {end_of(done.stderr)}")

    def until(self, look: Callable[[], bool], aws_seconds: float) -> bool:
        """Whether it came to be so within that AWS time."""
        end, pause = time.monotonic() + max(aws_seconds / self._speed, USERS_AT_LEAST_S), threading.Event()
        while not look():
            if time.monotonic() > end:
                return False
            pause.wait(0.1)
        return True

    # Users -------------------------------------------------------------------------------------------------------

    def begin_traffic(self) -> None:
        """Have clients write, and return when each of them does."""
        label = f"users-{len(self._records) + 1}"
        self.must("lab", "traffic", "start", "--label", label)
        self._records.append(Record(self.home / "traffic" / f"{label}.jsonl"))
        if not self.until(lambda: len(self.record.acknowledged()) >= 5 * traffic_process.CLIENTS, 900.0):
            raise Differs("the clients do not write")

    @property
    def record(self) -> Record:
        """What the clients have seen up to now; Differs when there were none."""
        if not self._records:
            raise Differs("a scenario has to start its traffic before it looks at users or rows")
        self._records[-1].refresh()
        return self._records[-1]

    def audited(self) -> Audit:
        """Every acknowledged row, read back through the users' name."""
        way = Way.of(process.ask(self.lab, "clients"))
        return audit(self.record.acknowledged(), way, target_of(self.settings))


def end_of(text: str) -> str:
    """The last lines of what a command said."""
    return " / ".join(text.strip().splitlines()[-3:])
