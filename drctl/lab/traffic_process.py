"""The lab's traffic as a background process: started, found again and stopped through a file under `DRCTL_HOME`.

One traffic runs in one lab at a time. Its records stay under `DRCTL_HOME/traffic` until the lab goes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drctl.errors import ConfigurationError, DrctlError, Refused
from drctl.home import home
from drctl.lab import background
from drctl.lab.traffic_record import Record
from drctl.lab.traffic_target import Target
from drctl.processes import began, lives

if TYPE_CHECKING:
    from drctl.lab.process import LabState

#: Clients, and real requests a second of all together: one per AWS second and client, and at most this, which costs a
#: few percent of a core. At the pace of AWS that is under the 2000 in five minutes at which WAF blocks an address.
CLIENTS, RATE_AT_MOST = 4, 20.0
#: What a label may be: it names a file, and begins every row.
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True)
class TrafficState:
    """A traffic that was started here; `since` in seconds since 1970, `rate` in real requests a second."""

    pid: int
    began: str
    label: str
    record: str
    name: str
    since: float
    clients: int
    rate: float

    def lives(self) -> bool:
        """Whether it still runs; another process that got its number does not count."""
        return lives(self.pid) and began(self.pid) == self.began

    def shown(self) -> dict[str, Any]:
        """What it is, and the totals of its record."""
        return {**asdict(self), **Record(Path(self.record)).totals()}


@dataclass(frozen=True)
class Order:
    """What the process is to do; `rate` in real requests a second, of all clients together."""

    label: str
    clients: int
    rate: float
    target: Target

    def words(self) -> str:
        """For the command line of the process."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, words: str) -> Order:
        """What `words` said."""
        data = json.loads(words)
        return cls(**{**data, "target": Target(**data["target"])})

    @property
    def record(self) -> Path:
        """The file of its record."""
        return records() / f"{self.label}.jsonl"


def records() -> Path:
    """The folder of the records."""
    return home() / "traffic"


def file() -> Path:
    """Where the process says that it is there; when the file is gone, it ends."""
    return home() / "traffic.json"


def _log() -> Path:
    return home() / "traffic.log"


def note(order: Order) -> None:
    """Say that this very process does what was ordered, since now."""
    pid = os.getpid()
    state_ = TrafficState(pid, began(pid), order.label, str(order.record), order.target.name, time.time(),
                          order.clients, order.rate)
    draft = file().with_suffix(".new")
    draft.write_text(json.dumps(asdict(state_)), encoding="utf-8")
    draft.replace(file())


def state() -> TrafficState | None:
    """The traffic of this home as it was started last, whether or not it still runs."""
    try:
        return TrafficState(**json.loads(file().read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def running() -> TrafficState | None:
    """The traffic of this home, if it runs."""
    found = state()
    return found if found is not None and found.lives() else None


def start(lab: LabState, target: Target, label: str = "", clients: int | None = None,
          rate: float | None = None) -> tuple[TrafficState, bool]:
    """The traffic of this lab, and whether it had to be started; Refused when another one runs, or has that label.

    Raises ConfigurationError for a label that cannot be one, DrctlError when the lab has no way for clients.
    """
    if label and not LABEL.fullmatch(label):
        raise ConfigurationError(f"{label!r} cannot be a label: 1 to 40 letters, digits, hyphens, underscores")
    wanted = clients or CLIENTS
    order = Order(label or _free_label(), wanted, rate or min(RATE_AT_MOST, wanted * lab.speed), target)
    if found := running():
        if not _is(found, target, {"label": label, "clients": clients, "rate": rate}):
            raise Refused(f"traffic {found.label!r} with other settings runs already: {found.clients} clients, "
                          f"{found.rate:g} requests a second at {found.name}", next_step="drctl lab traffic stop")
        return found, False
    if order.record.exists():
        raise Refused(f"there is a record of traffic {label!r} already", next_step="give another --label")
    return _begun(order), True


def _is(found: TrafficState, target: Target, asked: Mapping[str, Any]) -> bool:
    said = asdict(found)
    return found.name == target.name and all(said[key] == value for key, value in asked.items() if value)


def _free_label() -> str:
    taken = {path.stem for path in records().glob("*.jsonl")}
    return next(label for n in range(1, len(taken) + 2) if (label := f"traffic-{n}") not in taken)


def _begun(order: Order) -> TrafficState:
    log = _log()
    process = background.begin([sys.executable, "-m", "drctl.lab.traffic", order.words()], log)
    line = background.first_line(process)
    error = json.loads(line).get("error") if line else background.last_words(log)
    found = state()
    if error or found is None:
        background.end(process.pid)
        raise DrctlError(f"the traffic did not start: {error}", next_step="drctl lab status")
    return found


def stop() -> TrafficState | None:
    """End the traffic of this home once its requests under way are done; None when none ran. The record stays."""
    found = state()
    ran = found is not None and found.lives()
    if found is not None and ran:
        background.end(found.pid)
    for path in (file(), _log()):
        path.unlink(missing_ok=True)
    return found if ran else None


def complaint() -> str:
    """What the last traffic complained of, if it came to a bad end: its last words, after a colon."""
    log = _log()
    return f": {background.last_words(log)}" if log.exists() and log.stat().st_size else ""


def remove() -> None:
    """End the traffic of this home and remove its records."""
    stop()
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(records())
