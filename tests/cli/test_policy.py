"""`drctl policy`: documents for IAM, and how to attach them; nothing is called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drctl.permissions.documents import RUNS, policies_of
from drctl.settings import Settings
from tests.cli.between import between
from tests.cli.conftest import Cli


@pytest.mark.parametrize("run", RUNS)
def test_a_runs_policies_are_printed_for_a_script(cli: Cli, run: str) -> None:
    with between(None) as line:
        cli.environment["AWS_ENDPOINT_URL"] = line.url
        told = cli("policy", run, "--json").json
        assert line.seen == []
    assert not list(Path(cli.environment["DRCTL_HOME"]).glob("*")), "no lab is started for it"
    assert [one["document"] for one in told["policies"]] == [one.document for one in policies_of(Settings(), run)]
    assert all(one["characters"] <= 6_144 for one in told["policies"])


def test_people_are_told_what_each_policy_is_for_and_how_it_is_attached(cli: Cli) -> None:
    said = cli("policy", "failover").out
    assert "# drctl-lab-failover: failovers, planned and unplanned, with loss; makes and deletes nothing" in said
    assert ("aws iam attach-role-policy --role-name ROLE --policy-arn "
            "arn:aws:iam::123456789012:policy/drctl-lab-failover") in said
    for number, part in enumerate(said.split("# drctl-")[1:]):
        printed = json.loads(part[part.index("{"):part.rindex("}") + 1] if number == 0 else part[
            part.index("{"):part.index("\n}") + 2])
        assert printed["Version"] == "2012-10-17"


def test_the_command_that_attaches_takes_the_policy_out_of_the_json_with_the_same_configuration(
        cli: Cli, tmp_path: Path) -> None:
    chosen = tmp_path / "mine.yaml"
    chosen.write_text("environment: mine\nnetwork: {admit_cidrs: [198.51.100.0/24]}\n")
    said = cli("policy", "read", "-c", str(chosen)).out
    assert f"drctl policy read -c {chosen} --json | jq '.policies[0].document' > drctl-mine-read.json" in said


def test_another_run_is_bad_usage(cli: Cli) -> None:
    end = cli("policy", "everything")
    assert end.code == 2
    assert "'everything' is not one of" in end.err
