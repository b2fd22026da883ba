"""A function behind a load balancer: the event that it gets, and the answer that is made of what it says.

Source: Application Load Balancers, "Use Lambda functions as targets of an Application Load Balancer".
"""

from __future__ import annotations

import base64
import json
import logging
import random
import time
from typing import Any

from drctl.lab import compute
from drctl.lab.visits import Reply, Visit, with_status

log = logging.getLogger(__name__)
#: Largest body of a request to a function, and of a function's answer (the same, "Limits": 1 MB).
LARGEST_BODY = 1_048_576
#: Media types whose bodies are passed on as they are; all others are encoded with Base64.
TEXTS = ("text/", "application/json", "application/javascript", "application/xml")
#: What concerns the connection alone is not passed on.
_OF_THE_CONNECTION = frozenset({"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
                                "upgrade", "expect"})


def ask(region: str, group: Any, visit: Visit, protocol: str, port: int) -> Reply:
    """The answer of the group's function, also of one that is not healthy; 503 without a target.

    413 for a body that is too large; 502 for whatever goes wrong in or around the function: an error, a time-out, no
    right to run, an answer of another form.
    """
    names = [str(one) for one in group.targets if ":function:" in str(one)] if group else []
    if not names:
        return with_status(503)
    if len(visit.body) > LARGEST_BODY:
        return with_status(413)
    try:
        said = json.loads(compute.invoke(region, names[0], json.dumps(_event(group, visit, protocol, port)).encode()))
        return _reply(said)
    except Exception:
        # Whatever goes wrong in or around the function is a 502 to the visitor.
        log.debug("no answer of %s", names[0], exc_info=True)
        return with_status(502)


def _event(group: Any, visit: Visit, protocol: str, port: int) -> dict[str, Any]:
    as_it_is = not visit.body or ("content-encoding" not in visit.headers and visit.headers.get(
        "content-type", "").strip().lower().startswith(TEXTS))
    body = visit.body.decode("utf-8", "replace") if as_it_is else base64.b64encode(visit.body).decode()
    return {"requestContext": {"elb": {"targetGroupArn": group.arn}}, "httpMethod": visit.method, "path": visit.path,
            "queryStringParameters": _parameters(visit.query), "headers": _headers(visit, protocol, port),
            "body": body, "isBase64Encoded": not as_it_is}


def _parameters(query: str) -> dict[str, str]:
    """Neither name nor value is decoded; of several values of a name the last counts."""
    pairs = (part.partition("=") for part in query.split("&") if part)
    return {name: value for name, _, value in pairs}


def _headers(visit: Visit, protocol: str, port: int) -> dict[str, str]:
    """The client's, and what the balancer adds of its own.

    Source: Application Load Balancers, "HTTP headers and Application Load Balancers" and "Request tracing for your
    Application Load Balancer".
    """
    kept = {name: value for name, value in visit.headers.items() if name not in _OF_THE_CONNECTION}
    came_by, given = kept.get("x-forwarded-for"), kept.get("x-amzn-trace-id")
    own, address = f"1-{int(time.time()):08x}-{random.getrandbits(96):024x}", visit.client.partition("/")[0]
    return {**kept, "x-forwarded-for": f"{came_by}, {address}" if came_by else address,
            "x-forwarded-proto": protocol.lower(), "x-forwarded-port": str(port),
            "x-amzn-trace-id": f"Self={own};{given}" if given else f"Root={own}"}


def _reply(said: Any) -> Reply:
    """Raises KeyError, TypeError or ValueError for an answer of another form than a balancer takes."""
    status, body = int(said["statusCode"]), said.get("body") or ""
    if not 200 <= status <= 599 or not isinstance(body, str):
        raise ValueError(f"status {status} with a body of type {type(body).__name__}")
    plain = base64.b64decode(body, validate=True) if said.get("isBase64Encoded") else body.encode()
    if len(plain) > LARGEST_BODY:
        raise ValueError(f"a body of {len(plain)} bytes")
    described = str(said.get("statusDescription") or "")
    text = _line(described.removeprefix(str(status)).strip()) or with_status(status).text
    headers = tuple((_line(name), _line(value)) for name, value in (said.get("headers") or {}).items())
    return Reply(status, text, plain, headers)


def _line(text: Any) -> str:
    """What may stand in a line of a header."""
    if not isinstance(text, str):
        raise TypeError(f"a header of type {type(text).__name__}")
    if any(one in "\r\n" or one > "\xff" for one in text):
        raise ValueError("a header with a character that HTTP has not")
    return text
