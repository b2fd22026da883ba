"""Requests and answers as an Application Load Balancer gives them to a function and takes them back.

Source: Elastic Load Balancing, "Use Lambda functions as targets of an Application Load Balancer".
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_plus

HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class HttpError(Exception):
    """A request that ends in an error answer; the message goes to the client."""

    def __init__(self, status: HTTPStatus, message: str, *, fields: Mapping[str, str] | None = None,
                 headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.fields, self.headers = dict(fields or {}), dict(headers or {})


@dataclass(frozen=True)
class Request:
    """What the client asks; header names in lower case, the query decoded (the balancer passes it on as it came)."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Request:
        """The request in a balancer's event; raises HttpError for a body that is not what it says."""
        body = event.get("body") or ""
        try:
            raw = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else str(body).encode()
        except (binascii.Error, ValueError):
            raise HttpError(HTTPStatus.BAD_REQUEST, "the body is not valid base64") from None
        query = {unquote_plus(key): unquote_plus(value or "")
                 for key, value in (event.get("queryStringParameters") or {}).items()}
        headers = {key.lower(): str(value) for key, value in (event.get("headers") or {}).items()}
        return cls(str(event.get("httpMethod", "GET")).upper(), str(event.get("path") or "/"), query, headers, raw)

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; raises HttpError 400."""
        try:
            content = json.loads(self.body or b"")
        except ValueError:
            raise HttpError(HTTPStatus.BAD_REQUEST, "the body is not JSON") from None
        if not isinstance(content, dict):
            raise HttpError(HTTPStatus.BAD_REQUEST, "the body is not a JSON object")
        return content


@dataclass(frozen=True)
class Response:
    """What the client gets."""

    status: HTTPStatus
    content: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def as_event(self, *, with_body: bool = True) -> dict[str, Any]:
        """The form the balancer demands; without one of these fields it answers 502."""
        body = json.dumps(self.content, separators=(",", ":")) if with_body and self.content is not None else ""
        return {"statusCode": int(self.status), "statusDescription": f"{int(self.status)} {self.status.phrase}",
                "isBase64Encoded": False, "headers": {**HEADERS, **self.headers}, "body": body}


def refusal(error: HttpError) -> Response:
    """The answer to a request that ended in `error`."""
    content: dict[str, Any] = {"error": {"code": error.status.name.lower(), "message": error.message}}
    if error.fields:
        content["error"]["fields"] = error.fields
    return Response(error.status, content, error.headers)
