"""A new version of the app goes live in the standby first, is proven there, and goes back where it does not answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.engine.events import Record
from drctl.engine.run import Run
from drctl.engine.survey import Looking
from drctl.errors import Refused
from drctl.settings import App, Settings, Site
from drctl.steps import function_role
from drctl.steps.function import Function
from drctl.steps.release import UNPROVEN, NotReleased, Release
from drctl.steps.role import Role
from tests.conftest import changes, ensure_with_needs
from tests.steps.database import AWAY, HOME, KEYS, PRIMARY, SECRET, SECURITY, STANDBY, SUBNETS, WORLD
from tests.steps.lifecycle import given

GOOD = "def handler(event, context):\n    return {'statusCode': 200, 'body': 'VERSION'}\n"
BROKEN = "raise ImportError('no such driver')\n"
#: Answers in the standby, and fails where users are.
ELSEWHERE_BROKEN = ("import os\n\n\ndef handler(event, context):\n"
                    "    return {'statusCode': 500 if os.environ['DRCTL_ROLE'] == 'primary' else 200, 'body': ''}\n")


def wired(site: Site) -> Function:
    """The app's function as the stack wires it."""
    rights = partial(function_role.policy, site=site, label="app", key=KEYS[site], secret=SECRET)
    role = Role(site, "app", "lambda", rights, needs=(KEYS[site], SECRET))
    cluster = {HOME: PRIMARY, AWAY: STANDBY}[site]
    return Function(site, "app", KEYS[site], role, SUBNETS[site], SECURITY[site], SECRET, cluster, ())


APPS = (wired(HOME), wired(AWAY))
LISTENERS = (given(HOME, "listeners"), given(AWAY, "listeners"))
RELEASE = Release(HOME, APPS, LISTENERS, WORLD)
#: The same where the other region's database writes, as it is after a failover.
TURNED = Release(HOME, APPS, LISTENERS, given(HOME, "database", writer=AWAY.region))


@pytest.fixture
def package(tmp_path: Path) -> Callable[[str], Settings]:
    """Settings with an app of this code."""
    def packed(code: str) -> Settings:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        (folder / "app.py").write_text(code)
        return Settings(app=App(package=str(folder), entry_point="app.handler"))

    return packed


@pytest.fixture
def standing(make_run: Callable[..., Run], package: Callable[[str], Settings]) -> Settings:
    """Both regions' apps are live as version 1."""
    settings = package(GOOD)
    ensure_with_needs(make_run(settings), RELEASE)
    return settings


def live(aws: Aws) -> dict[str, tuple[str, str]]:
    """Version and description of the alias in each region."""
    found: dict[str, tuple[str, str]] = {}
    for site in (HOME, AWAY):
        alias = aws[site.region].lambda_.get_alias(FunctionName=f"lambda-app-{site.region}-lab", Name="live")
        found[site.role] = (alias["FunctionVersion"], alias.get("Description", ""))
    return found


def released(make_run: Callable[..., Run], settings: Settings, release: Release = RELEASE) -> Run:
    """What a run does that provides for the functions and then releases them."""
    run: Run = make_run(settings)
    ensure_with_needs(run, release)
    return run


def moved(records: list[Record]) -> list[tuple[str, str]]:
    """Where an alias was moved to a version, and where the app was asked, in order, without repetitions."""
    calls = [(str(one["operation"]), str(one["to"])) for one in records
             if one["event"] == "call" and one.get("operation") in {"UpdateAlias", "Invoke"}]
    return [call for number, call in enumerate(calls) if number == 0 or calls[number - 1] != call]


def test_what_is_made_is_live_at_once_and_nothing_is_left_to_release(
        make_run: Callable[..., Run], standing: Settings, aws: Aws) -> None:
    assert live(aws) == {"primary": ("1", ""), "standby": ("1", "")}
    assert changes(released(make_run, standing), RELEASE) == 0


