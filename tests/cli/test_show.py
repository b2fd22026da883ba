"""The runbooks as people read them before, or instead of, letting drctl play them: kept word for word in golden files.

To renew the files after a change that is meant: RENEW_GOLDEN=1 make test, or pytest tests/cli/test_show.py; then read
what `git diff` shows as an operator would.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from tests.cli.between import between
from tests.cli.conftest import Cli, cli_in
from tests.forking import warmed

GOLDEN = Path(__file__).parent / "golden"
#: Whether the files are written instead of compared.
RENEWS = os.environ.get("RENEW_GOLDEN", "") not in {"", "0"}
EAST = ("--to", "us-east-1")
SHOWN: dict[str, tuple[str, ...]] = {
    "failover": ("failover", "--show"),
    "failover-to-us-east-1": ("failover", "--show", *EAST),
    "planned": ("failover", "--planned", "--show"),
    "planned-to-us-east-1": ("failover", "--planned", "--show", *EAST),
    "drill": ("failover", "--drill", "--show"),
    "drill-to-us-east-1": ("failover", "--drill", "--show", *EAST),
    "isolated": ("failover", "--drill", "--mode", "isolated", "--show"),
    "failback": ("failback", "--show"),
}


@pytest.fixture
def shows(tmp_path: Path) -> Cli:
    """drctl where no lab runs and nothing answers."""
    drctl = cli_in(tmp_path, warmed())
    drctl.environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    return drctl


def commands(text: str) -> list[str]:
    """What a person is told to type."""
    return [line.strip()[2:] for line in text.splitlines() if line.strip().startswith("$ ")]


@pytest.mark.parametrize("name", SHOWN)
def test_the_runbook_is_shown_as_it_was(shows: Cli, name: str) -> None:
    end = shows(*SHOWN[name])
    assert end.code == 0, end.err
    file = GOLDEN / f"{name}.txt"
    if RENEWS:
        file.write_text(end.out)
    assert end.out == file.read_text(), f"{file.name} has changed; if that is meant: RENEW_GOLDEN=1 pytest {__file__}"


def test_every_golden_file_is_compared() -> None:
    assert {file.stem for file in GOLDEN.glob("*.txt")} == set(SHOWN)


@pytest.mark.parametrize("name", SHOWN)
def test_showing_calls_nothing_and_leaves_nothing(shows: Cli, name: str) -> None:
    with between(None) as line:
        shows.environment["AWS_ENDPOINT_URL"] = line.url
        assert shows(*SHOWN[name]).code == 0
        assert line.seen == []
    assert not Path(shows.environment["DRCTL_HOME"]).exists()


@pytest.mark.parametrize("name", SHOWN)
def test_every_command_can_be_typed_as_it_is(shows: Cli, name: str) -> None:
    for command in commands(shows(*SHOWN[name]).out):
        if command.startswith("# "):
            continue  # a word to the person
        words = shlex.split(command)
        assert words[0] in {"aws", "dig"}, command
        assert words[0] != "aws" or words[-2] == "--region", command
        assert "None" not in command, command


def test_an_unplanned_failover_types_nothing_at_the_lost_region_but_the_fence_and_what_it_replaces(shows: Cli) -> None:
    for name, lost in (("failover", "us-east-1"), ("failover-to-us-east-1", "us-west-2")):
        there = [command for command in commands(shows(*SHOWN[name]).out) if command.endswith(f"--region {lost}")]
        assert [command.split()[2] for command in there] == ["get-function-concurrency", "put-function-concurrency"]
        assert not any(word in command for command in commands(shows(*SHOWN[name]).out)
                       for word in ("aws route53", "aws iam", "aws cloudfront"))


def test_lines_are_numbered_in_one_row(shows: Cli) -> None:
    for arguments in SHOWN.values():
        numbers = [int(found) for found in re.findall(r"^ ?(\d+)\. ", shows(*arguments).out, re.MULTILINE)]
        assert numbers == list(range(1, len(numbers) + 1))


def test_a_region_that_is_none_of_the_stack_is_bad_usage(shows: Cli) -> None:
    end = shows("failover", "--show", "--to", "eu-west-1")
    assert end.code == 2
    assert "eu-west-1 is no region of this stack: us-east-1, us-west-2" in end.err
