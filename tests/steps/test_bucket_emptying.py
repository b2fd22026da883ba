"""Buckets are emptied a thousand versions at a time; who writes meanwhile is waited for, what S3 keeps is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from moto.s3.models import FakeDeleteMarker, FakeKey

from drctl.aws.clients import Aws
from drctl.aws.errors import PartialFailure
from drctl.engine.events import Record
from drctl.engine.run import Run
from drctl.lab.replication import bucket_named
from drctl.lab.server import Lab
from drctl.settings import Settings
from drctl.steps.bucket_emptying import empty
from drctl.steps.data_bucket import DataBucket
from drctl.steps.key import Key
from drctl.steps.log_bucket import LogBucket
from tests.conftest import ensure_with_needs
from tests.steps.lifecycle import lagging

SITE = Settings().primary
BUCKET = DataBucket(SITE, Key(SITE), LogBucket(SITE))


class Watched(list[Record]):
    """Records that let a test act when one comes."""

    def __init__(self) -> None:
        super().__init__()
        self.then: Callable[[Record], object] = str

    def append(self, record: Record) -> None:
        super().append(record)
        self.then(record)


@pytest.fixture
def records() -> list[Record]:
    return Watched()


def fill(name: str, keys: int, versions: int) -> None:
    """Put versions, and a delete marker on top of each key, into the lab's memory."""
    bucket = bucket_named(name)
    assert bucket is not None
    for number in range(keys):
        key = f"{number:05d}"
        all_of_them: list[Any] = [
            FakeKey(key, b"", bucket.account_id, bucket.region_name, bucket_name=name, is_versioned=True,
                    version_id=f"{number}-{version}") for version in range(versions)]
        bucket.keys.setlist(key, [*all_of_them, FakeDeleteMarker(all_of_them[-1])])


def test_ten_thousand_versions_and_markers_go_with_fewer_than_twenty_five_calls(
        run: Run, lab: Lab, records: list[Record]) -> None:
    name = ensure_with_needs(run, BUCKET).name
    fill(name, keys=1000, versions=9)
    lab.counting.calls.clear()
    BUCKET.destroy(run)
    assert sum(lab.counting.calls.values()) < 25, lab.counting.calls
    assert BUCKET.find(run) is None
    notes = [str(record) for record in records if "versions and markers removed" in str(record)]
    assert [count for count in ("5000", "10000") if any(count in note for note in notes)] == ["5000", "10000"]


def test_what_is_delivered_while_the_bucket_is_emptied_goes_too(run: Run, aws: Aws, records: Watched) -> None:
    name = ensure_with_needs(run, BUCKET).name
    late = iter(range(3))

    def deliver(record: Record) -> None:
        if "versions and markers removed" in str(record) and next(late, None) is not None:
            aws[SITE.region].s3.put_object(Bucket=name, Key="late", ServerSideEncryption="AES256")

    fill(name, keys=1, versions=1)
    records.then = deliver
    BUCKET.destroy(run)
    assert BUCKET.find(run) is None


def test_what_s3_refuses_to_delete_is_told(run: Run, aws: Aws) -> None:
    name, s3 = ensure_with_needs(run, BUCKET).name, aws[SITE.region].s3
    s3.put_object(Bucket=name, Key="kept", ServerSideEncryption="AES256")
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject*", "Resource": f"arn:aws:s3:::{name}/*"}]}))
    with pytest.raises(PartialFailure, match="AccessDenied"):
        BUCKET.destroy(run)


class Busy:
    """S3 that is too busy for one object of a batch at first."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def delete_objects(self, Bucket: str, Delete: Any) -> Any:  # noqa: N803  # boto3's signature
        self.asked.append(len(Delete["Objects"]))
        return {"Errors": [{**Delete["Objects"][0], "Code": "SlowDown"}]} if len(self.asked) < 3 else {}

    def list_object_versions(self, **_: Any) -> Any:
        return {"Versions": [{"Key": f"{n}", "VersionId": "1"} for n in range(2)], "IsTruncated": False}

    def get_paginator(self, _: str) -> Any:
        return SimpleNamespace(paginate=lambda **_: [])


def test_what_s3_was_too_busy_for_is_asked_again_alone(run: Run) -> None:
    busy: Any = Busy()
    run.aws = {SITE.region: SimpleNamespace(s3=busy)}  # type: ignore[assignment]  # as much of AWS as is asked
    assert empty(run, SITE.region, "b") == 2
    assert busy.asked == [2, 1, 1]


def test_a_bucket_is_made_while_aws_lags(run: Run) -> None:
    ensure_with_needs(run, BUCKET.encryption_key)
    ensure_with_needs(run, BUCKET.logs)
    with lagging():
        out = BUCKET.ensure(run)
    assert list(BUCKET.verify(run, out)) == []


def test_a_bucket_whose_creation_had_no_answer_is_found_to_be_ours(run: Run) -> None:
    bucket = DataBucket(Settings().standby, Key(Settings().standby), LogBucket(Settings().standby))
    ensure_with_needs(run, bucket.encryption_key)
    ensure_with_needs(run, bucket.logs)
    with lagging():
        assert bucket.find(run) is None
        bucket._create(run)
        assert bucket.find(run) is None
        assert bucket.ensure(run).versioned
