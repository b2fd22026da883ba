"""The command starts at once, says what it can do, and ends with the exit code its contract promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.between import between, json_refusal, refusal
from tests.cli.conftest import Cli

HEAVY = {"boto3", "botocore", "moto", "rich", "pydantic", "yaml"}
AWS = """\
target: aws
environment: dev
account_id: "210987654321"
network: {admit_cidrs: [198.51.100.0/24]}
dns: {zone: dev.acme-health.com}
"""


@pytest.mark.parametrize("arguments", [["--help"], ["provision", "--wrong"], ["nonsense"], ["--version"]])
def test_help_and_argument_errors_import_nothing_heavy(arguments: list[str]) -> None:
    script = (f"import sys; sys.argv = ['drctl', *{arguments!r}]\n"
              "from drctl.cli.main import main\n"
              "try: main()\nexcept SystemExit: pass\n"
              f"print('HEAVY', sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)")
    end = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert end.stderr.strip().endswith("HEAVY []")


def test_help_lists_every_command_and_the_exit_codes(cli: Cli) -> None:
    shown = cli("--help")
    assert shown.code == 0
    for word in ("provision", "status", "failover", "teardown", "outputs", "runs", "report", "lab", "Exit codes"):
        assert word in shown.out


@pytest.mark.parametrize(("arguments", "message"), [
    (("provisoin",), "Did you mean provision?"), (("provision", "--jsn"), "--json"), (("failover", "--stay"), "--stay goes with --drill"),
    (("report", "nothing"), "there is no such run"), (("provision", "-c", "/nowhere.yaml"), "cannot be read"),
])
def test_a_wrong_command_line_is_exit_2(cli: Cli, arguments: tuple[str, ...], message: str) -> None:
    end = cli(*arguments)
    assert end.code == 2
    assert message in end.err
    assert end.out == ""


@pytest.mark.parametrize(("arguments", "message"), [
    (("provisoin", "--json"), "Did you mean provision?"), (("failover", "--stay", "--json"), "--stay goes with --drill"),
    (("status", "--jsn", "--json"), "No such option"), (("report", "nothing", "--json"), "there is no such run"),
])
def test_a_failure_is_one_json_document_for_whoever_asks_for_json(cli: Cli, arguments: tuple[str, ...],
                                                                  message: str) -> None:
    end = cli(*arguments)
    assert end.code == 2
    assert message in end.err
    assert message in end.json["error"]["message"]
    assert end.json["error"]["exit_code"] == 2


def test_a_bad_configuration_lists_its_problems_in_json_too(cli: Cli) -> None:
    path = cli.home / "bad.yaml"
    path.write_text("enviroment: x\nregions: {primary: us-east-1, standby: us-east-1}\n")
    problems = cli("provision", "-c", str(path), "--json").json["error"]["problems"]
    assert problems[-2].startswith(f"{path}:1: enviroment: is not a known key")
    assert problems[-1].startswith(f"{path}:2: regions.standby")


@pytest.mark.parametrize("command", [("provision",), ("teardown",), ("failover", "--drill"), ("status",),
                                     ("outputs",)])
def test_a_bad_configuration_is_exit_2_and_nothing_is_called(cli: Cli, command: tuple[str, ...]) -> None:
    path = cli.home / "bad.yaml"
    path.write_text("enviroment: x\nregions: {primary: us-east-1, standby: us-east-1}\n")
    with between(None) as line:
        cli.environment["AWS_ENDPOINT_URL"] = line.url
        end = cli(*command, "-c", str(path))
        assert line.seen == []
    assert end.code == 2
    assert f"{path}:1: enviroment: is not a known key; did you mean environment?" in end.err
    assert f"{path}:2: regions.standby" in end.err
    assert not Path(cli.environment["DRCTL_HOME"]).exists()


def test_without_credentials_aws_is_refused_with_the_way_to_look(cli: Cli) -> None:
    path = cli.home / "aws.yaml"
    path.write_text(AWS)
    end = cli("provision", "--yes", "-c", str(path))
    assert end.code == 3
    assert "AWS does not accept the credentials in us-east-1: NoCredentialsError" in end.err
    assert "aws sts get-caller-identity" in end.err


@pytest.mark.parametrize("command", ["provision", "teardown"])
def test_credentials_aws_does_not_accept_are_refused(cli: Cli, command: str) -> None:
    path = cli.home / "aws.yaml"
    path.write_text(AWS)
    with between(None) as line:
        line.decide = lambda _: refusal("InvalidClientTokenId", "The security token is invalid.", 403)
        cli.environment |= {"AWS_ENDPOINT_URL": line.url, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
        end = cli(command, "--yes", "-c", str(path))
        assert {request.operation for request in line.seen} == {"GetCallerIdentity"}
    assert end.code == 3
    assert "InvalidClientTokenId: The security token is invalid." in end.err


def test_another_account_is_refused(cli: Cli) -> None:
    path = cli.home / "aws.yaml"
    path.write_text(AWS.replace("210987654321", "210987654322"))
    with between(None) as line:
        line.decide = lambda _: _identity("999988887777")
        cli.environment |= {"AWS_ENDPOINT_URL": line.url, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
        end = cli("provision", "--yes", "-c", str(path))
    assert end.code == 3
    assert "account 999988887777; the configuration allows only 210987654322" in end.err


def test_aws_is_not_changed_when_nobody_confirms(cli: Cli) -> None:
    path = cli.home / "aws.yaml"
    path.write_text(AWS)
    with between(None) as line:
        cli.environment["AWS_ENDPOINT_URL"] = line.url
        for command in (("provision",), ("teardown",), ("failover", "--drill")):
            end = cli(*command, "-c", str(path))
            assert end.code == 3
            assert "nobody confirmed; nothing was changed" in end.err
        assert line.seen == []


def _identity(account: str):  # type: ignore[no-untyped-def]  # a reply
    from tests.cli.between import Reply

    return Reply(200, f"<GetCallerIdentityResponse><GetCallerIdentityResult><Account>{account}</Account>"
                      "<Arn>arn:aws:iam::1:user/x</Arn><UserId>x</UserId></GetCallerIdentityResult>"
                      "</GetCallerIdentityResponse>")


def test_json_refusals_have_their_code() -> None:
    assert json_refusal("X", "y").content_type.startswith("application/x-amz-json")
