"""Roles made by hand, and the code of a refusal."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws

REGION, ACCOUNT = "us-east-1", "123456789012"


def trust(service: str) -> str:
    """The JSON of a trust policy for one service."""
    return policy(Principal={"Service": service}, Action="sts:AssumeRole")


def policy(**parts: Any) -> str:
    """The JSON of a policy with one statement that allows."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **parts}]})


def role(aws: Aws, service: str = "lambda.amazonaws.com", name: str = "worker") -> str:
    """A role that trusts one service; returns its ARN."""
    return aws[REGION].iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(service))["Role"]["Arn"]


def refusal(call: Callable[[], Any]) -> str:
    """The code with which `call` is refused."""
    with pytest.raises(ClientError) as refused:
        call()
    return refused.value.response["Error"]["Code"]


def words(call: Callable[[], Any]) -> str:
    """The message with which `call` is refused."""
    with pytest.raises(ClientError) as refused:
        call()
    return refused.value.response["Error"]["Message"]
