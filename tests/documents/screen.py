"""The decide screen that docs/operations.md explains, as drctl prints it while a region hangs; figures are made up."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from typing import Any

from drctl.actions.decide import Terms
from drctl.actions.dns_switch import Sent
from drctl.actions.picture import View
from drctl.actions.steady_state import Lag
from drctl.cli.decision import show_decision
from drctl.engine.looks import Unanswered
from drctl.lambdas.name_servers.asking import Answer
from drctl.settings import Settings
from drctl.steps.global_cluster import GlobalClusterOut, Member

LOST, TO = Settings().sites
#: What was seen, by the name of each look.
SEEN: dict[str, Any] = {
    "database": GlobalClusterOut("aurora-database-global-production", "", "available", "16.6", LOST.region, (
        Member("", LOST.region, True, ""), Member("", TO.region, False, "connected")), True, True, False),
    "instances": [], "lag": Lag(0.4, 0.0, 30.0), "probe": {"ok": True, "writer": False},
    "dns": Sent(Answer(("203.0.113.7",)), Answer(("203.0.113.7",))),
    "lost database": Unanswered(), "lost probe": Unanswered()}


def decide_screen() -> str:
    """What an operator reads who has given a bound of five minutes."""
    picture = View(LOST, TO, None, lambda: False).picture(SEEN)
    with redirect_stderr(io.StringIO()) as said:
        show_decision(picture, Terms(300.0))
    return said.getvalue().strip()
