"""Outages: a region, one service of it or one bucket, that refuses, fails or hangs, until the outage is ended.

An outage strikes what is signed for its region. The control planes of IAM, Route 53 and CloudFront live in us-east-1,
whatever region a client signs for; what Route 53 does without them, answering names and checking health, goes on.
Source: AWS Fault Isolation Boundaries, "Global services"; AWS Well-Architected, Reliability Pillar, static stability.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from drctl.lab import refusals
from drctl.lab.balancer_zones import ZONE_IDS
from drctl.lab.called import Call, Environ, whole_body
from drctl.lab.clock import CLOCK
from drctl.lab.connections import Connection, connection_of, cut, wait

#: How requests are struck: the connection is cut; 503; no answer while it lasts.
MODES = ("refuse", "error", "hang")
REGIONS = frozenset(ZONE_IDS)
#: Where the control planes of services without regions are (AWS Fault Isolation Boundaries, "Global services").
CONTROL_PLANES = {"iam": "us-east-1", "route53": "us-east-1", "cloudfront": "us-east-1"}
#: Names of services in credential scopes.
SERVICES = frozenset({
    "acm", "backup", "cloudfront", "cloudtrail", "dynamodb", "ec2", "elasticloadbalancing", "events", "iam", "kms",
    "lambda", "logs", "monitoring", "rds", "route53", "s3", "scheduler", "secretsmanager", "servicequotas", "sns",
    "sqs", "ssm", "states", "sts", "tagging", "wafv2"})
#: What SDK and CLI call them.
ALIASES = {"elbv2": "elasticloadbalancing", "elb": "elasticloadbalancing", "cloudwatch": "monitoring",
           "eventbridge": "events", "resourcegroupstaggingapi": "tagging", "service-quotas": "servicequotas",
           "stepfunctions": "states", "waf": "wafv2", "secrets": "secretsmanager", "aurora": "rds"}

Place = tuple[str, str]


class Impossible(ValueError):
    """There can be no such outage."""


@dataclass(eq=False)
class Outage:
    """One region, one service of it, or one bucket, that is out since an AWS second of the lab."""

    region: str
    service: str
    mode: str
    since: float
    #: Name of the bucket whose requests alone are struck: what S3 does of itself, replication, goes on.
    bucket: str = ""
    struck: int = 0
    waiting: weakref.WeakSet[Connection] = field(default_factory=weakref.WeakSet)

    def covers(self, region: str, service: str) -> bool:
        """Whether this service in this region is out."""
        return not self.bucket and region == self.region and self.service in {"", service}

    def strikes(self, region: str, call: Call) -> bool:
        """Whether a request to this region is struck."""
        bucket = call.path.lstrip("/").partition("/")[0]
        return self.covers(region, call.service) or (region, call.service, bucket) == (
            self.region, self.service, self.bucket)

    def wire(self) -> dict[str, Any]:
        """As the lab tells it."""
        return {"region": self.region, "service": self.service, "bucket": self.bucket, "mode": self.mode,
                "since": round(self.since, 1), "struck": self.struck,
                "waiting": sum(one.waiting is not None for one in list(self.waiting))}


_lock = threading.Lock()
_outages: list[Outage] = []
#: What can happen only when all these places are up, in the order it was put off.
_put_off: list[tuple[tuple[Place, ...], Callable[[], None]]] = []
#: Called with region and service (empty: all) when an outage has begun or ended.
ON_CHANGE: list[Callable[[str, str], None]] = []


def start(region: str, service: str, mode: str, bucket: str = "") -> tuple[Outage, bool]:
    """Begin an outage, and whether it was not there yet; raises Impossible for a place or mode that is unknown."""
    service = checked(region, service, mode)
    if bucket and service != "s3":
        raise Impossible(f"a bucket is of the service s3, not of {service or 'all of them'}")
    with _lock:
        for outage in _outages:
            if (outage.region, outage.service, outage.bucket) == (region, service, bucket):
                return outage, False
        outage = Outage(region, service, mode, CLOCK.now(), bucket)
        _outages.append(outage)
    _tell(outage)
    return outage, True


def end(region: str = "", service: str = "") -> list[Outage]:
    """End the outages of a region, or of a service; without both, all. What was put off, and waits, goes on."""
    service = checked(region, service)
    with _lock:
        ended = [one for one in _outages if region in {"", one.region} and service in {"", one.service}]
        _outages[:] = [one for one in _outages if one not in ended]
    for outage in ended:
        _tell(outage)
        for connection in list(outage.waiting):
            connection.go_on()
    _catch_up()
    return ended


def checked(region: str, service: str, mode: str = "refuse") -> str:
    """The service's name in credential scopes; raises Impossible for a place or mode that is unknown."""
    if mode not in MODES:
        raise Impossible(f"mode {mode!r} is unknown: {', '.join(MODES)}")
    if region and region not in REGIONS:
        raise Impossible(f"region {region!r} is unknown")
    service = ALIASES.get(service, service)
    if service and service not in SERVICES:
        raise Impossible(f"service {service!r} is unknown: {', '.join(sorted(SERVICES))}")
    home = CONTROL_PLANES.get(service)
    if region and home and region != home:
        raise Impossible(f"the control plane of {service} is in {home}, not in {region}")
    return service


def _tell(outage: Outage) -> None:
    for listener in ON_CHANGE:
        listener(outage.region, outage.service)


def present() -> list[Outage]:
    """The outages there are."""
    return list(_outages)


def covering(region: str, service: str) -> Outage | None:
    """The outage, if any, in which a service, its data plane too, is out in a region."""
    return next((outage for outage in list(_outages) if outage.covers(region, service)), None) if _outages else None


def is_down(region: str, service: str) -> bool:
    """Whether a service, its data plane too, is out in a region."""
    return covering(region, service) is not None


def when_up(places: Collection[Place], do: Callable[[], None]) -> None:
    """Do something now, or, when one of these regions and services is out, once all of them are up again."""
    if not _outages or not any(is_down(*place) for place in places):
        do()
        return
    with _lock:
        _put_off.append((tuple(places), do))
    _catch_up()  # the outage may have ended in between


def _catch_up() -> None:
    with _lock:
        now = [one for one in _put_off if not any(is_down(*place) for place in one[0])]
        _put_off[:] = [one for one in _put_off if one not in now]
    for _, do in now:
        CLOCK.after(0, do)


def strike(call: Call, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes] | None:
    """The answer that a request gets in an outage, if any; None outside of outages."""
    region = CONTROL_PLANES.get(call.service, call.region)
    outage = next((one for one in list(_outages) if one.strikes(region, call)), None)
    if outage is None:
        return None
    if not call.by_function:
        with _lock:
            outage.struck += 1
    if outage.mode == "refuse":
        cut(environ)
    if outage.mode == "error":
        return refusals.answer(refusals.unavailable(call.service), call, environ, start_response)
    whole_body(environ)  # what is left unread would look like the client's next request
    outage.waiting.add(connection_of(environ))
    return wait(environ) if outage in _outages else None  # one that has just ended would wake nobody


def reset() -> None:
    """No outage, nothing put off."""
    with _lock:
        _put_off.clear()
    end()
