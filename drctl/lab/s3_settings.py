"""Settings of an S3 bucket: put one after the other, and read back late."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.s3.exceptions import S3ClientError
from moto.s3.responses import S3Response

from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK
from drctl.lab.replication import bucket_named
from drctl.lab.rules import rule
from drctl.lab.s3_answers import operation_aborted

#: Settings that are read back late, and what answers them.
READS: dict[str, Callable[[S3Response], Any]] = {
    "versioning": S3Response.get_bucket_versioning, "encryption": S3Response.get_bucket_encryption,
    "policy": S3Response.get_bucket_policy, "lifecycle": S3Response.get_bucket_lifecycle,
    "publicAccessBlock": S3Response.get_public_access_block, "replication": S3Response.get_bucket_replication}


@contextmanager
def changing(bucket: Any) -> Iterator[None]:
    """Be the only one that changes a bucket's settings; raises OperationAborted when somebody else does."""
    lock: Any = bucket.__dict__.setdefault("_lab_changing", threading.RLock())
    if not lock.acquire(blocking=False):
        raise operation_aborted()
    try:
        yield
    finally:
        lock.release()


@rule("bucket-settings-in-turn", S3Response, "_bucket_response_put", "_bucket_response_delete")
def bucket_settings_in_turn(proceed: Any, self: S3Response, *args: Any) -> Any:
    """Two changes of one bucket at the same time abort each other. Refuses with OperationAborted.

    Source: Terraform provider: S3 bucket resources, retry OperationAborted; Amazon S3 API Reference, "Error Responses".
    """
    bucket = bucket_named(self.bucket_name)
    if bucket is None or not args[-1]:
        return proceed(*args)
    with changing(bucket):
        return proceed(*args)


def _kept(bucket: Any) -> dict[str, tuple[float, Any]]:
    """By setting: until when, in AWS seconds, reads answer as before, and that answer."""
    kept: dict[str, tuple[float, Any]] = bucket.__dict__.setdefault("_lab_shown", {})
    return kept


def _setting(querystring: Any) -> str | None:
    return next((name for name in READS if name in querystring), None)


@rule("bucket-settings-lag", S3Response, "_bucket_response_put", "_bucket_response_delete", "_bucket_response_get")
def bucket_settings_lag(proceed: Any, self: S3Response, *args: Any) -> Any:
    """A bucket's settings are read as they were for some seconds after they were changed.

    Source: Amazon S3 User Guide, "Amazon S3 data consistency model": bucket configurations are eventually consistent.
    """
    bucket, setting = bucket_named(self.bucket_name), _setting(args[-1])
    if bucket is None or setting is None:
        return proceed(*args)
    now, (until, shown) = CLOCK.now(), _kept(bucket).get(setting, (0.0, None))
    if proceed.func.__name__ == "_bucket_response_get":
        if now < until:
            return _again(shown)
        return proceed(*args)
    before = shown if now < until else _answer(self, setting)
    answer = proceed(*args)
    _kept(bucket)[setting] = (CLOCK.now() + seconds("bucket-setting-visible"), before)
    return answer


def _answer(self: S3Response, setting: str) -> Any:
    """What a read of the setting is answered now; an error is an answer too."""
    action = self.data.get("Action")
    try:
        return READS[setting](self)
    except S3ClientError as error:
        return error
    finally:
        self.data["Action"] = action


def _again(answer: Any) -> Any:
    if isinstance(answer, S3ClientError):
        raise answer
    if isinstance(answer, tuple):
        status, headers, body = answer
        return status, dict(headers), body
    return answer
