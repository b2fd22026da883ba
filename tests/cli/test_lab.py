"""The lab is a process under DRCTL_HOME: started once, found again, ended; several homes hold several labs."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from urllib.request import urlopen

from tests.cli.conftest import Cli


def test_a_lab_is_started_found_again_and_ended(cli: Cli) -> None:
    started = cli("lab", "up", "--speed", "600", "--json").json
    assert started["speed"] == 600
    assert cli("lab", "up", "--json").json["endpoint"] == started["endpoint"]
    with urlopen(f"{started['endpoint']}/drctl-lab/status") as page:  # noqa: S310  # loopback only
        assert json.load(page)["speed"] == 600
    assert cli("lab", "status", "--json").json["dns"] == started["dns"]
    assert cli("lab", "down", "--json").json == {"stopped": started["endpoint"]}
    assert cli("lab", "status").code == 1
    assert "none was running" in cli("lab", "down").out
    assert list(Path(cli.environment["DRCTL_HOME"]).iterdir()) == []


def test_two_homes_hold_two_labs_side_by_side(cli: Cli) -> None:
    other = Cli(cli.home, {**cli.environment, "DRCTL_HOME": str(cli.home / "other")})
    try:
        one, two = (it("lab", "up", "--json").json["endpoint"] for it in (cli, other))
        assert one != two
    finally:
        cli("lab", "down")
        other("lab", "down")


def test_a_lab_with_other_settings_is_not_replaced(cli: Cli) -> None:
    cli("lab", "up", "--speed", "600")
    try:
        refused = cli("lab", "up", "--speed", "60")
        assert refused.code == 3
        assert "a lab with other settings runs at" in refused.err
    finally:
        cli("lab", "down")


def test_the_speed_comes_from_the_environment_when_not_given(cli: Cli) -> None:
    cli.environment["DRCTL_SPEED"] = "1234"
    try:
        assert cli("lab", "up", "--json").json["speed"] == 1234
    finally:
        cli("lab", "down")


def test_a_command_starts_a_lab_when_none_runs_and_says_so_also_after_one_died(cli: Cli) -> None:
    first = cli("status")
    try:
        assert "lab: started at" in first.err
        assert "none was running" in first.err
        assert first.code == 3  # there is no stack in it
        assert "next: drctl provision" in first.err
        pid = json.loads((Path(cli.environment["DRCTL_HOME"]) / "lab.json").read_text())["pid"]
        os.kill(pid, signal.SIGKILL)
        again = cli("status")
        assert "is gone, and what was in it" in again.err
    finally:
        cli("lab", "down")
