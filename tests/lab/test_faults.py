"""A share of all calls ends badly, each time the same ones for the same seed; what is lost has taken effect."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from drctl.aws.clients import Aws
from drctl.lab import extensions
from drctl.lab.faults import FAULTS, KINDS, Faults
from drctl.lab.server import Lab
from tests.lab.conftest import Plain, one_try

HERE, THERE = "us-east-1", "us-west-2"


@pytest.fixture
def once(lab: Lab) -> Plain:
    """Clients that show the first answer."""
    return one_try(lab)


def queues(at: Any) -> list[str]:
    FAULTS.stop()
    return [url.rpartition("/")[2] for url in at.sqs.list_queues().get("QueueUrls", [])]


@pytest.mark.parametrize(("kind", "code", "status"), [
    ("throttled", "RequestThrottled", 403), ("internal-error", "InternalFailure", 500),
    ("unavailable", "ServiceUnavailable", 503)])
def test_an_error_is_the_services_own_and_comes_before_the_effect(
        once: Plain, kind: str, code: str, status: int) -> None:
    FAULTS.start(1, kinds=[kind])
    with pytest.raises(ClientError) as refused:
        once[HERE].sqs.create_queue(QueueName="one")
    answer = refused.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    assert queues(once[HERE]) == []


def test_a_reset_comes_before_the_effect_and_a_lost_answer_after_it(once: Plain) -> None:
    for kind, effect in (("reset", []), ("lost", ["one"])):
        FAULTS.start(1, kinds=[kind])
        with pytest.raises(ConnectionClosedError):
            once[HERE].sqs.create_queue(QueueName="one")
        assert queues(once[HERE]) == effect


def test_a_lost_answer_to_a_big_request_leaves_the_whole_object(once: Plain) -> None:
    s3 = once[HERE].s3
    s3.create_bucket(Bucket="one")
    FAULTS.start(1, kinds=["lost"])
    with pytest.raises(ConnectionClosedError):
        s3.put_object(Bucket="one", Key="a", Body=b"x" * 300_000)
    FAULTS.stop()
    assert s3.head_object(Bucket="one", Key="a")["ContentLength"] == 300_000


def test_the_same_seed_strikes_the_same_calls() -> None:
    one, same, other = Faults(), Faults(), Faults()
    for faults, seed in ((one, 7), (same, 7), (other, 8)):
        faults.start(0.2, seed)
    drawn = [[faults.draw("ec2") for _ in range(1000)] for faults in (one, same, other)]
    assert drawn[0] == drawn[1] != drawn[2]
    struck = Counter(filter(None, drawn[0]))
    assert 150 < struck.total() < 250
    assert set(struck) == set(KINDS)
    assert one.wire()["struck"] == struck
    assert one.wire()["calls"] == 1000


def test_only_the_services_that_are_named_are_struck(once: Plain) -> None:
    FAULTS.start(1, kinds=["unavailable"], services=["elbv2"])
    once[HERE].sqs.list_queues()
    with pytest.raises(ClientError):
        once[HERE].elbv2.describe_load_balancers()
    assert FAULTS.wire()["calls"] == 1


def test_the_sdk_gets_through_when_every_fifth_call_ends_badly(aws: Aws, lab: Lab) -> None:
    FAULTS.start(0.2, seed=3)
    for region in (HERE, THERE):
        for _ in range(4):
            aws[region].ec2.describe_vpcs()
            aws[region].iam.list_roles()
    told = FAULTS.wire()
    assert sum(told["struck"].values()) > 0
    assert told["calls"] == 16 + sum(told["struck"].values())


@pytest.mark.parametrize(("asked", "words"), [
    ({"rate": 2}, "rate 2.0 is not between 0 and 1"), ({"rate": 1, "kinds": ["rude"]}, "'rude' is unknown"),
    ({"rate": 1, "services": ["tea"]}, "'tea' is unknown"), ({}, "rate")])
def test_faults_that_cannot_be_are_refused(lab: Lab, asked: dict[str, Any], words: str) -> None:
    status, told = page(lab, "POST", asked)
    assert status == 400
    assert words in told["error"]
    assert FAULTS.rate == 0


def page(lab: Lab, method: str, asked: dict[str, Any] | None = None) -> tuple[int, Any]:
    request = urllib.request.Request(f"{lab.endpoint}/drctl-lab/faults", method=method,  # noqa: S310  # loopback only
                                     data=None if asked is None else json.dumps(asked).encode())
    try:
        with urllib.request.urlopen(request) as reply:  # noqa: S310  # loopback only
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_labs_own_page_begins_counts_and_ends_them_and_is_never_struck(lab: Lab, once: Plain) -> None:
    assert page(lab, "POST", {"rate": 1, "seed": 7, "kinds": ["reset"], "services": ["ec2"]})[1]["seed"] == 7
    with pytest.raises(ConnectionClosedError):
        once[HERE].ec2.describe_vpcs()
    assert page(lab, "GET")[1] == {"rate": 1.0, "seed": 7, "kinds": ["reset"], "services": ["ec2"], "calls": 1,
                                   "struck": {"reset": 1}}
    assert page(lab, "DELETE")[1]["struck"] == {"reset": 1}
    assert once[HERE].ec2.describe_vpcs()["Vpcs"]


def test_an_empty_lab_has_no_faults(lab: Lab, once: Plain) -> None:
    FAULTS.start(1)
    extensions.reset()
    assert once[HERE].ec2.describe_vpcs()["Vpcs"]
