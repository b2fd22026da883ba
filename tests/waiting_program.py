"""A drctl that does what none may: before it promotes, it asks the region that is lost, past the fence, and waits.

The negative control of `make blackout-matrix`: run in place of drctl it has to fail there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from drctl.actions.decide import Decide, Terms
from drctl.aws.commands import Command
from drctl.aws.errors import AwsError
from drctl.cli.asked import Asked
from drctl.cli.control import held_by_survivor
from drctl.cli.failing_over import Report
from drctl.cli.session import opened, settings_of, take_for_lost
from drctl.engine.run import Run
from drctl.engine.runbook import Action, play
from drctl.runbooks import failover as runbooks
from drctl.settings import Site
from drctl.stack import stack_of

FORCE = "to show that it waits"


@dataclass(frozen=True, eq=False)
class AskTheLost(Action):
    """A question that looks harmless while the region answers."""

    source: Site
    why = "nobody needs it"
    typical_minutes = 0.0
    if_stuck = "it is"

    @property
    def title(self) -> str:
        return f"ask {self.source.region} for its instances"

    def by_hand(self, run: Run) -> Iterable[Command]:
        yield Command(self.source.region, "rds", "DescribeDBInstances", {
            "DBInstanceIdentifier": run.name("aurora", "instance-1", self.source)})

    def do(self, run: Run) -> None:
        assert run.aside is not None
        for call in self.by_hand(run):
            with suppress(*AwsError):
                call.send(run.aside.aws)


def failover(asked: Asked) -> Report:
    """As `drctl failover` for a lost primary region, with one line more."""
    source, target = asked.settings.sites
    with opened("failover", asked, hurry=True) as session:
        run, stack = session.run, stack_of(asked.settings)
        take_for_lost(run, source)
        decide = Decide(stack.database.global_cluster, stack.front.balancer.at(target), source, target,
                        Terms(3600.0, FORCE))
        with held_by_survivor(session, target, "") as holding:
            begin = partial(holding.begins, command="failover", source=source.region, run=run.id)
            book = runbooks.unplanned(stack, decide, begin, holding.settle)
            play(run, replace(book, lines=(AskTheLost(source), *book.lines)))
    return session.report


def main() -> None:
    """Whatever it is asked for; each question once, and not as long as by default, so that a test of it ends sooner."""
    settings = settings_of(None)
    sooner = settings.failover.model_copy(update={"attempts": 1, "read_timeout_s": 3})
    request = {"mode": "unplanned", "allowed_loss_s": 3600.0, "force": FORCE}
    report = failover(Asked(settings.model_copy(update={"failover": sooner}), request, yes=True))
    sys.stdout.write(json.dumps(report, default=str))
    sys.exit(0)
