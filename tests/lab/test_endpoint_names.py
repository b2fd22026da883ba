"""An interface endpoint has a name of its own, by which a function reaches the service without private DNS."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from drctl.packaging import archive
from tests.lab.conftest import eventually
from tests.lab.ec2_world import REGION, Vpc

CODE = b"""
import botocore.session
from botocore.config import Config

def handler(event, context):
    client = botocore.session.get_session().create_client(
        "secretsmanager", config=Config(connect_timeout=1, retries={"total_max_attempts": 1}))
    return client.get_secret_value(SecretId="kept")["SecretString"]
"""
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})


@pytest.fixture
def vpc(aws: Aws, clock: LabClock) -> Vpc:
    return Vpc(aws)


def name_of(vpc: Vpc, endpoint_id: str) -> str:
    return str(vpc.ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint_id])["VpcEndpoints"][0]["DnsEntries"][0][
        "DnsName"])


@pytest.mark.rule("endpoint-names")
def test_an_endpoint_is_called_as_aws_calls_it(vpc: Vpc) -> None:
    endpoint_id = vpc.endpoint(PrivateDnsEnabled=False)
    name = name_of(vpc, endpoint_id)
    assert name.startswith(f"{endpoint_id}-")
    assert name.endswith(f".secretsmanager.{REGION}.vpce.amazonaws.com")


@pytest.fixture
def ask(aws: Aws, vpc: Vpc, clock: LabClock) -> Callable[[str], Any]:
    """A function in the network that reads a secret from wherever it is told to."""
    role = aws[REGION].iam.create_role(RoleName="reader", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    aws[REGION].secrets.create_secret(Name="kept", SecretString="the value")
    clock.skip(seconds("role-usable"))
    group = vpc.group("reader")
    clock.skip(seconds("ec2-visible"))

    def invoke(host: str) -> Any:
        client = aws[REGION].lambda_
        client.create_function(
            FunctionName="reader", Role=role, Handler="reader.handler", Runtime="python3.12", Timeout=10,
            Code={"ZipFile": archive({"reader.py": CODE})},
            VpcConfig={"SubnetIds": [vpc.subnet], "SecurityGroupIds": [group]},
            Environment={"Variables": {"AWS_ENDPOINT_URL_SECRETS_MANAGER": f"https://{host}"}})
        clock.skip(seconds("function-create") + 1)
        return json.loads(client.invoke(FunctionName="reader", Payload=b"{}")["Payload"].read())

    return invoke


def test_a_function_reaches_a_service_by_the_name_of_an_endpoint(
        vpc: Vpc, clock: LabClock, ask: Callable[[str], Any]) -> None:
    endpoint_id = vpc.endpoint(PrivateDnsEnabled=False)
    clock.skip(seconds("endpoint-create"))
    assert eventually(lambda: vpc.endpoint_state(endpoint_id) == "available")
    assert ask(name_of(vpc, endpoint_id)) == "the value"


def test_nothing_answers_under_a_name_of_no_endpoint(ask: Callable[[str], Any]) -> None:
    assert "EndpointConnectionError" in str(ask("vpce-0-0.secretsmanager.us-east-1.vpce.amazonaws.com"))
