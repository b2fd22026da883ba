"""Of all that race to write one key of S3 under a condition, exactly one succeeds; a lease can be built on it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.aws.errors import code_of
from drctl.lab.conditional_writes import writing
from drctl.lab.replication import bucket_named

RACERS = 20


@pytest.fixture
def s3(aws: Aws) -> Any:
    client = aws["us-east-1"].s3
    client.create_bucket(Bucket="lease")
    return client


@pytest.fixture
def hurry() -> Iterator[None]:
    """Threads take turns so often that a gap between look and write is met."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def race(put: Callable[[int], Any]) -> list[str]:
    """What each of the racers, all started at once, is told: its ETag or an error's code."""
    start = threading.Barrier(RACERS)

    def one(number: int) -> str:
        start.wait()
        try:
            return str(put(number)["ETag"])
        except ClientError as error:
            return code_of(error)

    with ThreadPoolExecutor(RACERS) as pool:
        return list(pool.map(one, range(RACERS)))


LOST = {"PreconditionFailed", "ConditionalRequestConflict"}


@pytest.mark.usefixtures("hurry")
def test_of_twenty_that_make_an_object_one_succeeds_and_its_object_stays(s3: Any) -> None:
    for turn in range(3):
        told = race(lambda number: s3.put_object(Bucket="lease", Key=f"k{turn}", Body=f"{number}", IfNoneMatch="*"))  # noqa: B023  # called at once
        won = [number for number, answer in enumerate(told) if answer not in LOST]
        assert len(won) == 1, told
        assert s3.get_object(Bucket="lease", Key=f"k{turn}")["Body"].read() == str(won[0]).encode()


@pytest.mark.usefixtures("hurry")
def test_of_twenty_that_replace_an_object_one_succeeds(s3: Any) -> None:
    etag = s3.put_object(Bucket="lease", Key="k", Body=b"first")["ETag"]
    told = race(lambda number: s3.put_object(Bucket="lease", Key="k", Body=f"{number}", IfMatch=etag))
    assert len([answer for answer in told if answer not in LOST]) == 1, told


def refusal(call: Callable[[], Any]) -> tuple[str, int]:
    with pytest.raises(ClientError) as refused:
        call()
    return code_of(refused.value), refused.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_conditions_are_judged_by_what_stands(s3: Any) -> None:
    assert refusal(lambda: s3.put_object(Bucket="lease", Key="k", IfMatch='"any"')) == ("NoSuchKey", 404)
    etag = s3.put_object(Bucket="lease", Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    assert refusal(lambda: s3.put_object(Bucket="lease", Key="k", IfNoneMatch="*")) == ("PreconditionFailed", 412)
    assert s3.put_object(Bucket="lease", Key="k", Body=b"2", IfMatch=etag)["ETag"] != etag
    assert refusal(lambda: s3.put_object(Bucket="lease", Key="k", IfMatch=etag)) == ("PreconditionFailed", 412)


def test_a_key_that_was_deleted_can_be_made_again_in_a_versioned_bucket_too(s3: Any) -> None:
    s3.put_bucket_versioning(Bucket="lease", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="lease", Key="k", IfNoneMatch="*")
    s3.delete_object(Bucket="lease", Key="k")
    s3.put_object(Bucket="lease", Key="k", IfNoneMatch="*")


@pytest.mark.rule("conditional-write")
@pytest.mark.rule("object-writes-in-turn")  # off as well: else the write would wait for this test
def test_a_conditional_write_that_meets_another_is_in_conflict(s3: Any) -> None:
    with writing(bucket_named("lease"), "k", wait=True):
        assert refusal(lambda: s3.put_object(Bucket="lease", Key="k", IfNoneMatch="*")) == (
            "ConditionalRequestConflict", 409)
    s3.put_object(Bucket="lease", Key="k", IfNoneMatch="*")


@pytest.mark.rule("object-writes-in-turn")
def test_a_plain_write_waits_for_the_one_under_way(s3: Any) -> None:
    with ThreadPoolExecutor(1) as pool:
        with writing(bucket_named("lease"), "k", wait=True):
            put = pool.submit(s3.put_object, Bucket="lease", Key="k")
            with pytest.raises(TimeoutError):
                put.result(timeout=0.03)
        put.result(timeout=3)
