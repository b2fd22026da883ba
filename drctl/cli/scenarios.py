"""Plays a scenario: a lab of its own, drctl in processes of its own, and what came of each step beside what was expected.

Nothing of the caller's lab, runs or environment is touched; the runs of a scenario stay in its folder.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from drctl.aws.clients import Aws, Credentials, Door
from drctl.cli.traffic import target_of
from drctl.configuration import load as load_settings
from drctl.engine.clock import Clock
from drctl.engine.events import Events
from drctl.errors import ConfigurationError
from drctl.lab import process, traffic_process
from drctl.lab.damages import DAMAGES
from drctl.lab.scenario import Expected, Scenario, Step
from drctl.lab.traffic_audit import audit
from drctl.lab.traffic_record import Record
from drctl.lab.traffic_user import Way
from drctl.settings import Settings

#: AWS seconds of a unit, by its letters.
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
#: Real seconds that a command may take; and that users may take on a slow machine, however fast its lab is.
COMMAND_S, USERS_AT_LEAST_S = 600.0, 30.0
#: AWS seconds without an acknowledged write after which nobody writes.
NOBODY_S = 60.0


class Differs(Exception):
    """Something is otherwise than the scenario expects."""


@dataclass(frozen=True)
class Outcome:
    """How a scenario ended: what differed, at which step (from 1), empty for nothing; and real seconds."""

    name: str
    title: str
    differs: str
    step: int
    seconds: float
    steps: tuple[str, ...] = field(default=())


class Stage:
    """One lab under a home of its own, the settings of the scenario in a file, and drctl."""

    def __init__(self, home: Path, settings: Mapping[str, Any], speed: float) -> None:
        self.home = home
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        self.file = home / "settings.yaml"
        self.file.write_text(yaml.safe_dump(dict(settings)), encoding="utf-8")
        self.settings: Settings = load_settings(self.file)
        self.environment = {**os.environ, "DRCTL_HOME": str(home), "DRCTL_CONFIG": str(self.file)}
        self.environment.pop("AWS_ENDPOINT_URL", None)
        self.reports: list[dict[str, Any]] = []
        self.records: list[Path] = []
        self._speed = speed

    def __enter__(self) -> Stage:
        self.must("lab", "up", "--speed", str(self._speed))
        found = self.lab
        self.aws = Aws(Door(found.endpoint, Credentials("lab", "lab"), speed=found.speed), Events(Clock(found.speed)))
        return self

    def __exit__(self, *_: object) -> None:
        self.run("lab", "down")

    @property
    def lab(self) -> process.LabState:
        """The lab of this stage."""
        state = json.loads((self.home / "lab.json").read_text(encoding="utf-8"))
        return process.LabState(**{**state, "without": tuple(state["without"])})

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command, as its user types it."""
        return subprocess.run([sys.executable, "-m", "drctl", *words], env=self.environment, cwd=self.home, text=True,
                              check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=COMMAND_S)

    def must(self, *words: str) -> None:
        """A command of the lab itself, which has to succeed."""
        done = self.run(*words)
        if done.returncode:
            raise Differs(f"drctl {' '.join(words)}: exit {done.returncode}: {_end_of(done.stderr)}")

    def until(self, look: Callable[[], bool], aws_seconds: float) -> bool:
        """Whether it came to be so within that AWS time."""
        end, pause = time.monotonic() + max(aws_seconds / self._speed, USERS_AT_LEAST_S), threading.Event()
        while not look():
            if time.monotonic() > end:
                return False
            pause.wait(0.1)
        return True


def _end_of(text: str) -> str:
    return " / ".join(text.strip().splitlines()[-3:])


def play(name: str, scenario: Scenario, home: Path, settings: Mapping[str, Any], speed: float) -> Outcome:
    """Play a scenario under `home`; what differs ends it."""
    began, number, told = time.monotonic(), 0, list[str]()
    try:
        with Stage(home, _merged(settings, scenario.settings), speed) as stage:
            if scenario.built:
                stage.must("provision", "--json")
            for number, step in enumerate(scenario.steps, 1):
                told.append(f"{step.kind} {_shown(step)}")
                PLAYED[step.kind](stage, step)
    except Differs as difference:
        return Outcome(name, scenario.title, str(difference), number, time.monotonic() - began, tuple(told))
    return Outcome(name, scenario.title, "", 0, time.monotonic() - began, tuple(told))


