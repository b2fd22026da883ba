"""Errors of Amazon S3 with their HTTP status: moto answers 400 to every code that the SDK's model does not know."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.s3.exceptions import S3ClientError
from moto.s3.responses import S3Response

#: HTTP status by code, where it is not 400 (Amazon S3 API Reference, "Error Responses", list of error codes).
STATUS = {"AccessDenied": 403, "ConditionalRequestConflict": 409, "InvalidBucketState": 409, "OperationAborted": 409}


class S3Refusal(S3ClientError):
    """An error of S3 by its code and words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)


def malformed_xml() -> S3Refusal:
    """What S3 says of a document that its schema does not allow."""
    return S3Refusal("MalformedXML", "The XML you provided was not well-formed or did not validate against our "
                                     "published schema")


def operation_aborted() -> S3Refusal:
    """What S3 says while something else is under way with a bucket or its name."""
    return S3Refusal("OperationAborted", "A conflicting conditional operation is currently in progress against this "
                                         "resource. Please try again.")


def _with_status(self: S3Response, answer: ActionResult) -> Any:
    status, headers, body = super(S3Response, self).serialized(answer)
    return STATUS.get(getattr(answer.result, "code", ""), status), headers, body


setattr(S3Response, "serialized", _with_status)  # noqa: B010  # moto has it in a class that all services share
