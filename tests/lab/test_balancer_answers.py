"""What a balancer makes of a request: rules, web ACL, the function's event, and the answer to the client."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.lab.clock import CLOCK
from drctl.lab.function_targets import LARGEST_BODY
from drctl.lab.server import Lab
from tests.conftest import SPEED
from tests.lab.front_door_world import HERE, Balancer
from tests.lab.internet import NAME, Internet, Line, open_door
from tests.steps.lifecycle import lagging

ADDRESS = "198.51.100.7"
SEEN: Any = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "m"}


@pytest.fixture
def internet(lab: Lab) -> Iterator[Internet]:
    """Clients outside the lab."""
    made = Internet(lab.endpoint)
    yield made
    made.go()


@pytest.fixture
def door(aws: Aws) -> Iterator[Balancer]:
    """A balancer that some of the internet may come in to; from then on time passes as on AWS."""
    made = open_door(aws)
    with lagging(1.0):
        yield made


@pytest.fixture
def line(internet: Internet, door: Balancer) -> Line:
    """A client's connection to it."""
    return internet.line()


def test_a_function_gets_the_request_as_a_balancer_hands_it_on(line: Line, door: Balancer) -> None:
    event = line.event("/a%20b/c?x=1%2B1&y=&x=2", "PATCH", "{}", Content_Type="application/json", X_Own="Kept As Is",
                       Connection="keep-alive")
    assert event["requestContext"] == {"elb": {"targetGroupArn": door.target_group}}
    assert (event["httpMethod"], event["path"]) == ("PATCH", "/a%20b/c")
    assert event["queryStringParameters"] == {"x": "2", "y": ""}
    assert (event["body"], event["isBase64Encoded"]) == ("{}", False)
    trace = event["headers"].pop("x-amzn-trace-id")
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", trace)
    assert event["headers"] == {
        "host": NAME, "accept-encoding": "identity", "content-type": "application/json", "content-length": "2",
        "x-own": "Kept As Is", "x-forwarded-for": ADDRESS, "x-forwarded-proto": "http", "x-forwarded-port": "80"}


def test_what_a_client_says_of_its_way_and_its_trace_is_kept_before_the_balancers_own(line: Line) -> None:
    headers = line.event(X_Forwarded_For="192.0.2.9", X_Amzn_Trace_Id="Root=1-67891233-abcdef012345678912345678")[
        "headers"]
    assert headers["x-forwarded-for"] == f"192.0.2.9, {ADDRESS}"
    assert re.fullmatch(r"Self=1-\w+-\w+;Root=1-67891233-abcdef012345678912345678", headers["x-amzn-trace-id"])


@pytest.mark.parametrize("said", [{"Content_Type": "application/octet-stream"}, {},
                                  {"Content_Type": "text/plain", "Content_Encoding": "gzip"}])
def test_a_body_that_is_no_plain_text_is_encoded(line: Line, said: dict[str, str]) -> None:
    event = line.event("/", "PUT", b"\0\xff", **said)
    assert event["isBase64Encoded"]
    assert base64.b64decode(event["body"]) == b"\0\xff"


