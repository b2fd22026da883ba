"""The data bucket keeps versions, is encrypted with its region's key, and admits the other region's replicas."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.settings import Settings, Storage
from drctl.steps.data_bucket import DataBucket
from drctl.steps.key import Key
from drctl.steps.log_bucket import LogBucket
from tests.conftest import ensure_with_needs
from tests.steps.lifecycle import assert_a_second_run_changes_nothing, assert_mended, destroy_twice

SITE, OTHER = Settings().sites
BUCKET = DataBucket(SITE, Key(SITE), LogBucket(SITE))


def test_the_bucket_is_versioned_and_encrypted_with_the_regions_key(run: Run, make_run: Callable[..., Run]) -> None:
    out = ensure_with_needs(run, BUCKET)
    assert out.versioned
    assert out.encryption == run.output(BUCKET.encryption_key).arn
    assert_a_second_run_changes_nothing(make_run, BUCKET)


def test_only_the_other_regions_replication_role_may_write_replicas(run: Run) -> None:
    policy = json.loads(ensure_with_needs(run, BUCKET).policy or "{}")
    statement = next(one for one in policy["Statement"] if one["Sid"] == "Replicas")
    assert statement["Condition"] == {"ArnEquals": {
        "aws:PrincipalArn": f"arn:aws:iam::123456789012:role/{run.name('iam', 'replication', OTHER)}"}}


@pytest.mark.notices("DataBucket")
def test_lost_settings_are_noticed_and_mended(run: Run, aws: Aws) -> None:
    name, s3 = ensure_with_needs(run, BUCKET).name, aws[SITE.region].s3
    assert_mended(run, BUCKET, lambda: s3.delete_bucket_policy(Bucket=name), "policy")
    assert_mended(run, BUCKET, lambda: s3.delete_bucket_lifecycle(Bucket=name), "lifecycle")
    assert_mended(run, BUCKET, lambda: s3.delete_bucket_encryption(Bucket=name), "encrypted")


def test_another_lifetime_of_old_versions_is_applied(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, BUCKET)
    out = ensure_with_needs(make_run(Settings(storage=Storage(noncurrent_days=7))), BUCKET)
    assert 7 in [rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays") for rule in out.lifecycle]


def test_destroy_empties_all_versions_and_removes_the_bucket(run: Run, aws: Aws) -> None:
    name, s3 = ensure_with_needs(run, BUCKET).name, aws[SITE.region].s3
    for _ in range(2):
        s3.put_object(Bucket=name, Key="a", Body=b"x")
    s3.delete_object(Bucket=name, Key="a")
    destroy_twice(run, BUCKET)


def test_its_requests_are_logged_into_the_regions_log_bucket_and_a_lost_setting_is_mended(run: Run, aws: Aws) -> None:
    out, s3 = ensure_with_needs(run, BUCKET), aws[SITE.region].s3
    assert s3.get_bucket_logging(Bucket=out.name)["LoggingEnabled"] == {
        "TargetBucket": run.name("s3", "access-logs", SITE), "TargetPrefix": f"s3/{out.name}/"}
    s3.put_bucket_logging(Bucket=out.name, BucketLoggingStatus={})
    seen = run.refresh(BUCKET)
    assert seen is not None
    assert [finding.text for finding in BUCKET.verify(run, seen)] == [f"bucket {out.name}: its requests are not logged"]
    ensure_with_needs(run, BUCKET)
    assert "LoggingEnabled" in s3.get_bucket_logging(Bucket=out.name)
