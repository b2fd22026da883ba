"""KMS keys are seen late, are refused in the wrong state, and their policies lock nobody out by mistake."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from drctl.lab.key_times import is_known_to_services
from drctl.lab.policies import key_by_arn
from tests.lab.account import ACCOUNT, REGION, policy, refusal

ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
OPEN = policy(Principal=ROOT, Action="kms:*", Resource="*")
CLOSED = policy(Principal={"Service": "sqs.amazonaws.com"}, Action="kms:*", Resource="*")


class Keys:
    """KMS of a region, and one key that is known everywhere."""

    def __init__(self, aws: Aws) -> None:
        self.kms: Any = aws[REGION].kms
        made = self.kms.create_key(Policy=OPEN)["KeyMetadata"]
        self.id, self.arn = made["KeyId"], made["Arn"]

    def state(self) -> str:
        return str(self.kms.describe_key(KeyId=self.id)["KeyMetadata"]["KeyState"])

    def put(self, text: str, **more: Any) -> Any:
        return self.kms.put_key_policy(KeyId=self.id, PolicyName="default", Policy=text, **more)

    def read(self) -> Any:
        return json.loads(self.kms.get_key_policy(KeyId=self.id, PolicyName="default")["Policy"])


@pytest.fixture
def keys(aws: Aws) -> Keys:
    return Keys(aws)


@pytest.mark.rule("key-age")
def test_a_new_key_is_unknown_to_services(keys: Keys, clock: LabClock) -> None:
    key = key_by_arn(keys.kms.create_key()["KeyMetadata"]["Arn"])
    assert not is_known_to_services(key)
    clock.skip(seconds("key-usable"))
    assert is_known_to_services(key)


@pytest.mark.rule("key-unseen")
def test_kms_misses_a_key_just_made(keys: Keys, clock: LabClock) -> None:
    fresh = keys.kms.create_key()["KeyMetadata"]["KeyId"]
    for call in (partial(keys.kms.describe_key, KeyId=fresh), partial(keys.kms.list_resource_tags, KeyId=fresh),
                 partial(keys.kms.create_alias, AliasName="alias/a", TargetKeyId=fresh)):
        assert refusal(call) == "NotFoundException"
    assert fresh in {one["KeyId"] for one in keys.kms.list_keys()["Keys"]}
    clock.skip(seconds("key-visible"))
    assert keys.kms.describe_key(KeyId=fresh)["KeyMetadata"]["KeyState"] == "Enabled"


@pytest.mark.rule("alias-unseen")
@pytest.mark.rule("alias-age")
def test_an_alias_just_made_leads_nowhere_and_is_taken(keys: Keys, clock: LabClock) -> None:
    make = partial(keys.kms.create_alias, AliasName="alias/a", TargetKeyId=keys.id)
    make()
    describe = partial(keys.kms.describe_key, KeyId="alias/a")
    assert refusal(describe) == "NotFoundException"
    assert refusal(make) == "AlreadyExistsException"
    clock.skip(seconds("key-visible"))
    assert describe()["KeyMetadata"]["KeyId"] == keys.id


@pytest.mark.rule("key-policy-read")
@pytest.mark.rule("key-policy-spread")
def test_a_changed_policy_is_read_late(keys: Keys, clock: LabClock) -> None:
    wider = policy(Sid="all", Principal=ROOT, Action="kms:*", Resource="*")
    keys.put(wider)
    assert keys.read() == json.loads(OPEN)
    clock.skip(seconds("key-policy-visible"))
    assert keys.read() == json.loads(wider)


@pytest.mark.rule("key-policy-spread")
def test_a_changed_policy_is_applied_late(keys: Keys, clock: LabClock) -> None:
    keys.put(CLOSED, BypassPolicyLockoutSafetyCheck=True)
    assert keys.state() == "Enabled"
    clock.skip(seconds("key-policy-visible"))
    assert refusal(keys.state) == "AccessDeniedException"


@pytest.mark.rule("key-policy")
def test_who_may_ask_about_a_key_is_for_its_policy_to_say(keys: Keys) -> None:
    keys.put(CLOSED, BypassPolicyLockoutSafetyCheck=True)
    assert refusal(keys.state) == "AccessDeniedException"
    assert refusal(partial(keys.kms.list_resource_tags, KeyId=keys.id)) == "AccessDeniedException"


USES: list[Callable[[Keys], Any]] = [
    lambda keys: keys.kms.encrypt(KeyId=keys.id, Plaintext=b"x"),
    lambda keys: keys.kms.generate_data_key(KeyId=keys.arn, KeySpec="AES_256"),
    lambda keys: keys.kms.enable_key_rotation(KeyId=keys.id)]
CHANGES: list[Callable[[Keys], Any]] = [
    *USES, lambda keys: keys.kms.enable_key(KeyId=keys.id), lambda keys: keys.kms.disable_key(KeyId=keys.id),
    lambda keys: keys.kms.tag_resource(KeyId=keys.id, Tags=[{"TagKey": "a", "TagValue": "b"}]),
    lambda keys: keys.kms.schedule_key_deletion(KeyId=keys.id, PendingWindowInDays=7)]


@pytest.mark.rule("key-doomed")
@pytest.mark.parametrize("change", CHANGES)
def test_a_key_that_waits_for_its_deletion_is_neither_used_nor_changed(
        keys: Keys, change: Callable[[Keys], Any]) -> None:
    keys.kms.schedule_key_deletion(KeyId=keys.id, PendingWindowInDays=7)
    assert refusal(partial(change, keys)) == "KMSInvalidStateException"


@pytest.mark.rule("key-disabled")
@pytest.mark.parametrize("use", USES)
def test_a_disabled_key_is_not_used(keys: Keys, use: Callable[[Keys], Any]) -> None:
    keys.kms.disable_key(KeyId=keys.id)
    assert refusal(partial(use, keys)) == "DisabledException"
    keys.kms.enable_key(KeyId=keys.id)
    use(keys)


@pytest.mark.rule("key-doomed-decrypt")
@pytest.mark.parametrize(("end", "code"), [("disable_key", "DisabledException"),
                                           ("schedule_key_deletion", "KMSInvalidStateException")])
def test_what_a_dead_key_encrypted_is_not_read(keys: Keys, end: str, code: str) -> None:
    sealed = keys.kms.encrypt(KeyId=keys.id, Plaintext=b"x")["CiphertextBlob"]
    read = partial(keys.kms.decrypt, CiphertextBlob=sealed)
    assert read()["Plaintext"] == b"x"
    getattr(keys.kms, end)(KeyId=keys.id)
    assert refusal(read) == code


@pytest.mark.rule("key-deletion-cancelled")
def test_a_deletion_is_cancelled_once_and_leaves_the_key_disabled(keys: Keys) -> None:
    cancel = partial(keys.kms.cancel_key_deletion, KeyId=keys.id)
    assert refusal(cancel) == "KMSInvalidStateException"
    keys.kms.schedule_key_deletion(KeyId=keys.id)
    cancel()
    assert keys.state() == "Disabled"


@pytest.mark.rule("key-window")
@pytest.mark.parametrize("days", [6, 31])
def test_a_deletion_waits_seven_to_thirty_days(keys: Keys, days: int) -> None:
    assert refusal(partial(keys.kms.schedule_key_deletion, KeyId=keys.id,
                           PendingWindowInDays=days)) == "ValidationException"


@pytest.mark.rule("alias-name")
@pytest.mark.parametrize(("name", "code"), [("alias/aws/mine", "NotAuthorizedException"),
                                            (f"alias/{'a' * 251}", "ValidationException")])
def test_an_alias_is_short_and_not_awss_own(keys: Keys, name: str, code: str) -> None:
    assert refusal(partial(keys.kms.create_alias, AliasName=name, TargetKeyId=keys.id)) == code


@pytest.mark.rule("alias-of-a-doomed-key")
def test_a_key_that_waits_for_its_deletion_gets_no_alias(keys: Keys) -> None:
    keys.kms.schedule_key_deletion(KeyId=keys.id)
    assert refusal(partial(keys.kms.create_alias, AliasName="alias/a",
                           TargetKeyId=keys.id)) == "KMSInvalidStateException"


@pytest.mark.rule("key-policy-document")
@pytest.mark.parametrize(("text", "code"), [
    ("no JSON", "MalformedPolicyDocumentException"), ("{}", "MalformedPolicyDocumentException"),
    (policy(Principal=ROOT, Action="kms:*", Resource="*", Sid="s" * 32_768), "LimitExceededException")])
def test_a_key_policy_is_a_policy(keys: Keys, text: str, code: str) -> None:
    for call in (partial(keys.kms.create_key, Policy=text, BypassPolicyLockoutSafetyCheck=True),
                 partial(keys.put, text, BypassPolicyLockoutSafetyCheck=True)):
        assert refusal(call) == code


@pytest.mark.rule("key-policy-lockout")
def test_who_puts_a_key_policy_can_put_the_next_one(keys: Keys) -> None:
    for call in (partial(keys.kms.create_key, Policy=CLOSED), partial(keys.put, CLOSED)):
        assert refusal(call) == "MalformedPolicyDocumentException"
    assert keys.read() == json.loads(OPEN)
