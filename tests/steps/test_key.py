"""Each region has one key; a run that died between key and alias does not leave a second one."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from drctl.aws.clients import Aws
from drctl.aws.tags import as_kms_list
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.settings import Settings
from drctl.steps.key import Key
from tests.conftest import changes, ensure_with_needs
from tests.steps.lifecycle import assert_mended, lagging

SITE = Settings().primary
KEY = Key(SITE)


def test_a_key_is_enabled_and_rotates(run: Run) -> None:
    ensure_with_needs(run, KEY)
    out = run.refresh(KEY)
    assert out is not None
    assert list(KEY.verify(run, out)) == []


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, KEY)
    again = make_run()
    ensure_with_needs(again, KEY)
    assert changes(again, KEY) == 0


def test_a_key_without_alias_is_adopted_not_doubled(run: Run, aws: Aws) -> None:
    kms = aws[SITE.region].kms
    tags = as_kms_list(run.tags(SITE, run.name("key", "data", SITE)))
    left_behind = kms.create_key(Tags=tags)["KeyMetadata"]["KeyId"]
    assert ensure_with_needs(run, KEY).id == left_behind
    assert len(kms.list_keys()["Keys"]) == 1


def test_verify_notices_a_disabled_key_and_ensure_mends_it(run: Run, aws: Aws) -> None:
    key_id = ensure_with_needs(run, KEY).id
    aws[SITE.region].kms.disable_key(KeyId=key_id)
    out = run.refresh(KEY)
    assert out is not None
    assert "not enabled" in next(iter(KEY.verify(run, out))).text
    ensure_with_needs(run, KEY)
    assert not list(KEY.verify(run, run.refresh(KEY) or out))


def test_destroy_schedules_the_deletion_and_twice_is_fine(run: Run, aws: Aws) -> None:
    key_id = ensure_with_needs(run, KEY).id
    KEY.destroy(run)
    KEY.destroy(run)
    assert aws[SITE.region].kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "PendingDeletion"


def test_a_key_of_somebody_else_behind_our_alias_is_neither_used_nor_deleted(run: Run, aws: Aws) -> None:
    kms, alias = aws[SITE.region].kms, f"alias/{run.name('key', 'data', SITE)}"
    foreign = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=alias, TargetKeyId=foreign)
    assert KEY.find(run) is None
    with pytest.raises(Refused, match="does not belong"):
        ensure_with_needs(run, KEY)
    with pytest.raises(Refused, match=foreign):
        KEY.destroy(run)
    assert kms.describe_key(KeyId=alias)["KeyMetadata"]["KeyState"] == "Enabled"
    assert len(kms.list_keys()["Keys"]) == 1


def test_a_key_that_does_not_let_us_ask_is_passed_over(run: Run, aws: Aws) -> None:
    kms = aws[SITE.region].kms
    kms.create_key(Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:role/owner"}, "Action": "kms:*",
         "Resource": "*"}]}), BypassPolicyLockoutSafetyCheck=True)
    ensure_with_needs(run, KEY)
    kms.delete_alias(AliasName=f"alias/{run.name('key', 'data', SITE)}")
    KEY.destroy(run)
    assert len(kms.list_keys()["Keys"]) == 2


@pytest.mark.notices("Key")
def test_a_changed_policy_is_noticed_and_put_again(run: Run, aws: Aws) -> None:
    key_id, kms = ensure_with_needs(run, KEY).id, aws[SITE.region].kms
    root = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "kms:*",
            "Resource": "*"}
    alone = json.dumps({"Version": "2012-10-17", "Statement": [root]})
    assert_mended(run, KEY, lambda: kms.put_key_policy(KeyId=key_id, PolicyName="default", Policy=alone), "policy")


def test_a_key_that_waits_for_its_deletion_is_not_replaced_but_named(run: Run, aws: Aws) -> None:
    key_id, kms = ensure_with_needs(run, KEY).id, aws[SITE.region].kms
    kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    with pytest.raises(Refused, match=key_id):
        ensure_with_needs(run, KEY)
    assert len(kms.list_keys()["Keys"]) == 1
    kms.cancel_key_deletion(KeyId=key_id)
    assert ensure_with_needs(run, KEY).id == key_id


def test_destroy_takes_the_alias_of_a_key_that_waits_for_its_deletion(run: Run, aws: Aws) -> None:
    key_id, kms = ensure_with_needs(run, KEY).id, aws[SITE.region].kms
    kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    KEY.destroy(run)
    assert [one for one in kms.list_aliases()["Aliases"] if one.get("TargetKeyId") == key_id] == []


def test_a_key_stands_while_kms_shows_everything_late(run: Run, make_run: Callable[..., Run], aws: Aws) -> None:
    with lagging():
        ensure_with_needs(run, KEY)
        ensure_with_needs(make_run(), KEY)
    out = run.refresh(KEY)
    assert out is not None
    assert (list(KEY.verify(run, out)), len(aws[SITE.region].kms.list_keys()["Keys"])) == ([], 1)


def test_a_key_whose_creation_was_not_heard_of_is_not_made_twice(run: Run, aws: Aws) -> None:
    tags = as_kms_list(run.tags(SITE, run.name("key", "data", SITE)))
    with lagging():
        left_behind = aws[SITE.region].kms.create_key(Tags=tags)["KeyMetadata"]["KeyId"]
        assert ensure_with_needs(run, KEY).id == left_behind


def test_an_alias_that_reads_miss_leaves_one_key(run: Run, aws: Aws) -> None:
    kms = aws[SITE.region].kms
    first = kms.create_key(Tags=as_kms_list(run.tags(SITE)))["KeyMetadata"]["KeyId"]
    with lagging():
        kms.create_alias(AliasName=f"alias/{run.name('key', 'data', SITE)}", TargetKeyId=first)
        assert ensure_with_needs(run, KEY).id == first
    states = [kms.describe_key(KeyId=one["KeyId"])["KeyMetadata"]["KeyState"] for one in kms.list_keys()["Keys"]]
    assert sorted(states) == ["Enabled", "PendingDeletion"]
