"""Who repeats a call whose answer was lost, throttled or refused, asked of a server that answers as it is told."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from drctl.aws.clients import Aws, Credentials, Door
from drctl.aws.retries import AnswerLost, may_be_repeated
from drctl.engine.clock import Clock
from drctl.engine.events import Events

CUT = b""
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 17\r\n\r\n<R><ok>1</ok></R>"


def answer(status: int, code: str) -> bytes:
    """A refusal of EC2."""
    body = f"<Response><Errors><Error><Code>{code}</Code><Message>m</Message></Error></Errors></Response>".encode()
    return b"HTTP/1.1 %d X\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


class Told(socketserver.ThreadingTCPServer):
    """Takes one request a connection and sends the next of `answers`; nothing at all for CUT."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answers: list[bytes]) -> None:
        self.answers, self.asked = answers, 0
        super().__init__(("127.0.0.1", 0), _Connection)


class _Connection(socketserver.StreamRequestHandler):
    server: Told

    def handle(self) -> None:
        length = 0
        while (line := self.rfile.readline().strip()):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        self.rfile.read(length)
        self.server.asked += 1
        told = self.server.answers.pop(0) if self.server.answers else EMPTY
        if told:
            self.wfile.write(told.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))


@contextmanager
def asked(*answers: bytes) -> Iterator[tuple[Any, Callable[[], int]]]:
    """An EC2 client at a server with these answers, and how often it was asked."""
    server = Told(list(answers))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    aws = Aws(Door(f"http://127.0.0.1:{server.server_address[1]}", Credentials("x", "x"), speed=1e6), Events(Clock()))
    try:
        yield aws["us-east-1"].ec2, lambda: server.asked
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("lost", [CUT, answer(500, "InternalError"), answer(503, "Unavailable")])
def test_a_create_whose_answer_was_lost_is_not_sent_again(lost: bytes) -> None:
    with asked(lost) as (ec2, count):
        with pytest.raises(AnswerLost) as error:
            ec2.create_vpc(CidrBlock="10.0.0.0/16")
        assert count() == 1
    assert "CreateVpc in us-east-1" in str(error.value)
    assert "whether it took effect is not known" in str(error.value)


@pytest.mark.parametrize("lost", [CUT, answer(500, "InternalError"), answer(503, "Unavailable")])
def test_a_read_and_a_create_with_a_token_are_sent_again_by_the_sdk(lost: bytes) -> None:
    with asked(lost, lost) as (ec2, count):
        ec2.describe_vpcs()
        assert count() == 3
    with asked(lost, lost) as (ec2, count):
        ec2.create_nat_gateway(SubnetId="subnet-1", AllocationId="eipalloc-1", ClientToken="t")
        assert count() == 3


@pytest.mark.parametrize(("status", "code"), [(503, "RequestLimitExceeded"), (400, "Throttling")])
def test_a_throttled_create_is_sent_again_because_nothing_happened(status: int, code: str) -> None:
    with asked(answer(status, code), answer(status, code)) as (ec2, count):
        ec2.create_vpc(CidrBlock="10.0.0.0/16")
        assert count() == 3


def test_a_refusal_is_nobodys_to_repeat() -> None:
    with asked(answer(400, "VpcLimitExceeded")) as (ec2, count):
        with pytest.raises(ClientError):
            ec2.create_vpc(CidrBlock="10.0.0.0/16")
        assert count() == 1


def test_the_sdk_gives_up_after_the_tries_it_was_given() -> None:
    with asked(*[answer(503, "Unavailable")] * 20) as (ec2, count):
        with pytest.raises(ClientError):
            ec2.describe_vpcs()
        assert count() == 8


def test_a_lab_that_is_gone_is_not_waited_for() -> None:
    aws = Aws(Door("http://127.0.0.1:9", Credentials("x", "x"), waits_for_endpoint=False), Events(Clock()))
    with pytest.raises(EndpointConnectionError):
        aws["us-east-1"].ec2.create_vpc(CidrBlock="10.0.0.0/16")


@pytest.mark.parametrize(("service", "operation", "expected"), [
    ("ec2", "DescribeVpcs", True), ("ec2", "CreateRouteTable", True), ("s3", "PutBucketPolicy", True),
    ("ec2", "CreateVpc", False), ("rds", "SwitchoverGlobalCluster", False), ("kms", "CreateKey", False),
    ("ec2", "AuthorizeSecurityGroupIngress", False), ("lambda", "UpdateFunctionCode", False)])
def test_what_may_be_sent_twice_is_read_from_the_model(service: str, operation: str, expected: bool) -> None:
    aws = Aws(Door("http://127.0.0.1:9", Credentials("x", "x")), Events(Clock()))
    client: Any = getattr(aws["us-east-1"], {"lambda": "lambda_"}.get(service, service))
    assert may_be_repeated(client.meta.service_model.operation_model(operation)) is expected
