"""What leaves the process is seen before it leaves, without secrets, and how it ended is seen after."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from drctl.aws.clients import Aws, Credentials, Door
from drctl.aws.hooks import REDACTED, Answer, Call
from drctl.aws.retries import NoAnswer
from drctl.errors import Refused
from drctl.lab.faults import FAULTS
from drctl.lab.server import Lab


class Ear:
    """Hears calls and answers."""

    def __init__(self) -> None:
        self.heard: list[Call | Answer] = []

    def sending(self, call: Call) -> None:
        self.heard.append(call)

    def leaving(self, call: Call) -> None:
        return

    def answered(self, call: Call, answer: Answer) -> None:
        self.heard.append(answer)


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def heard(lab: Lab, ear: Ear) -> Aws:
    return Aws(Door(lab.endpoint, Credentials("x", "y")), ear)


def test_a_call_is_heard_before_its_answer_with_region_and_parameters(heard: Aws, ear: Ear) -> None:
    heard["us-west-2"].sqs.create_queue(QueueName="q")
    call, answer = ear.heard
    assert isinstance(call, Call)
    assert (call.region, call.service, call.operation, call.params, call.mutating) == (
        "us-west-2", "sqs", "CreateQueue", {"QueueName": "q"}, True)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.code) == (200, "")
    assert answer.request_id


def test_secrets_are_taken_out_by_the_mark_of_the_services_own_model(heard: Aws, ear: Ear) -> None:
    heard["us-east-1"].secrets.create_secret(Name="s", SecretString="hunter2")
    heard["us-east-1"].s3.create_bucket(Bucket="bucket")
    heard["us-east-1"].s3.put_object(Bucket="bucket", Key="k", Body=b"hunter2")
    calls = [call.params for call in ear.heard if isinstance(call, Call)]
    assert calls[0]["SecretString"] == REDACTED
    assert calls[2]["Body"] == "(content)"
    assert "hunter2" not in repr(ear.heard)


def test_a_refusal_is_an_answer_with_its_code(heard: Aws, ear: Ear) -> None:
    with pytest.raises(ClientError):
        heard["us-east-1"].rds.describe_db_clusters(DBClusterIdentifier="nothing")
    answer = ear.heard[-1]
    assert isinstance(answer, Answer)
    assert (answer.status, answer.code) == (404, "DBClusterNotFoundFault")


@pytest.mark.parametrize(("waits", "tries"), [(True, 2), (False, 1)])
def test_a_lab_that_is_not_there_is_asked_once(ear: Ear, waits: bool, tries: int) -> None:
    nobody = Aws(Door("http://127.0.0.1:9", Credentials("x", "y"), attempts=2, waits_for_endpoint=waits), ear)
    sqs, sent = nobody["us-east-1"].sqs, []
    sqs.meta.events.register("before-send.*.*", lambda **_: sent.append(1))
    with pytest.raises(NoAnswer if waits else EndpointConnectionError):
        sqs.list_queues()
    assert len(sent) == tries


def test_no_answer_is_an_answer_too(ear: Ear) -> None:
    nobody = Aws(Door("http://127.0.0.1:9", Credentials("x", "y"), attempts=1), ear)
    with pytest.raises(NoAnswer) as error:
        nobody["us-east-1"].sqs.list_queues()
    assert str(error.value) == "ListQueues in us-east-1: no answer (EndpointConnectionError), tried 1 times"
    answer: Any = ear.heard[-1]
    assert (answer.status, answer.code) == (0, "NoAnswer")


def test_clients_are_made_once_and_belong_to_their_region(heard: Aws) -> None:
    assert heard["us-east-1"].s3 is heard["us-east-1"].s3
    assert heard["us-west-2"].ec2.meta.region_name == "us-west-2"


class Gatekeeper(Ear):
    """Lets as many tries of a call leave as it is told to."""

    def __init__(self, tries: int) -> None:
        super().__init__()
        self.tries = tries

    def leaving(self, call: Call) -> None:
        self.tries -= 1
        if self.tries < 0:
            raise Refused(f"{call.operation} in {call.region}: no more")


@pytest.mark.parametrize("tries", [0, 1, 3])
def test_a_gate_keeps_the_further_tries_of_a_call_from_leaving_too(lab: Lab, tries: int) -> None:
    """Minutes may lie between the SDK's tries, in which a lease was lost."""
    ear = Gatekeeper(tries)
    s3 = Aws(Door(lab.endpoint, Credentials("x", "y"), speed=100_000), ear)["us-west-2"].s3
    FAULTS.start(1.0, kinds=("unavailable",))
    try:
        with pytest.raises(Refused, match="PutObject in us-west-2"):
            s3.put_object(Bucket="b", Key="k", Body=b"")
        assert FAULTS.wire()["calls"] == tries
    finally:
        FAULTS.stop()
