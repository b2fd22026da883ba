"""What is kept of moto's workings must not keep what is in the lab."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.base_backend import BackendDict
from moto.ec2.models import ec2_backends
from moto.sqs.models import sqs_backends

from drctl.aws.clients import Aws
from drctl.lab import extensions

EAST = "us-east-1"


class Asking:
    """A service that, while it is emptied, asks for another one that is empty already, as a client under way does."""

    def reset(self) -> None:
        assert ec2_backends[DEFAULT_ACCOUNT_ID][EAST] is not None


@contextmanager
def emptied_last(asking: Any) -> Iterator[None]:
    """The service comes last in moto's list."""
    account = f"{DEFAULT_ACCOUNT_ID[:-1]}0"
    BackendDict._instances.remove(sqs_backends)
    BackendDict._instances.append(sqs_backends)
    dict.__setitem__(sqs_backends, account, asking)
    yield
    dict.pop(sqs_backends, account, None)


def test_a_service_that_was_asked_for_while_the_lab_was_emptied_is_emptied_the_next_time_too(aws: Aws) -> None:
    networks = {one["VpcId"] for one in aws[EAST].ec2.describe_vpcs()["Vpcs"]}
    assert aws[EAST].sqs.list_queues().get("QueueUrls") is None
    with emptied_last(Asking()):
        extensions.reset()
    made = aws[EAST].ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    extensions.reset()
    left = {one["VpcId"] for one in aws[EAST].ec2.describe_vpcs()["Vpcs"]}
    assert made not in left
    assert len(left) == len(networks)
