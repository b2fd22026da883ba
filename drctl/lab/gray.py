"""Gray failures: a region that half works, so that nobody sees at once that it is ill.

- slow-database: every answer of the databases in the region is late, to logins too. The delay is in the functions' own
  seconds, which are real ones: code does not run faster in a fast lab. Nothing is refused, lag and metrics stay as they
  are.
- lying-health: the balancers of the region answer 200 on their health path, and below it, whatever the function says,
  with the last good body. It is the lie alone: what it hides, for example `--service rds`, is an outage of its own. A
  balancer that is out, or lets nobody in, answers nothing all the same. Source: Amazon Builders' Library, Implementing
  health checks ("shallow" checks and their false positives).
- one-zone: one availability zone is gone, see `lost_zones`.

Source: "Gray Failure: The Achilles' Heel of Cloud-Scale Systems" (HotOS 2017); AWS whitepaper, Advanced Multi-AZ
Resilience Patterns, Gray failures
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

from moto.elbv2.models import elbv2_backends
from moto.rds.models import rds_backends

from drctl.lab import outages
from drctl.lab.clock import CLOCK
from drctl.settings import LAB_ACCOUNT

SLOW, LYING, ZONE = KINDS = ("slow-database", "lying-health", "one-zone")
#: Real seconds by which answers of a slow database are late unless told, and at most.
USUAL_DELAY_S, LONGEST_DELAY_S = 0.5, 60.0


@dataclass(frozen=True)
class Gray:
    """One gray failure of a region, since an AWS second of the lab."""

    region: str
    kind: str
    since: float
    #: Real seconds, of a slow database.
    delay_s: float = 0.0
    #: Name of the zone that is gone.
    zone: str = ""

    def wire(self) -> dict[str, Any]:
        """As the lab tells it, among its outages."""
        return {"region": self.region, "service": "", "bucket": "", "mode": "gray", "gray": self.kind,
                "since": round(self.since, 1), "delay_s": self.delay_s, "zone": self.zone}


class Reply(Protocol):
    """What a balancer answers."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def status(self) -> int | None: ...

    @property
    def body(self) -> bytes: ...


R = TypeVar("R", bound=Reply)
_lock = threading.Lock()
_present: list[Gray] = []
#: The last good body of health paths, by region and path.
_bodies: dict[tuple[str, str], bytes] = {}
#: Called with a failure when it has begun and when it has ended, and whether it is there now.
ON_CHANGE: list[Callable[[Gray, bool], None]] = []


def start(region: str, kind: str, delay_s: float | None = None) -> tuple[Gray, bool]:
    """Begin a gray failure, and whether it was not there yet; raises outages.Impossible."""
    outages.checked(region, "")
    if kind not in KINDS:
        raise outages.Impossible(f"gray failure {kind!r} is unknown: {', '.join(KINDS)}")
    if delay_s is not None and kind != SLOW:
        raise outages.Impossible(f"a delay is of {SLOW}, not of {kind}")
    delay = (USUAL_DELAY_S if delay_s is None else delay_s) if kind == SLOW else 0.0
    if not 0 <= delay <= LONGEST_DELAY_S:
        raise outages.Impossible(f"a delay of {delay:g} s cannot be: {LONGEST_DELAY_S:g} s at most")
    with _lock:
        for one in _present:
            if (one.region, one.kind) == (region, kind):
                return one, False
        begun = Gray(region, kind, CLOCK.now(), delay, _zone_to_lose(region) if kind == ZONE else "")
        _present.append(begun)
    _tell(begun, True)
    return begun, True


def end(region: str = "", kind: str = "") -> list[Gray]:
    """End the gray failures of a region, or of a kind; without both, all. Raises outages.Impossible."""
    outages.checked(region, "")
    with _lock:
        ended = [one for one in _present if region in {"", one.region} and kind in {"", one.kind}]
        _present[:] = [one for one in _present if one not in ended]
    for one in ended:
        _tell(one, False)
    return ended


def present() -> list[Gray]:
    """The gray failures there are."""
    return list(_present)


def find(region: str, kind: str) -> Gray | None:
    """The gray failure of that kind there, if any."""
    return next((one for one in list(_present) if (one.region, one.kind) == (region, kind)), None)


def _tell(one: Gray, is_there: bool) -> None:
    for listener in ON_CHANGE:
        listener(one, is_there)


def answers_late_s(name: str) -> float:
    """Real seconds by which a database is late whose name begins with its region."""
    return max((one.delay_s for one in list(_present) if name.startswith(f"{one.region}-")), default=0.0)


def lied(region: str, path: str, reply: R) -> R:
    """What a balancer in a region really answers: the reply, or 200 on a health path while it lies.

    No answer (a status of None) stays none.
    """
    if reply.status is None or not _is_health_path(region, path):
        return reply
    if reply.status == 200:
        _bodies[region, path] = reply.body
    elif find(region, LYING):
        return dataclasses.replace(reply, status=200, text="OK", body=_bodies.get((region, path), b""))
    return reply


def _is_health_path(region: str, path: str) -> bool:
    """Whether target groups of the region check this path, or one above it."""
    path = path.partition("?")[0]
    groups = list(elbv2_backends[LAB_ACCOUNT][region].target_groups.values())
    checked = {str(group.health_check_path or "/") for group in groups}
    return any(path == one or (one != "/" and path.startswith(f"{one}/")) for one in checked)


def _zone_to_lose(region: str) -> str:
    """The zone in which a database of the region writes; without one, the first zone."""
    clusters = list(rds_backends[LAB_ACCOUNT][region].clusters.values())
    zones = [cluster.writer.availability_zone for cluster in clusters if cluster.writer]
    return str(zones[0]) if zones else f"{region}a"


def reset() -> None:
    """No gray failure, no body remembered."""
    end()
    _bodies.clear()
