"""What a glance has seen of a stack that is well, and of one of which a part cannot be seen."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from drctl.actions import look
from drctl.actions.dns_switch import Sent
from drctl.actions.readiness import Published
from drctl.actions.screen import Local, Screen
from drctl.actions.steady_state import Lag
from drctl.aws.dns import Answer
from drctl.engine.lease import Seen, Terms
from drctl.engine.looks import Answers, Unanswered
from drctl.engine.owner import Owner
from drctl.settings import Settings
from drctl.steps.certificate import CertificateOut
from drctl.steps.global_cluster import GlobalClusterOut, Member

EAST, WEST = "us-east-1", "us-west-2"
ADDRESSES = {EAST: Answer(("203.0.113.1",), ""), WEST: Answer(("203.0.113.4",), "")}
#: Noon of a day, in seconds since 1970.
NOON = 1_790_000_000.0 - 1_790_000_000.0 % 86_400 + 43_200
SILENCE = Unanswered("no answer within 4 s")
DRILL = {"run": "20260901-120000-drill-abcd", "started_at": NOON, "mode": "live", "outcome": "done", "rto_s": 62.5,
         "rpo_s": 0.0, "met": True, "simulated": False}


def database(writer: str | None = EAST, **changed: Any) -> GlobalClusterOut:
    """The global database, at rest unless something is changed."""
    members = tuple(Member(f"arn:aws:rds:{region}:123456789012:cluster:c-{region}", region, region == writer,
                           "" if region == writer else "connected") for region in (EAST, WEST))
    return GlobalClusterOut(**{"id": "db", "arn": "arn", "status": "available", "engine_version": "16.6",
                               "writer": writer, "members": members, "encrypted": True, "protected": False,
                               "changing_roles": False, **changed})


def lease(*, released: bool = False, over: bool = False, unfinished: Mapping[str, str] | None = None) -> Seen:
    """A lease that somebody on another machine holds, or held."""
    now = datetime.now(UTC)
    terms = Terms(Owner("ann@laptop", "laptop", "elsewhere", 7, ""), "20260901-130000-failback-beef", "failback",
                  "2026-09-01T13:00:00Z", 120.0, 0, released, dict(unfinished or {}))
    return Seen(terms, "etag", now + timedelta(seconds=-60 if over else 60), now)


def region(name: str, writer: str = EAST, users: str = EAST, **changed: Any) -> Answers:
    """What a region answers that is well; `changed` by the look's name with underscores for what is in between."""
    is_writer = name == writer
    answers: Answers = {
        look.DATABASE: database(writer), look.PROBE: {"ok": True, "writer": is_writer},
        look.LAG: None if is_writer else Lag(0.084, NOON), look.READY: Published(1.0, time.time() - 5 * 3600, 97.0),
        look.APP: None, look.NAME: Sent(ADDRESSES[users], ADDRESSES[name]), look.SWITCH: False,
        look.CERTIFICATE: CertificateOut("arn", 364, "ISSUED", ("app.dr.example.com",)),
        look.LEASE: lease(released=True), look.NOTE: None, look.DRILLS: None}
    if name == EAST:
        answers[look.CHECKS] = {EAST: "healthy", WEST: "healthy"}
    return answers | {getattr(look, key): value for key, value in changed.items()}


def silent(name: str, answer: Unanswered = SILENCE) -> Answers:
    """A region that gives one answer to everything, or none."""
    return dict.fromkeys(region(name), answer)


def screen(east: Answers | None = None, west: Answers | None = None, local: Local | None = None) -> Screen:
    """The screen of a stack that is well but for what is given."""
    return Screen(Settings(), {EAST: east or region(EAST), WEST: west or region(WEST)},
                  local or Local(DRILL, (), 2.5))
