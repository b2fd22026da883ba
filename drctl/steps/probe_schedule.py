"""What keeps the probe awake: a function in a VPC that nobody has called for 14 days loses its network interfaces and
becomes inactive; the next call fails, and it takes a minute or more until one is answered (Lambda Developer Guide,
"Giving Lambda functions access to resources in an Amazon VPC").

The apps are asked by health checkers all day, the latches look every minute; the probe is asked by drills, failovers
and nobody else. Without this the first proof of a failover would wait for it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from drctl.steps.deployed_function import DeployedFunction
from drctl.steps.event_rule import AWAKE
from drctl.steps.function import Function
from drctl.steps.schedule import Schedule

DAILY = "rate(1 day)"


@dataclass(frozen=True, eq=False)
class ProbeSchedule(Schedule):
    """Once a day: thirteen of them may fail."""

    probe: Function

    @property
    def rule(self) -> str:
        return AWAKE

    @property
    def invoked(self) -> DeployedFunction:
        return self.probe

    def _when(self) -> tuple[str, str]:
        return f"drctl: the probe of {self.region} stays awake", DAILY

    def _target(self) -> dict[str, Any]:
        return {"Id": "probe", "Input": json.dumps({"action": "health"})}
