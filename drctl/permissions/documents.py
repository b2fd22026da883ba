"""The policies of a run: what was recorded of it in the lab, and what is foreseen beyond that, by scope.

`recorded.yaml` is written by the tests that play the runs; `foreseen.yaml` is written by hand, and says why. A managed
policy has 6,144 characters at most, white space not counted (IAM User Guide, "IAM and AWS STS quotas"): what is longer
becomes several, to be attached together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from drctl.aws.policies import document
from drctl.permissions.places import Places
from drctl.permissions.scopes import SCOPES
from drctl.settings import Settings

#: Characters of a managed policy.
LIMIT = 6_144
#: The runs, and the parts that each is made of: the first is enough for what the run is called, each other adds one
#: thing to it, and is attached when that is wanted.
RUNS: Mapping[str, tuple[str, ...]] = {
    "provision": ("provision",),
    "drill": ("drill", "drill-isolated"),
    "failover": ("failover", "failback"),
    "teardown": ("teardown",),
    "read": ("read", "verify"),
}
#: What each part is for, in words.
FOR = {
    "provision": "build and converge the stack",
    "drill": "live and tabletop drills: the writer and the users move by a switchover, which loses nothing",
    "drill-isolated": "besides, isolated drills: a copy of the standby's database, made and removed",
    "failover": "failovers, planned and unplanned, with loss; makes and deletes nothing but objects that drctl knows",
    "failback": "besides, failbacks: what was lost is read from a copy of the rescue snapshot, made and removed",
    "teardown": "remove the stack, data included",
    "read": "status, outputs, runs and reports",
    "verify": "besides, plan and verify, which look at everything that stands; verify --publish puts drctl's metrics",
}
#: Takes a boundary off a role: only for whom the configuration lets make roles without one.
UNBINDING = "iam:DeleteRolePermissionsBoundary"
Statement = dict[str, Any]


@dataclass(frozen=True)
class Policy:
    """One managed policy."""

    name: str
    part: str
    statements: tuple[Statement, ...]

    @property
    def document(self) -> dict[str, Any]:
        """The policy as IAM takes it."""
        return document(*self.statements)

    @property
    def characters(self) -> int:
        """Its size as IAM counts it."""
        return size(self.document)


@cache
def _table(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(files("drctl.permissions").joinpath(name).read_text(encoding="utf-8"))
    return loaded


def allowed(part: str) -> dict[str, list[str]]:
    """Actions by scope."""
    recorded, foreseen = _table("recorded.yaml").get(part, {}), _table("foreseen.yaml").get(part, {})
    return {scope.sid: sorted({*recorded.get(scope.sid, []), *foreseen.get(scope.sid, {})}) for scope in SCOPES
            if scope.sid in recorded or scope.sid in foreseen}


def statements(settings: Settings, part: str) -> list[Statement]:
    """The statements of a part, each with a Sid that says what it is about."""
    places, actions = Places(settings), allowed(part)
    kept_back = {UNBINDING} if settings.iam.permissions_boundary else set()
    return [statement(scope.sid, [action for action in actions[scope.sid] if action not in kept_back],
                      scope.resources(places), scope.condition(places)) for scope in SCOPES if scope.sid in actions]


def statement(sid: str, actions: Iterable[str], resources: Iterable[str], condition: Mapping[str, Any]) -> Statement:
    """One statement that allows."""
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(resources),
            **({"Condition": dict(condition)} if condition else {})}


def policies_of(settings: Settings, run: str) -> list[Policy]:
    """The managed policies of a run (one of RUNS), in the order in which they should be attached."""
    found = []
    for part in RUNS[run]:
        packed = _packed(statements(settings, part))
        for number, some in enumerate(packed, 1):
            suffix = f"-{number}" if len(packed) > 1 else ""
            found.append(Policy(f"drctl-{settings.environment}-{part}{suffix}", part, tuple(some)))
    return found


def _packed(every: list[Statement]) -> list[list[Statement]]:
    """The statements in their order, in as few policies as they fill up one after the other."""
    packed: list[list[Statement]] = [[]]
    for one in every:
        if packed[-1] and size(document(*packed[-1], one)) > LIMIT:
            packed.append([])
        packed[-1].append(one)
    return packed


def size(policy: Mapping[str, Any]) -> int:
    """Characters of a policy without white space."""
    return len(re.sub(r"\s", "", json.dumps(policy)))
