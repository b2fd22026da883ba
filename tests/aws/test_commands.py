"""One call as data: what is sent is what a person would type, and a shell hands the same values on."""

from __future__ import annotations

import json
import shlex
import subprocess
from datetime import UTC, datetime

import pytest

from drctl.actions.steady_state import lag_by_hand
from drctl.aws.clients import Aws
from drctl.aws.commands import Command
from drctl.settings import Settings
from tests.engine.fakes import offline_run

WEST = "us-west-2"


def words(command: Command) -> list[str]:
    """The line as a shell takes it apart."""
    return shlex.split(str(command))


def after(command: Command, option: str) -> str:
    """The word behind an option."""
    line = words(command)
    return line[line.index(option) + 1]


def test_what_is_sent_is_one_call_to_that_region(aws: Aws) -> None:
    Command(WEST, "sns", "CreateTopic", {"Name": "one"}).send(aws)
    answer = Command(WEST, "sns", "ListTopics").send(aws)
    assert [topic["TopicArn"] for topic in answer["Topics"]] == [f"arn:aws:sns:{WEST}:123456789012:one"]
    assert Command("us-east-1", "sns", "ListTopics").send(aws)["Topics"] == []


@pytest.mark.parametrize(("service", "operation", "line"), [
    ("rds", "DescribeDBClusters", "aws rds describe-db-clusters --region us-west-2"),
    ("s3", "ListObjectsV2", "aws s3api list-objects-v2 --region us-west-2"),
    ("lambda_", "GetFunctionConcurrency", "aws lambda get-function-concurrency --region us-west-2"),
    ("secrets", "DescribeSecret", "aws secretsmanager describe-secret --region us-west-2"),
    ("elbv2", "DescribeLoadBalancers", "aws elbv2 describe-load-balancers --region us-west-2"),
    ("route53", "GetHealthCheckStatus", "aws route53 get-health-check-status --region us-west-2")])
def test_services_and_operations_are_called_as_the_cli_calls_them(service: str, operation: str, line: str) -> None:
    assert str(Command(WEST, service, operation)) == line


def test_only_what_can_change_aws_counts_as_a_change() -> None:
    assert Command(WEST, "rds", "FailoverGlobalCluster").mutating
    assert Command(WEST, "s3", "PutObject").mutating
    assert not Command(WEST, "rds", "DescribeGlobalClusters").mutating
    assert not Command(WEST, "lambda_", "Invoke").mutating


@pytest.mark.parametrize("value", ["plain", "two words", "it's", 'a "quoted" one', "$HOME and `id`", "a;b|c&d", "*"])
def test_a_shell_hands_every_value_on_as_it_is(value: str) -> None:
    assert after(Command(WEST, "ssm", "GetParameter", {"Name": value}), "--name") == value


def typed(line: str) -> list[str]:
    """What a plain shell hands to the AWS CLI when somebody types that line."""
    script = f"aws() {{ for word; do printf '%s\\n' \"$word\"; done; }}; {line}"
    return subprocess.run(["/bin/sh", "-c", script], check=True, capture_output=True, text=True).stdout.splitlines()


def test_the_newest_lag_is_asked_for_in_a_line_that_works_as_it_stands_whenever_it_is_pasted() -> None:
    line = typed(str(lag_by_hand(offline_run(), Settings().standby)))
    begin, end = (datetime.fromisoformat(line[line.index(option) + 1]) for option in ("--start-time", "--end-time"))
    assert line[:2] == ["cloudwatch", "get-metric-statistics"]
    assert (end - begin).total_seconds() == pytest.approx(600, abs=5)
    assert (datetime.now(UTC) - end).total_seconds() == pytest.approx(0, abs=30)


def test_booleans_are_flags() -> None:
    def line(value: bool) -> list[str]:
        return words(Command(WEST, "rds", "FailoverGlobalCluster", {"AllowDataLoss": value}))

    assert line(True)[3:] == ["--allow-data-loss", "--region", WEST]
    assert line(False)[3:] == ["--no-allow-data-loss", "--region", WEST]


def test_numbers_are_written_as_they_are() -> None:
    call = Command(WEST, "lambda_", "PutFunctionConcurrency", {"ReservedConcurrentExecutions": 0})
    assert after(call, "--reserved-concurrent-executions") == "0"


def test_lists_of_words_are_several_words_and_structures_are_json() -> None:
    filters = [{"Name": "db-cluster-id", "Values": ["it's mine"]}]
    call = Command(WEST, "elbv2", "DescribeLoadBalancers", {"Names": ["one", "two words"], "Filters": filters,
                                                            "Metadata": {"run": "a b"}})
    line = words(call)
    assert line[3:6] == ["--names", "one", "two words"]
    assert json.loads(after(call, "--filters")) == filters
    assert json.loads(after(call, "--metadata")) == {"run": "a b"}


def test_a_payload_is_given_as_text_and_its_answer_shown() -> None:
    line = words(Command(WEST, "lambda_", "Invoke", {"FunctionName": "probe", "Payload": b'{"action": "health"}'}))
    assert line == ["aws", "lambda", "invoke", "--function-name", "probe", "--payload", '{"action": "health"}',
                    "--cli-binary-format", "raw-in-base64-out", "/dev/stdout", "--region", WEST]


def test_the_content_of_an_object_is_left_out() -> None:
    line = str(Command(WEST, "s3", "PutObject", {"Bucket": "b", "Key": "k", "Body": b"secret"}))
    assert line == "aws s3api put-object --bucket b --key k --region us-west-2"
