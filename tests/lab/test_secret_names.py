"""A secret is seen late, keeps its name for a while after its end, and has limits."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from tests.lab.account import REGION, refusal, words

THERE = "us-west-2"


@pytest.fixture
def secrets(aws: Aws) -> Any:
    return aws[REGION].secrets


def create(secrets: Any, **more: Any) -> Any:
    return partial(secrets.create_secret, **{"Name": "s", "SecretString": "x", **more})


@pytest.mark.rule("secret-name")
@pytest.mark.parametrize("name", ["two words", "s" * 513, "ünder", "a:b"])
def test_a_secrets_name_is_plain(secrets: Any, name: str) -> None:
    assert refusal(create(secrets, Name=name)) == "ValidationException"


@pytest.mark.rule("secret-value")
def test_a_value_has_64_kb(secrets: Any) -> None:
    assert refusal(create(secrets, SecretString="x" * 65_537)) == "ValidationException"
    create(secrets, SecretString="x" * 65_536)()
    for call in (secrets.put_secret_value, secrets.update_secret):
        assert refusal(partial(call, SecretId="s", SecretString="x" * 65_537)) == "ValidationException"


@pytest.mark.rule("secret-unseen")
@pytest.mark.rule("secret-age")
def test_a_secret_just_made_is_missed_and_its_name_is_taken(secrets: Any, clock: LabClock) -> None:
    create(secrets)()
    for call in (secrets.describe_secret, secrets.get_secret_value):
        assert refusal(partial(call, SecretId="s")) == "ResourceNotFoundException"
    assert refusal(create(secrets)) == "ResourceExistsException"
    clock.skip(seconds("secret-visible"))
    assert secrets.get_secret_value(SecretId="s")["SecretString"] == "x"


@pytest.mark.rule("secret-name-in-window")
def test_the_name_of_a_secret_in_its_window_is_taken(secrets: Any) -> None:
    create(secrets)()
    secrets.delete_secret(SecretId="s", RecoveryWindowInDays=7)
    assert refusal(create(secrets)) == "InvalidRequestException"
    assert "scheduled for deletion" in words(create(secrets))
    assert refusal(partial(secrets.get_secret_value, SecretId="s")) == "InvalidRequestException"
    secrets.restore_secret(SecretId="s")
    assert secrets.get_secret_value(SecretId="s")["SecretString"] == "x"


@pytest.mark.rule("secret-write-in-window")
def test_a_secret_in_its_window_takes_no_value(secrets: Any) -> None:
    create(secrets)()
    secrets.delete_secret(SecretId="s", RecoveryWindowInDays=7)
    assert refusal(partial(secrets.put_secret_value, SecretId="s", SecretString="y")) == "InvalidRequestException"


@pytest.mark.rule("secret-deleted")
@pytest.mark.rule("secret-name-busy")
def test_a_name_deleted_by_force_is_busy_for_a_moment(secrets: Any, clock: LabClock) -> None:
    create(secrets)()
    secrets.delete_secret(SecretId="s", ForceDeleteWithoutRecovery=True)
    assert refusal(create(secrets)) == "InvalidRequestException"
    assert "scheduled for deletion" in words(create(secrets))
    clock.skip(seconds("secret-name-free"))
    create(secrets)()


@pytest.mark.parametrize("days", [6, 31])
def test_a_recovery_window_has_seven_to_thirty_days(secrets: Any, days: int) -> None:
    create(secrets)()
    delete = partial(secrets.delete_secret, SecretId="s", RecoveryWindowInDays=days)
    assert refusal(delete) == "InvalidParameterException"


def test_a_secret_with_copies_stays_and_copies_are_not_written(aws: Aws, secrets: Any) -> None:
    create(secrets, AddReplicaRegions=[{"Region": THERE}])()
    assert refusal(partial(secrets.delete_secret, SecretId="s")) == "InvalidParameterException"
    there = aws[THERE].secrets
    assert refusal(partial(there.put_secret_value, SecretId="s", SecretString="y")) == "InvalidParameterException"
    assert refusal(partial(there.delete_secret, SecretId="s")) == "InvalidParameterException"


def test_the_end_of_a_secret_that_is_not_there_is_fine_by_force_alone(secrets: Any) -> None:
    secrets.delete_secret(SecretId="s", ForceDeleteWithoutRecovery=True)
    assert refusal(partial(secrets.delete_secret, SecretId="s")) == "ResourceNotFoundException"
