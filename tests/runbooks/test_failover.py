"""The order in which an unplanned failover promotes the database and sends users over is the settings' own."""

from __future__ import annotations

from typing import Literal

from drctl.actions.decide import Decide
from drctl.engine.runbook import Action, SideBySide
from drctl.runbooks.failover import fail_over, noting
from drctl.settings import Settings
from drctl.settings_operation import Failover
from drctl.stack import stack_of


def titles(order: Literal["side-by-side", "database-first"]) -> list[list[str]]:
    """What is done beside what, line by line, by the first words of its title."""
    stack = stack_of(Settings(failover=Failover(order=order)))
    source, target = stack.settings.sites
    decide = Decide(stack.database.global_cluster, stack.front.balancer.at(target), source, target)
    return [[one.title.split()[0] for one in parts(line)] for line in fail_over(stack, decide, noting(decide))]


def parts(line: Action) -> tuple[Action, ...]:
    return line.parts if isinstance(line, SideBySide) else (line,)


def test_users_are_sent_over_while_the_database_is_promoted() -> None:
    assert titles("side-by-side")[0] == ["fail", "turn", "the", "note"]


def test_users_are_sent_over_once_the_database_writes_where_the_settings_want_it() -> None:
    assert titles("database-first")[:2] == [["fail", "note"], ["turn", "the"]]
