"""An error in the shape of the protocol that its service speaks, for answers that are given before moto is asked."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, NamedTuple

from drctl.lab.called import Call, Environ

#: Namespaces of the services that speak REST and XML.
_REST_XML = {"route53": "https://route53.amazonaws.com/doc/2013-04-01/",
             "cloudfront": "http://cloudfront.amazonaws.com/doc/2020-05-31/"}


class Refusal(NamedTuple):
    """An error as AWS gives it: code, words, HTTP status."""

    code: str
    message: str
    status: int = 400


#: Codes of the services that have their own for a failure of theirs; all others: the common ones (AWS API references,
#: "Common Errors": InternalFailure 500, ServiceUnavailable 503).
_INTERNAL = {"ec2": "InternalError", "s3": "InternalError", "lambda": "ServiceException",
             "kms": "KMSInternalException", "secretsmanager": "InternalServiceError", "ssm": "InternalServerError",
             "wafv2": "WAFInternalErrorException", "monitoring": "InternalServiceFault", "sns": "InternalError"}
_UNAVAILABLE = {"ec2": "Unavailable", "logs": "ServiceUnavailableException", "backup": "ServiceUnavailableException"}


def internal_error(service: str) -> Refusal:
    """The service failed: 500."""
    return Refusal(_INTERNAL.get(service, "InternalFailure"), "The request processing has failed because of an unknown "
                   "error, exception or failure.", 500)


def unavailable(service: str) -> Refusal:
    """The service cannot be used now: 503."""
    return Refusal(_UNAVAILABLE.get(service, "ServiceUnavailable"),
                   "The request has failed due to a temporary failure of the server.", 503)


def answer(refusal: Refusal, call: Call, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a request with an error in its service's own shape."""
    request_id = str(uuid.uuid4())
    kind, text = _shaped(refusal, call, environ, request_id)
    body = b"" if environ["REQUEST_METHOD"] == "HEAD" else text.encode()
    headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("x-amzn-RequestId", request_id)]
    if "json" in kind:
        headers.append(("x-amzn-ErrorType", refusal.code))
    if call.service == "sqs" and "json" in kind:
        headers.append(("x-amzn-query-error", f"{refusal.code};{_side(refusal)}"))
    start_response(f"{refusal.status} {HTTPStatus(refusal.status).phrase}", headers)
    return [body]


def _side(refusal: Refusal) -> str:
    return "Sender" if refusal.status < 500 else "Receiver"


def _shaped(refusal: Refusal, call: Call, environ: Environ, request_id: str) -> tuple[str, str]:
    """Content type and body.

    Source: AWS API references, "Common Errors"; Smithy specification, "AWS protocols"; Amazon S3 API Reference, "Error
    Responses".
    """
    code, message, _ = refusal
    error = f"<Code>{code}</Code><Message>{message}</Message>"
    if environ.get("HTTP_X_AMZ_TARGET"):
        return (environ.get("CONTENT_TYPE") or "application/x-amz-json-1.1",
                json.dumps({"__type": code, "message": message}))
    if call.service == "s3":
        return "application/xml", f"<Error>{error}<RequestId>{request_id}</RequestId></Error>"
    if call.service in _REST_XML or "x-www-form-urlencoded" in environ.get("CONTENT_TYPE", ""):
        if call.service == "ec2":
            return "text/xml", (f"<Response><Errors><Error>{error}</Error></Errors>"
                                f"<RequestID>{request_id}</RequestID></Response>")
        space = f' xmlns="{_REST_XML[call.service]}"' if call.service in _REST_XML else ""
        return "text/xml", (f"<ErrorResponse{space}><Error><Type>{_side(refusal)}</Type>{error}</Error>"
                            f"<RequestId>{request_id}</RequestId></ErrorResponse>")
    return "application/json", json.dumps({"message": message, "Message": message})
