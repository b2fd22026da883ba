"""What encrypts with a key refuses one that is unknown, too young, disabled or closed to it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK, LabClock
from tests.lab.account import ACCOUNT, REGION, refusal, role

THERE = "us-west-2"
UNKNOWN = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/12345678-1234-1234-1234-123456789012"
FOR_LOGS = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"},
    {"Effect": "Allow", "Principal": {"Service": f"logs.{REGION}.amazonaws.com"}, "Action": "kms:*", "Resource": "*",
     "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:a*"}}},
]})


def function(at: Any, key: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", "def handler(event, context): return 1")
    at.lambda_.create_function(FunctionName="f", Role=f"arn:aws:iam::{ACCOUNT}:role/worker", Runtime="python3.12",
                               Handler="app.handler", Code={"ZipFile": packed.getvalue()}, KMSKeyArn=key)


def function_change(at: Any, key: str) -> None:
    if not at.lambda_.list_functions()["Functions"]:
        function(at, "")
    CLOCK.skip(seconds("function-create") if key == UNKNOWN else 0)
    at.lambda_.update_function_configuration(FunctionName="f", KMSKeyArn=key)


def secret(at: Any, key: str) -> None:
    at.secrets.create_secret(Name="s", SecretString="x", KmsKeyId=key)


def secret_change(at: Any, key: str) -> None:
    if not at.secrets.list_secrets()["SecretList"]:
        at.secrets.create_secret(Name="s", SecretString="x")
    CLOCK.skip(seconds("secret-visible") if key == UNKNOWN else 0)
    at.secrets.update_secret(SecretId="s", KmsKeyId=key)


def log_group(at: Any, key: str) -> None:
    at.logs.create_log_group(logGroupName="app", kmsKeyId=key)


USERS: list[tuple[Callable[[Any, str], None], str, str]] = [
    (function, "InvalidParameterValueException", "function-key"),
    (function_change, "InvalidParameterValueException", "function-key-change"),
    (secret, "EncryptionFailure", "secret-key"), (secret_change, "EncryptionFailure", "secret-key-change"),
    (log_group, "InvalidParameterException", "log-group-key-usable")]


@pytest.mark.parametrize(("use", "code"), [
    pytest.param(use, code, marks=pytest.mark.rule(name), id=name) for use, code, name in USERS])
def test_a_key_that_is_unknown_or_too_young_is_refused(
        aws: Aws, clock: LabClock, use: Callable[[Any, str], None], code: str) -> None:
    at = aws[REGION]
    role(aws)
    clock.skip(seconds("role-usable"))
    assert refusal(partial(use, at, UNKNOWN)) == code
    key = at.kms.create_key(Policy=FOR_LOGS)["KeyMetadata"]["Arn"]
    assert refusal(partial(use, at, key)) == code
    clock.skip(seconds("key-usable"))
    use(at, key)


@pytest.mark.rule("log-group-key-usable")
def test_a_log_groups_key_must_admit_cloudwatch_logs_for_this_group(aws: Aws) -> None:
    at = aws[REGION]
    key = at.kms.create_key(Policy=FOR_LOGS)["KeyMetadata"]["Arn"]
    assert refusal(partial(at.logs.create_log_group, logGroupName="b", kmsKeyId=key)) == "InvalidParameterException"
    at.logs.create_log_group(logGroupName="a", kmsKeyId=key)
    closed = at.kms.create_key()["KeyMetadata"]["Arn"]
    assert refusal(partial(at.logs.associate_kms_key, logGroupName="a", kmsKeyId=closed)) == "InvalidParameterException"


@pytest.mark.rule("secret-replica-key-usable")
def test_a_copy_whose_key_is_too_young_has_failed_and_is_asked_for_again(aws: Aws, clock: LabClock) -> None:
    here, there = aws[REGION].secrets, aws[THERE]
    copy = {"Region": THERE, "KmsKeyId": there.kms.create_key()["KeyMetadata"]["Arn"]}
    here.create_secret(Name="s", SecretString="x", AddReplicaRegions=[copy])  # type: ignore[list-item]  # a literal type
    clock.skip(seconds("key-usable"))

    def status() -> str:
        return here.describe_secret(SecretId="s")["ReplicationStatus"][0]["Status"]

    assert status() == "Failed"
    here.replicate_secret_to_regions(SecretId="s", AddReplicaRegions=[copy])  # type: ignore[list-item]  # a literal type
    assert status() == "InProgress"
    clock.skip(seconds("secret-replicate"))
    assert (status(), there.secrets.get_secret_value(SecretId="s")["SecretString"]) == ("InSync", "x")


@pytest.mark.rule("secret-key-read")
@pytest.mark.parametrize("end", ["disable_key", "schedule_key_deletion"])
def test_a_secret_under_a_dead_key_is_not_read_and_its_copy_is(aws: Aws, end: str) -> None:
    here, there = aws[REGION], aws[THERE]
    key = here.kms.create_key()["KeyMetadata"]
    here.secrets.create_secret(Name="s", SecretString="x", KmsKeyId=key["Arn"], AddReplicaRegions=[{"Region": THERE}])
    getattr(here.kms, end)(KeyId=key["KeyId"])
    assert refusal(partial(here.secrets.get_secret_value, SecretId="s")) == "DecryptionFailure"
    assert refusal(partial(here.secrets.put_secret_value, SecretId="s", SecretString="y")) == "EncryptionFailure"
    assert there.secrets.get_secret_value(SecretId="s")["SecretString"] == "x"


@pytest.mark.rule("invoke-key")
@pytest.mark.parametrize(("end", "code"), [("disable_key", "KMSDisabledException"),
                                           ("schedule_key_deletion", "KMSInvalidStateException")])
def test_a_function_under_a_dead_key_does_not_run(aws: Aws, end: str, code: str) -> None:
    at = aws[REGION]
    role(aws)
    key = at.kms.create_key()["KeyMetadata"]
    function(at, key["Arn"])
    getattr(at.kms, end)(KeyId=key["KeyId"])
    assert refusal(partial(at.lambda_.invoke, FunctionName="f", InvocationType="DryRun")) == code
