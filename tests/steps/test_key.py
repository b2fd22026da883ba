"""Each region has one key; a run that died between key and alias does not leave a second one."""

from __future__ import annotations

from collections.abc import Callable

from drctl.aws.clients import Aws
from drctl.aws.tags import as_kms_list
from drctl.engine.run import Run
from drctl.settings import Settings
from drctl.steps.key import Key
from tests.conftest import changes, ensure_with_needs

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
