"""The whole stack is one graph without gaps: every step knows what it stands on, in both regions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from drctl.configuration import load
from drctl.engine.critical_path import critical_path
from drctl.engine.step import Step, dependencies
from drctl.settings import Settings
from drctl.stack import stack_of

CONFIG = Path(__file__).parent.parent / "config"
SETTINGS = [Settings(), *(load(CONFIG / f"{name}.yaml") for name in ("lab", "dev", "production"))]


def steps(settings: Settings) -> tuple[Step[Any], ...]:
    return stack_of(settings).steps


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: settings.environment)
def test_every_need_of_a_step_is_in_the_stack_and_comes_before_it(settings: Settings) -> None:
    before: set[Step[Any]] = set()
    for step in steps(settings):
        assert set(dependencies(step)) <= before, step.key
        before.add(step)


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: settings.environment)
def test_no_two_steps_share_a_name(settings: Settings) -> None:
    assert [key for key, count in Counter(step.key for step in steps(settings)).items() if count > 1] == []


def test_both_regions_have_the_same_parts_but_for_what_exists_once() -> None:
    once = {"GlobalCluster", "PrimaryCluster", "StandbyCluster", "DatabaseSecret", "Peering", "Zone", "HealthChecks",
            "FailoverRecords", "HealthAlarms", "Dashboard", "Backup", "Release", "EngineVersion"}
    kinds = Counter((type(step).__name__, step.purpose, step.region) for step in steps(Settings()))
    for (kind, purpose, region), count in kinds.items():
        other = "us-west-2" if region == "us-east-1" else "us-east-1"
        assert kind in once or kinds[kind, purpose, other] == count, (kind, purpose)


def test_backup_is_there_by_choice_and_certificates_only_with_tls() -> None:
    kinds = {type(step).__name__ for step in steps(Settings.model_validate({"backup": {"enabled": True}}))}
    assert "Backup" in kinds
    without = {type(step).__name__ for step in steps(Settings.model_validate({"tls": {"mode": "off"}}))}
    assert not {"Certificate", "GivenCertificate", "Backup"} & without


def left_by_a_copy(step: Step[Any]) -> bool:
    """Whether it belongs to a temporary copy: of an isolated drill, or of what a failover left behind."""
    return "isolated" in step.key or "rescue" in step.key


def test_a_teardown_looks_for_what_was_chosen_before_and_is_no_more() -> None:
    stack = stack_of(Settings.model_validate({"tls": {"mode": "off"}}))
    both = ("us-east-1", "us-west-2")
    assert {step.key for step in stack.retired if not left_by_a_copy(step)} == {
        *(f"{what} {region}" for what in ("backup vault", "role backup", "backup", "certificate") for region in both),
        "trail key us-west-2", "trail bucket us-west-2", "role trail us-east-1", "trail us-east-1",
        "trail filters us-east-1", "trail alarms us-east-1"}
    assert not {step.key for step in stack.retired} & {step.key for step in stack.steps}
    everything = Settings.model_validate({"backup": {"enabled": True}, "trail": {"enabled": True}})
    assert all(left_by_a_copy(step) for step in stack_of(everything).retired)


def test_a_teardown_looks_for_what_an_isolated_drill_may_have_left_in_either_region() -> None:
    stack = stack_of(Settings())
    for site in stack.settings.sites:
        left = {step.key for step in stack.retired if "isolated" in step.key and step.region == site.region}
        assert left == {step.key for step in stack.copy_in(site).steps}
        assert len(left) == 9


def test_a_teardown_looks_for_what_a_failback_may_have_left_in_either_region() -> None:
    stack = stack_of(Settings())
    for site in stack.settings.sites:
        left = {step.key for step in stack.retired if "rescue" in step.key and step.region == site.region}
        assert left == {step.key for step in (*stack.rescued_in(site).steps, stack.database.rescue.at(site))}


def test_the_database_is_the_critical_path() -> None:
    path = critical_path(steps(Settings()))
    assert [type(step).__name__ for step in path.steps][-4:] == [
        "PrimaryCluster", "DatabaseInstances", "StandbyCluster", "DatabaseInstances"]
    assert 20 * 60 <= path.seconds <= 30 * 60