def test_a_body_in_pieces_arrives_whole(line: Line) -> None:
    line.putrequest("POST", "/")
    for name, value in (("Transfer-Encoding", "chunked"), ("Content-Type", "text/plain")):
        line.putheader(name, value)
    line.endheaders()
    line.send(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert json.loads(line.getresponse().read())["body"] == "abcde"
    assert line.ask().status == 200


def answer(line: Line, method: str = "POST", **said: Any) -> Any:
    """What the client gets when the function answers so."""
    return line.ask("/answer", method, json.dumps(said), Content_Type="application/json")


def test_the_client_gets_what_the_function_answers(line: Line) -> None:
    got = answer(line, statusCode=418, statusDescription="418 Short and stout", headers={"X-Own": "yes"},
                 body=base64.b64encode(b"\0\xff").decode(), isBase64Encoded=True)
    assert (got.status, got.reason, got.headers["X-Own"], got.content) == (418, "Short and stout", "yes", b"\0\xff")
    assert got.headers["Server"] == "awselb/2.0"
    assert answer(line, statusCode=204).content == b""
    assert answer(line, statusCode="200", body="é").content == "é".encode()
    assert answer(line, method="HEAD", statusCode=200, body="not for HEAD").content == b""


@pytest.mark.parametrize("said", [{}, {"statusCode": 99}, {"statusCode": "fine"}, {"statusCode": 200, "body": ["no"]},
                                  {"statusCode": 200, "headers": {"X-Number": 5}},
                                  {"statusCode": 200, "headers": {"X-Two": "one\r\nX-More: two"}},
                                  {"statusCode": 200, "headers": {"X-Far": "\u4e16"}},
                                  {"statusCode": 200, "body": "no base64", "isBase64Encoded": True},
                                  {"statusCode": 200, "statusDescription": "200 \u4e16"}])
def test_an_answer_of_another_form_is_a_502(line: Line, said: dict[str, Any]) -> None:
    assert answer(line, **said).status == 502
    assert line.ask().status == 200


def test_a_function_that_fails_is_a_502_and_one_that_is_not_there_a_503(
        line: Line, aws: Aws, door: Balancer) -> None:
    assert line.ask("/error").status == 502
    aws[HERE].elbv2.deregister_targets(TargetGroupArn=door.target_group, Targets=[{"Id": door.function}])
    assert line.ask().status == 503


def test_a_body_over_a_megabyte_is_not_handed_on(line: Line) -> None:
    assert line.ask("/", "POST", b"x" * (LARGEST_BODY + 1)).status == 413
    assert line.ask("/", "POST", b"x" * 1000).status == 200


def test_rules_are_asked_by_priority(line: Line, aws: Aws, door: Balancer) -> None:
    def rule(priority: int, path: str, action: Any) -> None:
        aws[HERE].elbv2.create_rule(ListenerArn=door.listener, Priority=priority, Actions=[action], Conditions=[
            {"Field": "path-pattern", "PathPatternConfig": {"Values": [path]}}])

    rule(20, "/old/*", {"Type": "fixed-response", "FixedResponseConfig": {
        "StatusCode": "410", "ContentType": "text/plain", "MessageBody": "gone"}})
    rule(10, "/old/news", {"Type": "redirect", "RedirectConfig": {
        "Protocol": "HTTPS", "Port": "443", "Path": "/new/#{path}", "StatusCode": "HTTP_301"}})
    gone = line.ask("/old/hat")
    assert (gone.status, gone.content, gone.headers["Content-Type"]) == (410, b"gone", "text/plain")
    moved = line.ask("/old/news?page=2")
    assert (moved.status, moved.headers["Location"]) == (301, f"https://{NAME}:443/new/old/news?page=2")
    assert line.ask("/other").status == 200


def guard(aws: Aws, door: Balancer, *rules: Any) -> None:
    """Put a web ACL with these rules in front of the balancer, as soon as WAF knows both."""
    wafv2 = aws[HERE].wafv2
    wanted: Any = [{**rule, "Name": str(number), "Priority": number, "VisibilityConfig": SEEN}
                   for number, rule in enumerate(rules)]
    with lagging(SPEED):
        made = wafv2.create_web_acl(Name="acl", Scope="REGIONAL", DefaultAction={"Allow": {}}, VisibilityConfig=SEEN,
                                    Rules=wanted)["Summary"]["ARN"]
        wafv2.associate_web_acl(WebACLArn=made, ResourceArn=door.arn)
    CLOCK.set_speed(1.0)


@pytest.mark.rule("waf-verdict")
def test_an_address_that_comes_too_often_is_refused_until_its_requests_are_five_minutes_old(
        internet: Internet, aws: Aws, door: Balancer) -> None:
    guard(aws, door, {"Action": {"Block": {}}, "Statement": {"RateBasedStatement": {
        "Limit": 10, "EvaluationWindowSec": 300, "AggregateKeyType": "IP"}}})
    line, other = internet.line(), internet.line(client="198.51.100.8")
    assert [line.ask().status for _ in range(11)] == [200] * 10 + [403]
    assert other.ask().status == 200
    CLOCK.skip(301)
    assert line.ask().status == 200


@pytest.mark.rule("waf-verdict")
def test_the_first_rule_that_fits_decides(internet: Internet, aws: Aws, door: Balancer) -> None:
    wafv2 = aws[HERE].wafv2
    friends = wafv2.create_ip_set(Name="friends", Scope="REGIONAL", IPAddressVersion="IPV4",
                                  Addresses=["198.51.100.8/32"])["Summary"]["ARN"]
    CLOCK.skip(60)
    of_friends: Any = {"IPSetReferenceStatement": {"ARN": friends}}
    to_health: Any = {"ByteMatchStatement": {
        "SearchString": b"/health", "FieldToMatch": {"UriPath": {}}, "PositionalConstraint": "EXACTLY",
        "TextTransformations": [{"Priority": 0, "Type": "NONE"}]}}
    guard(aws, door, {"Action": {"Allow": {}}, "Statement": {"AndStatement": {"Statements": [of_friends, to_health]}}},
          {"Action": {"Block": {}}, "Statement": to_health})
    friend, stranger = internet.line(client="198.51.100.8"), internet.line()
    assert friend.ask("/health").status == 200
    assert stranger.ask("/health").status == 403
    assert stranger.ask("/other").status == 200
