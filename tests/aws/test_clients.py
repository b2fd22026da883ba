"""Clients tell AWS who asks."""

from __future__ import annotations

from typing import Any

from drctl import __version__
from drctl.aws.clients import Aws


def test_aws_is_told_which_drctl_asks_and_with_which_sdk(aws: Aws) -> None:
    seen: list[bytes] = []
    client = aws["us-east-1"].sts
    hear: Any = lambda request, **_: seen.append(request.headers["User-Agent"])  # noqa: E731  # unregistered below
    client.meta.events.register("before-send.sts", hear)
    client.get_caller_identity()
    client.meta.events.unregister("before-send.sts", hear)
    assert seen[0].split()[0].decode() == f"drctl/{__version__}"
    assert b"Boto3/" in seen[0]
    assert b"Botocore/" in seen[0]
