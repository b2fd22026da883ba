"""Copies of secrets take a moment to come and a moment to go."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from tests.lab.conftest import eventually

HERE, THERE = "us-east-1", "us-west-2"


class Secret:
    """A secret with a copy in another region, made by hand."""

    def __init__(self, aws: Aws) -> None:
        self.here: Any = aws[HERE].secrets
        self.there: Any = aws[THERE].secrets
        self.arn: str = self.here.create_secret(Name="database", SecretString="one",
                                                AddReplicaRegions=[{"Region": THERE}])["ARN"]
        self.copy: str = self.arn.replace(HERE, THERE)

    def status(self) -> list[str]:
        copies = self.here.describe_secret(SecretId=self.arn).get("ReplicationStatus", [])
        return [copy["Status"] for copy in copies]


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


@pytest.fixture
def secret(aws: Aws) -> Secret:
    return Secret(aws)


@pytest.mark.rule("secret-replica-unknown")
def test_a_copy_is_in_progress_and_unknown_at_first(secret: Secret, clock: LabClock) -> None:
    fresh = secret.here.create_secret(Name="other", SecretString="two", AddReplicaRegions=[{"Region": THERE}])
    clock.skip(seconds("secret-visible"))
    with pytest.raises(ClientError) as refused:
        secret.there.get_secret_value(SecretId=fresh["ARN"].replace(HERE, THERE))
    assert code(refused) == "ResourceNotFoundException"
    secret.here.get_secret_value(SecretId=fresh["ARN"])
    clock.skip(seconds("secret-replicate"))
    assert secret.status() == ["InSync"]
    assert secret.there.get_secret_value(SecretId=fresh["ARN"].replace(HERE, THERE))["SecretString"] == "two"


@pytest.mark.rule("secret-replica-key")
def test_a_copy_has_the_key_that_was_named_for_it_and_takes_a_moment(aws: Aws, clock: LabClock) -> None:
    key = aws[THERE].kms.create_key()["KeyMetadata"]["Arn"]
    clock.skip(60)
    made = aws[HERE].secrets.create_secret(Name="keyed", SecretString="one",
                                           AddReplicaRegions=[{"Region": THERE, "KmsKeyId": key}])
    assert (made["ReplicationStatus"][0]["KmsKeyId"], made["ReplicationStatus"][0]["Status"]) == (key, "InProgress")


@pytest.mark.rule("secret-replica-leaving")
def test_a_removed_copy_is_listed_for_a_moment_and_keeps_the_secret_until_then(
        secret: Secret, clock: LabClock) -> None:
    clock.skip(seconds("secret-replicate"))
    secret.here.remove_regions_from_replication(SecretId=secret.arn, RemoveReplicaRegions=[THERE])
    with pytest.raises(ClientError) as gone:
        secret.there.describe_secret(SecretId=secret.copy)
    assert code(gone) == "ResourceNotFoundException"
    assert secret.status() == ["InProgress"]
    with pytest.raises(ClientError) as refused:
        secret.here.delete_secret(SecretId=secret.arn, ForceDeleteWithoutRecovery=True)
    assert code(refused) == "InvalidParameterException"
    clock.skip(seconds("secret-replicate"))
    assert eventually(lambda: secret.status() == [])
    secret.here.delete_secret(SecretId=secret.arn, ForceDeleteWithoutRecovery=True)