def _merged(settings: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with parts of them replaced, key by key."""
    return {**settings, **{key: _merged(settings.get(key) or {}, value) if isinstance(value, Mapping) else value
                           for key, value in other.items()}}


def _shown(step: Step) -> str:
    value = getattr(step, step.kind)
    return value if isinstance(value, str) else " ".join(f"{key} {one}" for key, one in value if one)


# The steps -----------------------------------------------------------------------------------------------------------


def _drctl(stage: Stage, step: Step) -> None:
    words = shlex.split(step.drctl or "")
    done = stage.run(*words, *(["--json"] if step.report and "--json" not in words else []),
                     *(["--yes"] if words[0] in {"failover", "failback", "teardown"} and "--yes" not in words
                       and "--show" not in words else []))
    if done.returncode != step.exits:
        raise Differs(f"expected exit {step.exits}, got {done.returncode}: {_end_of(done.stderr)}")
    screen = done.stdout + done.stderr
    if missing := [words for words in step.says if words not in screen]:
        raise Differs(f"not said: {', '.join(map(repr, missing))}; the end of what was: {_end_of(screen)}")
    if step.report:
        stage.reports.append(json.loads(done.stdout))
        _compare(stage.reports[-1], step.report)


def _compare(report: Mapping[str, Any], expected: Mapping[str, Expected]) -> None:
    for path, wanted in expected.items():
        seen: Any = report
        for key in path.split("."):
            seen = seen.get(key) if isinstance(seen, Mapping) else None
        fits = (isinstance(seen, int | float) and wanted[0] <= seen <= wanted[1]) if isinstance(wanted, tuple) else (
            seen == wanted)
        if not fits:
            raise Differs(f"{path} is {seen!r}, expected {wanted!r}")


def _outage(stage: Stage, step: Step) -> None:
    if step.outage == "end" or step.outage is None or isinstance(step.outage, str):
        stage.must("lab", "outage", "end")
        return
    given = {"region": step.outage.region, "service": step.outage.service, "bucket": step.outage.bucket,
             "gray": step.outage.gray, "mode": "" if step.outage.gray else step.outage.mode}
    stage.must("lab", "outage", "start", *(word for key, value in given.items() if value
                                           for word in (f"--{key}", value)))


def _lag(stage: Stage, step: Step) -> None:
    stage.must("lab", "lag", str(step.lag))


def _traffic(stage: Stage, step: Step) -> None:
    label = f"users-{len(stage.records) + 1}"
    if step.traffic == "stop":
        stage.must("lab", "traffic", "stop")
        return
    stage.must("lab", "traffic", "start", "--label", label)
    stage.records.append(stage.home / "traffic" / f"{label}.jsonl")
    if not stage.until(lambda: len(_record(stage).acknowledged()) >= 5 * traffic_process.CLIENTS, 900.0):
        raise Differs("the clients do not write")


def _record(stage: Stage) -> Record:
    if not stage.records:
        raise ConfigurationError("a scenario has to start its traffic before it looks at users or rows")
    return Record(stage.records[-1])


def _damage(stage: Stage, step: Step) -> None:
    if step.damage not in DAMAGES:
        raise ConfigurationError(f"damage {step.damage!r} is unknown: {', '.join(DAMAGES)}")
    DAMAGES[step.damage](stage.aws, stage.settings)


def _wait(stage: Stage, step: Step) -> None:
    threading.Event().wait(seconds_of(str(step.wait)) / stage.lab.speed)


def _users(stage: Stage, step: Step) -> None:
    began, speed = time.time(), stage.lab.speed
    if step.users == "none":
        if not stage.until(lambda: _silent_s(stage) * speed >= NOBODY_S, seconds_of(step.within)):
            raise Differs("users still write, expected that nobody does")
        return
    if not stage.until(lambda: any(one.region == step.users for one in _since(stage, began)), seconds_of(step.within)):
        last = _record(stage).last_before(time.time())
        raise Differs(f"no write was acknowledged in {step.users} within {step.within}; the last one was in "
                      f"{last.region if last else 'no region'}")


def _silent_s(stage: Stage) -> float:
    last = _record(stage).last_before(time.time())
    return time.time() - last.at if last else float("inf")


def _since(stage: Stage, moment: float) -> Iterator[Any]:
    return (one for one in _record(stage).acknowledged() if one.at >= moment)


def _rows(stage: Stage, step: Step) -> None:
    way = Way.of(process.ask(stage.lab, "clients"))
    found = audit(_record(stage).acknowledged(), way, target_of(stage.settings))
    listed = " ".join(item for report in stage.reports for one in report.get("reconciliation", ())
                      for item in one["items"]) if step.rows == "accounted" else ""
    ids = {one.n: one.id for one in _record(stage).acknowledged()}
    gone = [n for n in (*found.missing, *found.unknown) if not ids[n] or str(ids[n]) not in listed]
    if gone:
        raise Differs(f"{len(gone)} acknowledged rows are neither there"
                      + (" nor listed" if step.rows == "accounted" else "") + f": {gone[:20]}")


def seconds_of(span: str) -> float:
    """AWS seconds of 500ms, 20s, 15m or 2h."""
    found = re.fullmatch(r"([\d.]+)(ms|s|m|h)", span)
    if found is None:
        raise ConfigurationError(f"{span!r} is no span of time")
    return float(found[1]) * UNITS[found[2]]


PLAYED: dict[str, Callable[[Stage, Step], None]] = {
    "drctl": _drctl, "outage": _outage, "lag": _lag, "traffic": _traffic, "damage": _damage, "wait": _wait,
    "users": _users, "rows": _rows}
