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
    status = cli("lab", "status", "--json").json
    assert (status["dns"], status["edge"]) == (started["dns"], started["edge"])
    assert f"clients at {started['edge']}" in cli("lab", "up").out
    assert cli("lab", "status").out.count(started["edge"]) == 1
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


def test_an_unknown_rule_is_named_with_its_nearest_and_nothing_is_started(cli: Cli) -> None:
    refused = cli("lab", "up", "--without", "nat-pendin")
    assert refused.code == 2
    assert "no rule 'nat-pendin'; did you mean nat-pending?" in refused.err
    assert "next: drctl lab rules" in refused.err
    assert list(Path(cli.environment["DRCTL_HOME"]).iterdir()) == []


def test_the_rules_are_told_without_a_lab_and_by_one_that_has_some_switched_off(cli: Cli) -> None:
    alone = {one["name"]: one for one in cli("lab", "rules", "--json").json["rules"]}
    assert alone["nat-pending"]["on"] is True
    assert alone["throttling-route53"]["rule"].startswith("Route 53 takes five requests a second")
    assert not (Path(cli.environment["DRCTL_HOME"]) / "lab.json").exists()
    cli("lab", "up", "--without", "nat-pending")
    try:
        told = {one["name"]: one["on"] for one in cli("lab", "rules", "--json").json["rules"]}
        assert [name for name, on in told.items() if not on] == ["nat-pending"]
        assert cli("lab", "up", "--without", "nat-pendin").code == 2
        assert told.keys() == alone.keys()
    finally:
        cli("lab", "down")


def test_an_outage_is_begun_listed_and_ended(cli: Cli) -> None:
    cli("lab", "up")
    try:
        begun = cli("lab", "outage", "start", "--region", "us-east-1", "--service", "elbv2", "--mode", "hang", "--json")
        assert begun.json["started"] is True
        again = cli("lab", "outage", "start", "--region", "us-east-1", "--service", "elbv2", "--mode", "hang")
        assert (again.code, again.out) == (0, "lab: us-east-1 elasticloadbalancing is out already, mode hang\n")
        other = cli("lab", "outage", "start", "--region", "us-east-1", "--service", "elbv2")
        assert other.code == 3
        assert "next: drctl lab outage end --region us-east-1 --service elasticloadbalancing" in other.err
        listed = cli("lab", "outage", "list", "--json").json["outages"]
        assert [(one["region"], one["service"], one["mode"]) for one in listed] == [
            ("us-east-1", "elasticloadbalancing", "hang")]
        assert "us-east-1 elasticloadbalancing" in cli("lab", "status").out
        assert cli("lab", "outage", "end", "--region", "us-east-1").out == (
            "lab: us-east-1 elasticloadbalancing answers again\n")
        assert cli("lab", "outage", "end", "--json").json == {"ended": []}
        assert cli("lab", "outage", "list").out == "lab: no outages\n"
        assert "region 'mars' is unknown" in cli("lab", "outage", "end", "--region", "mars").err
    finally:
        cli("lab", "down")


def test_an_outage_that_cannot_be_is_bad_usage_and_without_a_lab_the_next_step_is_told(cli: Cli) -> None:
    for command in (("start", "--region", "us-east-1"), ("end",), ("list",)):
        missing = cli("lab", "outage", *command)
        assert missing.code == 1
        assert "next: drctl lab up" in missing.err
    cli("lab", "up")
    try:
        for wrong in (("--region", "mars"), ("--region", "us-east-1", "--service", "tea"),
                      ("--region", "us-east-1", "--mode", "sulk"), ("--region", "us-west-2", "--service", "iam")):
            assert cli("lab", "outage", "start", *wrong).code == 2
    finally:
        cli("lab", "down")


def test_a_gray_failure_is_begun_listed_and_ended(cli: Cli) -> None:
    cli("lab", "up")
    try:
        start = ("lab", "outage", "start", "--region", "us-east-1")
        slow = cli(*start, "--gray", "slow-database", "--delay", "4s")
        assert slow.out == "lab: us-east-1 slow-database now, answers 4 s late\n"
        other = cli(*start, "--gray", "slow-database", "--delay", "500ms")
        assert other.code == 3
        assert "next: drctl lab outage end --region us-east-1 --gray slow-database" in other.err
        assert cli(*start, "--gray", "one-zone").out == "lab: us-east-1 one-zone us-east-1a now\n"
        listed = cli("lab", "outage", "list").out.splitlines()
        assert [line.split()[:3] for line in listed] == [
            ["us-east-1", "slow-database", "gray"], ["us-east-1", "one-zone", "us-east-1a"]]
        assert "us-east-1 slow-database, us-east-1 one-zone us-east-1a" in cli("lab", "status").out
        ended = cli("lab", "outage", "end", "--gray", "slow-database")
        assert ended.out == "lab: us-east-1 slow-database answers again\n"
        for wrong in (("--gray", "tired"), ("--gray", "one-zone", "--service", "rds"), ("--delay", "1s"),
                      ("--gray", "one-zone", "--mode", "hang"), ("--gray", "one-zone", "--delay", "1s"),
                      ("--gray", "slow-database", "--delay", "soon"), ("--gray", "slow-database", "--delay", "2m")):
            assert cli(*start, *wrong).code == 2, wrong
    finally:
        cli("lab", "down")


def test_the_lag_is_told_set_and_taken_back(cli: Cli) -> None:
    assert cli("lab", "lag").code == 1
    cli("lab", "up")
    try:
        assert cli("lab", "lag").out == "lab: secondaries lag 80 ms behind, as ever\n"
        assert cli("lab", "lag", "20m").out == "lab: secondaries lag 1200 s behind\n"
        assert cli("lab", "lag", "500ms", "--json").json == {"lag_ms": 500.0, "default": False}
        assert "lag          500 ms" in cli("lab", "status").out
        for wrong in ("20", "soon", "-5s", "25h", "1e9s"):
            assert cli("lab", "lag", wrong).code == 2
        assert cli("lab", "lag", "--json").json["lag_ms"] == 500.0
        assert cli("lab", "lag", "default", "--json").json == {"lag_ms": 80.0, "default": True}
    finally:
        cli("lab", "down")


def test_a_lab_with_faults_says_so_and_counts_them(cli: Cli) -> None:
    assert cli("lab", "up", "--faults", "0.2", "--seed", "7", "--json").json["faults"] == 0.2
    try:
        told = cli("lab", "status", "--json").json["faults"]
        assert (told["rate"], told["seed"], told["calls"]) == (0.2, 7, 0)
        assert "0.2 of the calls, seed 7: throttled 0" in cli("lab", "status").out
        assert cli("lab", "up", "--faults", "0.3").code == 3
        assert cli("lab", "up").code == 0
    finally:
        cli("lab", "down")
    assert cli("lab", "up", "--faults", "2").code == 2
