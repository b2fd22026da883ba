"""`drctl lab scenario`: what came of a stack in a lab of its own, beside what a file expects."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from drctl.cli.scenarios import chosen, in_the_lab, names_of, seconds_of
from drctl.configuration import load, packaged_lab, parse
from tests.cli.conftest import Cli

SCENARIO = ("lab", "scenario")


def own(cli: Cli, *steps: str, built: bool = False) -> str:
    """A scenario of the user's own on an empty lab; its name on the command line."""
    path = cli.home / "own.yaml"
    path.write_text(f"title: mine\nwhy: to see\nbuilt: {str(built).lower()}\nsteps: [{', '.join(steps)}]\n")
    return str(path)


def test_the_scenarios_are_listed_with_what_they_are_about(cli: Cli) -> None:
    listed = cli(*SCENARIO, "--list", "--json").json["scenarios"]
    assert {"region-lost", "lying-health", "lag-of-twenty-minutes"} <= {one["name"] for one in listed}
    assert all(Path(one["file"]).is_file() and one["why"] for one in listed)
    assert all(f"{one['name']} " in cli(*SCENARIO, "--list").out for one in listed[:1])


def test_a_quota_that_is_used_up_ends_as_its_file_expects_in_a_lab_that_is_gone_afterwards(cli: Cli) -> None:
    end = cli(*SCENARIO, "vpc-quota-used-up", "--speed", "600")
    assert end.code == 0, end.out + end.err
    assert "ok       vpc-quota-used-up" in end.out
    assert "1 of 1 scenarios ended as expected (simulated)" in end.out
    home = Path(cli.environment["DRCTL_HOME"])
    assert sorted(one.name for one in home.iterdir()) == ["scenarios"]
    assert sorted(one.name for one in (home / "scenarios" / "vpc-quota-used-up").iterdir()) == [
        "runs", "settings.yaml"]


@pytest.mark.parametrize(("step", "told"), [
    ("{drctl: status}", "expected exit 0, got 3"),
    ("{drctl: status, exits: 3, says: [all is well]}", "not said: 'all is well'; the end of what was"),
    ("{drctl: lab status, report: {speed: 60}}", "speed is 600.0, expected 60"),
    ("{drctl: lab status, report: {speed: [1, 599]}}", r"speed is 600.0, expected (1.0, 599.0)"),
    ("{rows: kept}", "has to start its traffic before it looks at users or rows"),
])
def test_what_ends_otherwise_is_told_with_its_step_and_is_exit_4(cli: Cli, step: str, told: str) -> None:
    end = cli(*SCENARIO, own(cli, "{lag: 20s}", step), "--speed", "600", "--json")
    assert end.code == 4
    (one,) = end.json["scenarios"]
    assert (one["name"], one["step"]) == ("own", 2)
    assert told in one["differs"]
    assert end.json["error"]["findings"] == [f"own, step 2: {one['differs']}"]


def test_an_unknown_name_and_a_wrong_file_are_bad_usage_before_anything_is_played(cli: Cli) -> None:
    unknown = cli(*SCENARIO, own(cli, "{drctl: status}"), "region-list")
    assert (unknown.code, "there is no scenario 'region-list'" in unknown.err) == (2, True)
    wrong = cli(*SCENARIO, own(cli, "{drctl: status, sings: x}"))
    assert (wrong.code, "steps.0.sings" in wrong.err) == (2, True)
    assert cli(*SCENARIO).code == 2
    assert not Path(cli.environment["DRCTL_HOME"]).exists()


def test_a_configuration_of_an_account_becomes_one_of_the_lab_and_the_rest_of_it_stays(tmp_path: Path) -> None:
    path = tmp_path / "production.yaml"
    text = packaged_lab().with_name("production.yaml").read_text()
    (tmp_path / "app.zip").write_bytes(b"")
    given = yaml.safe_load(text)
    given |= {"account_id": "345678901234", "network": given["network"] | {"admit_cidrs": ["192.0.2.0/24"]}}
    given["dns"] |= {"zone": "dr.example-health.com", "zone_id": "Z0123456789ABCDEFGHIJ"}
    arns = {role: f"arn:aws:acm:{given['regions'][role]}:345678901234:certificate/{uuid4()}"
            for role in ("primary", "standby")}
    given["tls"] |= {"mode": "given", **{f"{role}_certificate_arn": arn for role, arn in arns.items()}}
    given["app"] = {"package": str(tmp_path / "app.zip"), "memory_mb": 1024}
    path.write_text(yaml.safe_dump(given))
    before, made = load(path), parse(yaml.safe_dump(in_the_lab(path)), "made")
    assert (made.target, made.account_id, made.deletion_protection) == ("lab", "123456789012", False)
    assert (made.dns.zone, made.dns.zone_id, made.tls.mode, made.tls.primary_certificate_arn) == (
        before.dns.zone, None, "acm", None)
    for part in ("app", "database", "network", "failover", "waf", "objectives", "tags", "environment"):
        assert getattr(made, part) == getattr(before, part)


def test_scenarios_name_regions_and_buckets_of_the_stack_they_are_played_on() -> None:
    data = in_the_lab(packaged_lab()) | {"environment": "mine", "regions": {"primary": "us-west-2",
                                                                            "standby": "us-east-1"}}
    names = names_of(parse(yaml.safe_dump(data), "settings"))
    assert (names["primary"], names["standby"]) == ("us-west-2", "us-east-1")
    assert names["switch_standby"] == "s3-switch-us-east-1-mine-123456789012"
    one = chosen(["switch-object-unreachable"], data)["switch-object-unreachable"]
    assert names["switch_standby"] in str(one.steps[2].outage)


def test_spans_are_in_seconds_of_aws_time() -> None:
    assert [seconds_of(span) for span in ("500ms", "20s", "15m", "1.5h")] == [0.5, 20, 900, 5400]
