"""The lab's background process: started, found again and stopped through a small state file under `DRCTL_HOME`.

One lab belongs to one home; several labs run side by side under several homes. This module never imports moto.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from typing import Any

from drctl.errors import ConfigurationError, DrctlError, Refused
from drctl.home import home
from drctl.lab import background, cleaner, kept_folders, traffic_process
from drctl.lab.rules import unknown_rules
from drctl.processes import lives

#: Speed of a lab that nobody gave one: a minute of AWS in a second.
DEFAULT_SPEED = 60.0


class LabDown(DrctlError):
    """The lab does not answer; what was in it is gone with its process."""


@dataclass(frozen=True)
class LabState:
    """A lab that was started here."""

    endpoint: str
    speed: float
    pid: int
    dns: str = ""
    #: Where clients come in to the simulated balancers.
    edge: str = ""
    without: tuple[str, ...] = ()
    faults: float = 0.0
    seed: int = 0


def state() -> LabState | None:
    """The lab of this home as it was started, whether or not it still answers."""
    try:
        data = json.loads((home() / "lab.json").read_text(encoding="utf-8"))
        return LabState(**{**data, "without": tuple(data.get("without", ()))})
    except (OSError, ValueError, TypeError):
        return None


def running() -> LabState | None:
    """The lab of this home, if it answers."""
    found = state()
    return found if found is not None and answers(found) else None


def answers(lab: LabState) -> bool:
    """Whether a lab answers at its address."""
    with contextlib.suppress(OSError, ValueError):
        return "speed" in ask(lab, "status")
    return False


def needed() -> LabState:
    """The lab of this home; DrctlError when none answers."""
    lab = state()
    if lab is None or not answers(lab):
        where = f"at {lab.endpoint} " if lab else ""
        raise DrctlError(f"no lab {where}answers" + ("; what was in it is gone" if lab else ""),
                         next_step="drctl lab up")
    return lab


def ask(lab: LabState, path: str, method: str = "GET", **asked: Any) -> dict[str, Any]:
    """One of the lab's own pages (`status`, `clients`, `calls`, `rules`, `outages`, `faults`, `lag`).

    Raises OSError when it does not answer, ConfigurationError with the lab's words when it cannot do what is asked.
    """
    request = urllib.request.Request(f"{lab.endpoint}/drctl-lab/{path}", method=method,  # noqa: S310  # loopback only
                                     data=json.dumps(asked).encode() if asked else None)
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:  # noqa: S310  # loopback only
            answer: dict[str, Any] = json.load(reply)
            return answer
    except urllib.error.HTTPError as refusal:
        with refusal:
            raise ConfigurationError(json.load(refusal)["error"]) from None


def _is_there(lab: LabState) -> bool:
    """Whether the lab's process runs, also when it does not answer."""
    return answers(lab) or "drctl.lab.server" in cleaner.commands().get(lab.pid, "")


def up(port: int = 0, speed: float | None = None, without: tuple[str, ...] = (), faults: float = 0.0,
       seed: int = 0) -> tuple[LabState, bool]:
    """The lab of this home, and whether it had to be started; Refused when another one runs with other settings.

    Raises ConfigurationError when there is no rule of a name in `without`. `faults` is the share of calls that fail.
    """
    wanted = speed or float(os.environ.get("DRCTL_SPEED", DEFAULT_SPEED))
    if found := running():
        same = (port in {0, int(found.endpoint.rpartition(":")[2])} and without in {(), found.without}
                and speed in {None, found.speed} and (not faults or (faults, seed) == (found.faults, found.seed)))
        if not same:
            if unknown := unknown_rules(without, {one["name"] for one in rules()}):
                raise ConfigurationError(unknown, next_step="drctl lab rules lists them all")
            raise Refused(f"a lab with other settings runs at {found.endpoint}, speed {found.speed:g}",
                          next_step="drctl lab down, or another DRCTL_HOME for a lab beside it")
        return found, False
    return _start(port, wanted, without, faults, seed), True


def rules() -> list[dict[str, Any]]:
    """Name and first line of every rule, from the lab that runs, or from one that is not started for it."""
    if found := running():
        told: dict[str, Any] = ask(found, "rules")
    else:
        command = [sys.executable, "-m", "drctl.lab.server", "--rules"]
        told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    known: list[dict[str, Any]] = told["rules"]
    return known


def _start(port: int, speed: float, without: tuple[str, ...], faults: float, seed: int) -> LabState:
    if (before := state()) is not None and not lives(before.pid):
        kept_folders.sweep(before.pid)
    command = [sys.executable, "-m", "drctl.lab.server", "--port", str(port), "--speed", str(speed),
               "--faults", str(faults), "--seed", str(seed),
               *(word for name in without for word in ("--without", name))]
    process = background.begin(command, home() / "lab.log")
    line = background.first_line(process)
    if not line:
        raise LabDown(f"the lab did not start: {background.last_words(home() / 'lab.log')}",
                      next_step="is drctl installed with its lab? pip install 'drctl[lab]'")
    told = json.loads(line)
    if "error" in told:
        process.wait()
        (home() / "lab.log").unlink(missing_ok=True)
        raise ConfigurationError(told["error"], next_step="drctl lab rules lists them all")
    lab = LabState(told["endpoint"], told["speed"], process.pid, told["dns"], told["edge"], without, faults, seed)
    (home() / "lab.json").write_text(json.dumps(asdict(lab)), encoding="utf-8")
    return lab


def down() -> LabState | None:
    """End the lab of this home, and the traffic in it, whose records go too; None when there was no lab."""
    traffic_process.remove()
    found = state()
    if found is None:
        return None
    if _is_there(found):
        background.end(found.pid)
    kept_folders.sweep(found.pid)
    for name in ("lab.json", "lab.log"):
        (home() / name).unlink(missing_ok=True)
    return found
