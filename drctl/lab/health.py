"""Route 53 health checks: healthy or not as what they check is, after as much AWS time as real checkers take.

Every check is looked at once in its interval, in the lab's time, by one thread; whoever asks looks too when the last
look is older than an interval. A look that differs from the status starts a clock; when `interval x threshold` AWS
seconds have passed without a look to the contrary, the status changes. So a change shows after the same AWS time
whether or not somebody asks, at any speed. While a check stays as it is, the thread rests after each look fifty
times as long as the look took, a second at most; while nothing at all changes in the lab it looks at all of them every
two seconds. An outage that begins, or a call that changes something, ends the rest.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from ipaddress import ip_network
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.route53.exceptions import InvalidInput
from moto.route53.models import HealthCheck, Route53Backend, route53_backends
from moto.route53.responses import Route53

from drctl.lab import route53_gaps
from drctl.lab.clock import CLOCK
from drctl.lab.front_doors import NO_CONNECTION, NO_NAME, front_door
from drctl.lab.rules import rule
from drctl.lab.stir import STIR
from drctl.lab.visits import Reply
from drctl.lab.watching import Watch

#: Checkers ask from these regions unless the check names others (Route 53 API Reference, HealthCheckConfig).
REGIONS = ("us-east-1", "us-west-1", "us-west-2", "eu-west-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1",
           "sa-east-1")
#: More than this part of the checkers must find the endpoint healthy (Route 53 Developer Guide, "How Amazon Route 53
#: determines whether a health check is healthy").
NEEDED = 0.18
ENDPOINT_TYPES = frozenset({"HTTP", "HTTPS", "HTTP_STR_MATCH", "HTTPS_STR_MATCH", "TCP"})
#: Shortest pause between two looks at one check, and the longest, in real seconds; and the one in a quiet lab.
SHORTEST_S, LONGEST_S, QUIET_S = 0.1, 1.0, 5.0


@dataclass
class Track:
    """What has been seen of one check: status (before it is inverted), and since when it looks different."""

    status: bool = True
    since: float | None = None
    looked_at: float | None = None
    #: When the thread has looked, and looks again, in real seconds of the monotonic clock.
    last_look: float = 0.0
    next_look: float = 0.0
    observations: list[tuple[str, str, Reply]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    #: Wall-clock times and the values from then on, as routing sees them.
    history: list[tuple[datetime, bool]] = field(default_factory=list)

    def note(self, seen: bool, now: float, window: float) -> None:
        """Take a look into account: `window` AWS seconds of the same make a status."""
        if seen == self.status:
            self.since = None
        elif self.since is None or now < self.since:
            self.since = now
        elif now - self.since >= window:
            self.status, self.since = seen, None
            STIR.touch()


_TRACKS: dict[str, Track] = {}


def checks() -> Iterator[HealthCheck]:
    """All health checks of the lab."""
    for account in list(route53_backends.values()):
        for backend in list(account.values()):
            yield from list(backend.health_checks.values())


def find(check_id: str) -> HealthCheck | None:
    """The health check with this id."""
    return next((one for one in checks() if one.id == check_id), None)


def is_healthy(health_check_id: str, *, looking: bool = True) -> bool:
    """What routing goes by; a check that is gone counts as healthy. Without `looking`, as last seen.

    Source: Route 53 Developer Guide, "How Amazon Route 53 determines whether a health check is healthy".
    """
    check = find(health_check_id)
    if check is None:
        return True
    value = _status(check, looking) != bool(check.inverted)
    history = track_of(check).history
    if not history or history[-1][1] != value:
        history.append((utcnow(), value))
    return value


def _status(check: HealthCheck, looking: bool) -> bool:
    """Healthy or not before it is inverted; a disabled check is healthy whatever it checks."""
    if check.disabled:
        return True
    if check.type_ == "CALCULATED":
        healthy = sum(is_healthy(child, looking=looking) for child in check.children or ())
        return healthy >= int(check.health_threshold or 0)
    if check.type_ in ENDPOINT_TYPES:
        track = track_of(check)
        if looking:
            look(check, track)
        return track.status
    if check.type_ == "CLOUDWATCH_METRIC":
        from drctl.lab.health_metrics import metric_is_fine

        return metric_is_fine(check)
    return True


def track_of(check: HealthCheck) -> Track:
    """What has been seen of a check so far."""
    return _TRACKS.get(check.id) or _TRACKS.setdefault(check.id, Track())


def look(check: HealthCheck, track: Track) -> None:
    """Have all checkers ask, unless they did within the interval or are about to."""
    if not track.lock.acquire(blocking=False):
        return
    try:
        now, interval = CLOCK.now(), float(check.request_interval)
        if track.looked_at is not None and 0 <= now - track.looked_at < interval:
            return
        track.observations = observe(check)
        healthy = [passes(check, reply) for _, _, reply in track.observations]
        track.note(sum(healthy) > NEEDED * len(healthy), now, interval * int(check.failure_threshold))
        track.looked_at = now
    finally:
        track.lock.release()


def observe(check: HealthCheck) -> list[tuple[str, str, Reply]]:
    """What each checker finds right now: its region, its address, what came back."""
    secure = check.type_.startswith("HTTPS")
    door = front_door(check.fqdn, secure, int(check.port or 80), check.resource_path or "/") if check.fqdn else None
    return [(region, address, door.answer(cidr) if door else NO_NAME if check.fqdn else NO_CONNECTION)
            for region, address, cidr in _checkers(tuple(check.regions or REGIONS))]


@cache
def _checkers(regions: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
    """Region, address and range: every region and every range at least once."""
    ranges = [cidr for cidr in route53_gaps.CHECKERS if ip_network(cidr).version == 4]
    count = max(len(ranges), len(regions))
    return tuple((region, str(ip_network(cidr)[number + 1]), cidr) for number, region, cidr in zip(
        range(count), itertools.cycle(regions), itertools.cycle(ranges), strict=False))


def passes(check: HealthCheck, reply: Reply) -> bool:
    """Whether an answer is what this type of check wants."""
    if check.type_ == "TCP":
        return reply.status is not None
    wanted = str(check.search_string or "")
    return reply.ok and (not check.type_.endswith("STR_MATCH") or wanted.encode() in reply.body[:5120])


@rule("health-check-status", Route53, "get_health_check_status")
def health_check_status(proceed: Any, self: Route53) -> ActionResult:  # noqa: ARG001  # moto always says success
    """What each checker saw last; only endpoint checks have checkers: InvalidInput for all others.

    Source: Route 53 API Reference, GetHealthCheckStatus.
    """
    check = self.backend.get_health_check(self._get_param("HealthCheckId"))
    if check.type_ not in ENDPOINT_TYPES:
        raise InvalidInput(f"Health checks of type {check.type_} have no status of their own: {check.id}")
    is_healthy(check.id)
    return ActionResult({"HealthCheckObservations": [
        {"Region": region, "IPAddress": address,
         "StatusReport": {"Status": _report(check, reply), "CheckedTime": utcnow()}}
        for region, address, reply in track_of(check).observations]})


def _report(check: HealthCheck, reply: Reply) -> str:
    outcome = "Success" if passes(check, reply) else "Failure"
    return f"{outcome}: HTTP Status Code {reply.status}, {reply.text}" if reply.status else f"{outcome}: {reply.text}"


@rule("health-check-lives", Route53Backend, "create_health_check")
def health_check_lives(proceed: Any, self: Route53Backend, caller_reference: str,  # noqa: ARG001  # moto's own signature
                       health_check_args: dict[str, Any]) -> Any:
    """A new check counts as healthy until its checkers have data; inverted, as unhealthy.

    Source: Route 53 Developer Guide, "How Amazon Route 53 determines whether a health check is healthy".
    """
    check = proceed(caller_reference, health_check_args)
    WATCH.start()
    return check


def _look_in_time(check: HealthCheck) -> float:
    """Look at one check once its time has come; the seconds until the next look. No rest while a change is coming."""
    track, began = track_of(check), time.monotonic()
    interval = max(float(check.request_interval or 30) / CLOCK.speed, SHORTEST_S)
    if STIR.at > track.last_look:
        track.next_look = min(track.next_look, track.last_look + interval)
    # In a quiet lab they are looked at together, some of them earlier: waking up costs more than a look.
    if track.next_look <= began + (max(0.0, (QUIET_S - interval) / 2) if STIR.is_quiet else 0.0):
        is_healthy(check.id, looking=check.type_ in ENDPOINT_TYPES)
        track.last_look = time.monotonic()
        track.next_look = track.last_look + _rest(track, interval, track.last_look - began)
    return track.next_look - time.monotonic()


def _rest(track: Track, interval: float, took: float) -> float:
    if track.since is not None:
        return interval
    return max(interval, QUIET_S if STIR.is_quiet else min(50 * took, LONGEST_S))


#: Looks at every check once in its interval.
WATCH = Watch("lab-health", SHORTEST_S / 2, checks, _look_in_time)
STIR.on_change.append(WATCH.wake)


def reset() -> None:
    """Forget everything that was seen."""
    _TRACKS.clear()