@pytest.mark.notices("Release")
def test_a_new_version_is_live_and_proven_in_the_standby_before_the_primary_gets_it(
        make_run: Callable[..., Run], standing: Settings, package: Callable[[str], Settings], aws: Aws,
        records: list[Record]) -> None:
    settings = package(GOOD.replace("VERSION", "2"))
    run = make_run(settings)
    for app in APPS:
        ensure_with_needs(run, app)
    found = [one.text for one in RELEASE.verify(run, run.output(RELEASE))]
    assert [text.partition(" is not as configured")[0] for text in found] == [
        f"the app's live version in {site.region}" for site in (AWAY, HOME)]
    assert live(aws)["standby"] == ("1", "")
    records.clear()
    released(make_run, settings)
    assert moved(records)[:4] == [("UpdateAlias", AWAY.region), ("Invoke", AWAY.region),
                                  ("UpdateAlias", HOME.region), ("Invoke", HOME.region)]
    assert live(aws) == {"primary": ("2", ""), "standby": ("2", "")}
    assert changes(released(make_run, settings), RELEASE) == 0


def test_after_a_failover_the_old_primary_gets_it_first(
        make_run: Callable[..., Run], standing: Settings, package: Callable[[str], Settings],
        records: list[Record]) -> None:
    records.clear()
    released(make_run, package(GOOD.replace("VERSION", "2")), TURNED)
    assert [region for operation, region in moved(records) if operation == "Invoke"] == [HOME.region, AWAY.region]


def test_a_version_that_does_not_start_goes_back_and_users_never_met_it(
        make_run: Callable[..., Run], standing: Settings, package: Callable[[str], Settings], aws: Aws,
        records: list[Record]) -> None:
    records.clear()
    with pytest.raises(NotReleased, match=r"version 2 of the app in us-west-2 did not answer: .*no such driver.*; "
                                          r"live again is version 1 in us-west-2") as failed:
        released(make_run, package(BROKEN))
    assert "drctl provision" in failed.value.next_step
    assert live(aws) == {"primary": ("1", ""), "standby": ("1", "")}
    assert HOME.region not in {region for _, region in moved(records)}
    assert changes(released(make_run, standing), RELEASE) == 0


def test_a_version_that_fails_where_users_are_goes_back_in_both_regions(
        make_run: Callable[..., Run], standing: Settings, package: Callable[[str], Settings], aws: Aws) -> None:
    with pytest.raises(NotReleased, match=r"app in us-east-1 did not answer: .*last seen: 500; live again is "
                                          r"version 1 in us-west-2, version 1 in us-east-1"):
        released(make_run, package(ELSEWHERE_BROKEN))
    assert live(aws) == {"primary": ("1", ""), "standby": ("1", "")}


def test_what_a_killed_run_left_unproven_is_proven_or_goes_back(
        make_run: Callable[..., Run], standing: Settings, package: Callable[[str], Settings], aws: Aws) -> None:
    settings = package(GOOD.replace("VERSION", "2"))
    released(make_run, settings)
    lambda_, name = aws[AWAY.region].lambda_, f"lambda-app-{AWAY.region}-lab"
    lambda_.update_alias(FunctionName=name, Name="live", FunctionVersion="2", Description=f"{UNPROVEN}1")
    run = released(make_run, settings)
    assert (changes(run, RELEASE) > 0, live(aws)["standby"]) == (True, ("2", ""))
    broken = package(BROKEN)
    stopped = make_run(broken)
    for app in APPS:
        ensure_with_needs(stopped, app)
    version = APPS[1].publish(stopped)
    lambda_.update_alias(FunctionName=name, Name="live", FunctionVersion=version, Description=f"{UNPROVEN}2")
    with pytest.raises(NotReleased, match="live again is version 2 in us-west-2"):
        released(make_run, broken)
    assert live(aws) == {"primary": ("2", ""), "standby": ("2", "")}


def test_an_app_that_a_failover_has_stopped_is_not_released_and_the_plan_says_so(
        make_run: Callable[..., Run], standing: Settings, package: Callable[[str], Settings], aws: Aws) -> None:
    aws[HOME.region].lambda_.put_function_concurrency(
        FunctionName=f"lambda-app-{HOME.region}-lab", ReservedConcurrentExecutions=0)
    run: Any = make_run(package(GOOD.replace("VERSION", "2")))
    for app in APPS:
        ensure_with_needs(run, app)
    for judge in (Looking.of(run), run):
        with pytest.raises(Refused, match="stopped since a failover") as refused:
            TURNED.ensure(judge)
        assert refused.value.next_step.startswith("drctl failback")
    assert live(aws) == {"primary": ("1", ""), "standby": ("1", "")}
