"""A scenario says in a file what happens and what is expected; a file that cannot be one is refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from drctl.errors import ConfigurationError
from drctl.lab.damages import DAMAGES
from drctl.lab.scenario import Outage, load, packaged

NAMES = {"primary": "us-east-1", "standby": "us-west-2", "switch_standby": "a-switch", "control_standby": "a-control"}


def written(folder: Path, text: str) -> Path:
    """A scenario of somebody's own."""
    path = folder / "own.yaml"
    path.write_text(text)
    return path


def test_more_than_twenty_come_with_drctl_each_with_a_title_a_reason_and_no_name_left_open() -> None:
    assert len(packaged()) >= 20
    titles = set()
    for path in packaged().values():
        one = load(path, NAMES)
        titles.add(one.title)
        assert len(one.why) > 40, path
        assert not {word for word in ("{primary}", "{standby}", "{switch", "{control") if word in str(one)}, path
    assert len(titles) == len(packaged())


def test_every_damage_happens_in_some_scenario() -> None:
    used = {step.damage for path in packaged().values() for step in load(path, NAMES).steps if step.damage}
    assert used == set(DAMAGES)


def test_names_are_filled_in_and_other_braces_stay(tmp_path: Path) -> None:
    one = load(written(tmp_path, """
        title: t
        why: w
        steps: [{outage: {region: "{primary}", service: rds}}, {drctl: "status {else}", says: ["in {standby}"]}]
        """), NAMES)
    assert one.steps[0].outage == Outage(region="us-east-1", service="rds")
    assert (one.steps[1].drctl, one.steps[1].says) == ("status {else}", ("in us-west-2",))


@pytest.mark.parametrize(("steps", "problem"), [
    ("[]", "steps: Tuple should have at least 1 item"),
    ("[{drctl: status, lag: 20s}]", "exactly one of drctl, outage, lag, .*; this one has drctl, lag"),
    ("[{exits: 3}]", "exactly one of .*; this one has none"),
    ("[{lag: 20}]", "steps.0.lag"),
    ("[{wait: a while}]", "'a while' is no span of time: 500ms, 20s, 15m, 2h"),
    ("[{damage: flood}]", "'flood' is no damage: standby-certificate-expired"),
    ("[{drctl: status, says: 'x', sings: y}]", "steps.0.sings: Extra inputs"),
])
def test_a_file_that_is_no_scenario_is_refused_with_every_problem(tmp_path: Path, steps: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        load(written(tmp_path, f"title: t\nwhy: w\nsteps: {steps}\n"), NAMES)


def test_a_file_that_is_not_there_or_not_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml: is no scenario"):
        load(tmp_path / "nowhere.yaml", NAMES)
    with pytest.raises(ConfigurationError, match="is no scenario"):
        load(written(tmp_path, "title: [\n"), NAMES)
