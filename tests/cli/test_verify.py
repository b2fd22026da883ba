"""`drctl verify` as its users run it, against labs in which a stack stands, or does not, or cannot be seen."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator

import pytest

from drctl.lab import extensions, outages
from drctl.lab.server import Lab
from drctl.readiness.readiness import RULES
from tests.cli.between import Between, refusal
from tests.cli.conftest import Cli, at, cli_in
from tests.conftest import SPEED

EAST, WEST = "us-east-1", "us-west-2"


def test_where_nothing_stands_everything_is_absent_once_and_nothing_is_changed(
        cli: Cli, lab: Lab, at_the_lab: Callable[[], Between]) -> None:
    end = cli("verify", "--json")
    assert end.code == 4, end.err
    found = end.json
    assert (found["ready"], found["score"] < 50) == (False, True)
    texts = [one["text"] for rule in found["rules"] for one in rule["findings"]]
    assert "network us-east-1 is absent" in texts
    assert len(texts) == len(set(texts))
    assert "subnets us-east-1 is absent" not in texts, "it is absent because the network is"
    assert sum(count for (*_, mutating), count in lab.counting.calls.items() if mutating) == 0


def test_what_may_not_be_seen_is_unknown_and_not_absent(cli: Cli, at_the_lab: Callable[[], Between]) -> None:
    at_the_lab().decide = lambda request: refusal("AccessDenied", "not for you", 403) if (
        request.operation == "GetRole") else None
    end = cli("verify", "--rule", "OBJ-08", "--rule", "FN-05", "--json")
    assert end.code == 1, end.err
    assert {rule["id"]: rule["state"] for rule in end.json["rules"]} == {"OBJ-08": "unknown", "FN-05": "unknown"}
    assert all("not for you" in one["why"] for rule in end.json["rules"] for one in rule["not_seen"])
    assert "score" not in end.json, "some rules have no score"


def test_the_rules_are_listed_without_asking_anybody(cli: Cli) -> None:
    end = cli("verify", "--list")
    assert end.code == 0
    assert all(rule.id in end.out for rule in RULES)
    assert [one["id"] for one in cli("verify", "--list", "--rule", "SWI-04", "--json").json] == ["SWI-04"]


@pytest.mark.parametrize(("arguments", "words"), [
    (("--rule", "DB-99"), "no rule DB-99"), (("--json", "--watch", "5"), "--watch is for people"),
    (("--publish", "--rule", "DB-14"), "--rule chooses some"), (("--watch", "0"), "0")], ids=str)
def test_bad_usage_is_told_before_anything_is_called(cli: Cli, arguments: tuple[str, ...], words: str) -> None:
    cli.environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    end = cli("verify", *arguments)
    assert end.code == 2
    assert words in end.err


@pytest.fixture(scope="module")
def standing(lab_server: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """drctl at a stack that it has built, and that nobody has touched since."""
    extensions.reset()
    cli = cli_in(tmp_path_factory.mktemp("verify"))
    at(cli, lab_server, SPEED)
    built = cli("provision", "--json")
    assert built.code == 0, built.err
    yield cli
    outages.end()
    extensions.reset()


def test_a_stack_that_was_just_built_is_ready(standing: Cli) -> None:
    end = standing("verify")
    assert (end.code, "readiness 100 of 100: a failover can begin now" in end.out) == (0, True), end.out


def test_junit_has_a_case_for_each_rule_and_a_failure_for_each_that_does_not_hold(
        standing: Cli, lab_server: Lab) -> None:
    from tests.readiness.world import World

    aws = World(lab_server).aws[WEST]
    aws.lambda_.put_function_concurrency(FunctionName=f"lambda-app-{WEST}-lab", ReservedConcurrentExecutions=0)
    try:
        end = standing("verify", "--junit", "readiness.xml", "--publish")
    finally:
        aws.lambda_.delete_function_concurrency(FunctionName=f"lambda-app-{WEST}-lab")
    assert end.code == 4
    for words in ("FN-10", "blocks", f"the app in {WEST} is stopped", "way: drctl failback"):
        assert words in end.out
    cases = ET.parse(standing.home / "readiness.xml").findall(".//testcase")  # noqa: S314  # our own
    assert len(cases) == len(RULES)
    failed = {str(case.get("name")).split()[0]: case.find("failure") for case in cases}
    assert failed["FN-10"] is not None
    assert "way: drctl failback" in str(failed["FN-10"].text)
    assert failed["DB-01"] is None
    metrics = {one["MetricName"] for one in aws.cloudwatch.list_metrics(Namespace="drctl")["Metrics"]}
    assert metrics == {"FailoverReadiness", "ReadinessScore"}


def test_where_the_home_of_iam_and_route_53_hangs_nothing_of_it_is_waited_for(standing: Cli) -> None:
    """Clients of the other region ask them too: each call would hang as long as it may."""
    outages.start(EAST, "", "hang")
    try:
        end = standing("verify", "--json")
    finally:
        outages.end()
    assert end.code == 1
    whys = {one["why"] for rule in end.json["rules"] for one in rule["not_seen"]}
    assert f"{EAST} does not answer" in whys
    assert not [why for why in whys if "no answer within" in why]
    assert next(rule for rule in end.json["rules"] if rule["id"] == "KEY-01")["looked_at"] == [f"key {WEST}"]


def test_a_region_that_is_silent_is_not_asked_and_the_other_one_is_judged(standing: Cli) -> None:
    outages.start(WEST, "", "refuse")
    try:
        end = standing("verify", "--json")
    finally:
        outages.end()
    assert end.code in {1, 4}
    by_id = {rule["id"]: rule for rule in end.json["rules"]}
    assert {one["why"] for one in by_id["KEY-01"]["not_seen"]} == {f"{WEST} does not answer"}
    assert by_id["KEY-01"]["looked_at"] == [f"key {EAST}"]
    assert not end.json["ready"]
