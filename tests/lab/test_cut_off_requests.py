"""A request whose sender dies in the middle of it has no effect."""

from __future__ import annotations

import socket

import pytest

from drctl.aws.clients import Aws
from drctl.lab.server import Lab

HEAD = ("PUT /a-bucket/key HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\nAuthorization: AWS4-HMAC-SHA256 "
        "Credential=lab/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x\r\n\r\n")


@pytest.mark.parametrize(("sent", "stored"), [(0, 0), (10, 0), (99, 0), (100, 1)])
def test_only_a_whole_body_is_served(lab: Lab, aws: Aws, sent: int, stored: int) -> None:
    s3 = aws["us-east-1"].s3
    s3.create_bucket(Bucket="a-bucket")
    with socket.create_connection(("127.0.0.1", lab.port)) as line:
        line.sendall(HEAD.encode() + b"x" * sent)
        line.shutdown(socket.SHUT_WR)
        try:
            while line.recv(4096):
                pass
        except ConnectionResetError:
            assert sent < 100
    assert s3.list_objects_v2(Bucket="a-bucket")["KeyCount"] == stored
