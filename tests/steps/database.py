"""The database's steps wired as the stack wires them, for the tests of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from drctl.engine.run import Run
from drctl.engine.step import Step
from drctl.settings import Settings
from drctl.steps.database_groups import DatabaseGroups
from drctl.steps.database_instances import DatabaseInstances
from drctl.steps.global_cluster import GlobalCluster
from drctl.steps.key import Key
from drctl.steps.network import Network
from drctl.steps.primary_cluster import PrimaryCluster
from drctl.steps.secret import DatabaseSecret
from drctl.steps.security_groups import SecurityGroups
from drctl.steps.standby_cluster import StandbyCluster
from drctl.steps.subnets import Subnets
from tests.conftest import changes, ensure_with_needs

HOME, AWAY = Settings().sites
KEYS = {site: Key(site) for site in (HOME, AWAY)}
NETWORKS = {site: Network(site) for site in (HOME, AWAY)}
SUBNETS = {site: Subnets(site, NETWORKS[site]) for site in (HOME, AWAY)}
SECURITY = {site: SecurityGroups(site, NETWORKS[site]) for site in (HOME, AWAY)}
GROUPS = {site: DatabaseGroups(site, SUBNETS[site]) for site in (HOME, AWAY)}
SECRET = DatabaseSecret(HOME, KEYS[HOME], KEYS[AWAY])
WORLD = GlobalCluster(HOME)
PRIMARY = PrimaryCluster(HOME, WORLD, GROUPS[HOME], SECURITY[HOME], KEYS[HOME], SECRET)
WRITERS = DatabaseInstances(HOME, PRIMARY, WORLD, KEYS[HOME])
STANDBY = StandbyCluster(AWAY, WORLD, PRIMARY, WRITERS, GROUPS[AWAY], SECURITY[AWAY], KEYS[AWAY])
READERS = DatabaseInstances(AWAY, STANDBY, WORLD, KEYS[AWAY])
#: The database's steps, in the order in which they are made.
DATABASE: tuple[Step[Any], ...] = (WORLD, PRIMARY, WRITERS, STANDBY, READERS)
#: And in the order in which the runner destroys them.
TEARDOWN: tuple[Step[Any], ...] = tuple(reversed(DATABASE))


def findings(run: Run, step: Step[Any]) -> list[str]:
    """What verify says of `step` as it stands now."""
    run.refresh(WORLD)
    return [finding.text for finding in step.verify(run, run.refresh(step) or run.output(step))]


def ensure_all(run: Run) -> None:
    """Both regions' databases, as provision makes them."""
    ensure_with_needs(run, READERS)


def changed(make_run: Callable[..., Run], *settings: Settings) -> dict[str, int]:
    """How many mutating calls another run makes, by step, where it makes any."""
    again = make_run(*settings)
    ensure_all(again)
    return {step.key: changes(again, step) for step in DATABASE if changes(again, step)}


def destroy(run: Run, steps: Iterable[Step[Any]] = TEARDOWN) -> None:
    """Destroy as the runner does: dependents first, forgetting each."""
    for step in steps:
        with run.events.at(step.key, step.region):
            step.destroy(run)
        run.forget(step)
