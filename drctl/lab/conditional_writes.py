"""Conditional writes of S3: of several that race for one key, one is done and the others are told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.s3.models import S3Backend
from moto.s3.responses import S3Response

from drctl.lab.rules import rule
from drctl.lab.s3_answers import S3Refusal

#: Headers that make a write conditional.
CONDITIONS = ("If-None-Match", "If-Match")


@contextmanager
def writing(bucket: Any, key_name: str, *, wait: bool) -> Iterator[None]:
    """Be the only writer of a key: wait for the turn, or raise ConditionalRequestConflict when somebody writes."""
    locks: dict[str, Any] = bucket.__dict__.setdefault("_lab_writing", {})
    lock = locks.setdefault(key_name, threading.RLock())
    if not lock.acquire(blocking=wait):
        raise S3Refusal("ConditionalRequestConflict", "A conflicting operation occurred during the conditional request "
                                                      "to this resource.")
    try:
        yield
    finally:
        lock.release()


@rule("conditional-write", S3Response, "put_object", "delete_object", "_key_response_post")
def conditional_write(proceed: Any, self: S3Response, *args: Any, **kwargs: Any) -> Any:
    """Condition and write are one: nobody writes the key between the look and the write.

    Refuses with PreconditionFailed (412) what comes after another, with ConditionalRequestConflict (409) what comes
    while another write is under way. Source: Amazon S3 User Guide, "How to prevent object overwrites with conditional
    writes".
    """
    if not any(self.headers.get(condition) for condition in CONDITIONS):
        return proceed(*args, **kwargs)
    with writing(self.backend.get_bucket(self.bucket_name), self.parse_key_name(), wait=False):
        return proceed(*args, **kwargs)


@rule("object-writes-in-turn", S3Backend, "put_object", "delete_object")
def object_writes_in_turn(proceed: Any, self: S3Backend, bucket_name: str, key_name: str, *args: Any,
                          **kwargs: Any) -> Any:
    """Writes of one key have an order: a plain one does not come in the midst of a conditional one.

    Source: Amazon S3 User Guide, "Amazon S3 data consistency model".
    """
    with writing(self.get_bucket(bucket_name), key_name, wait=True):
        return proceed(bucket_name, key_name, *args, **kwargs)
