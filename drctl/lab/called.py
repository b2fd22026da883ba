"""What a request to the lab calls: region, service and operation, read from its signature, target, body or path."""

from __future__ import annotations

import io
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from drctl.aws.calls import is_mutating

Environ = dict[str, Any]


class Call(NamedTuple):
    """One request; region and service are those of its credential scope, empty when it is not signed."""

    region: str
    service: str
    operation: str
    mutating: bool
    path: str = ""
    #: Whether a function of the lab makes it, which nobody at a keyboard answers for.
    by_function: bool = False


#: The access key of the functions that the lab runs.
FUNCTIONS_KEY = "function"


def what_is_called(environ: Environ) -> Call:
    """Region, service, operation and whether it can change AWS, from a request's signature, target, body or path."""
    call = _plainly(environ)
    by_function = f"Credential={FUNCTIONS_KEY}/" in environ.get("HTTP_AUTHORIZATION", "")
    return call._replace(by_function=True) if by_function else call


def _plainly(environ: Environ) -> Call:
    path = environ.get("PATH_INFO", "")
    region, service = _scope(environ)
    if target := environ.get("HTTP_X_AMZ_TARGET", ""):
        operation = target.rpartition(".")[2]
        return Call(region, service, operation, is_mutating(operation), path)
    if "x-www-form-urlencoded" in environ.get("CONTENT_TYPE", ""):
        operation = parse_qs(whole_body(environ).decode("utf-8", "replace")).get("Action", ["?"])[0]
        return Call(region, service, operation, is_mutating(operation), path)
    method = environ["REQUEST_METHOD"]
    mutating = method not in {"GET", "HEAD"} and not path.endswith("/invocations") and not _asks_for_tags(path)
    query = environ.get("QUERY_STRING", "").split("=")[0].split("&")[0]
    return Call(region, service, f"{method} {path.split('/')[1]}{'?' + query if query else ''}", mutating, path)


def whole_body(environ: Environ) -> bytes:
    """The body of a request, which can still be read afterwards."""
    length = environ.get("CONTENT_LENGTH")
    body: bytes = environ["wsgi.input"].read(*([int(length or 0)] if not environ.get("wsgi.input_terminated") else []))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def is_cut_off(environ: Environ) -> bool:
    """Whether a request's body ends before the length that its header promises: AWS does not serve such a request
    (Amazon S3 API Reference, IncompleteBody; its sender was killed half way)."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    return length > 0 and len(whole_body(environ)) < length


def _asks_for_tags(path: str) -> bool:
    """Route 53 is asked for the tags of several resources by POST (ListTagsForResources); a change names one more."""
    parts = path.strip("/").split("/")
    return parts[:2] == ["2013-04-01", "tags"] and len(parts) == 3


def _scope(environ: Environ) -> tuple[str, str]:
    """Region and service of the credential scope, in the header or, for a presigned request, in the query."""
    credential = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split(",")[0]
    if not credential and "X-Amz-Credential=" in environ.get("QUERY_STRING", ""):
        credential = parse_qs(environ["QUERY_STRING"])["X-Amz-Credential"][0]
    parts = credential.split("/")
    return (parts[2], parts[3]) if len(parts) >= 5 else ("", "")
