"""Lambda entry point of the application: requests from the load balancer, and {"action": "migrate"} from drctl."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

from ..database.connection import Database, from_environment, region
from ..database.errors import DatabaseProblem, ReadOnly, Rejected, Unreachable
from .alb import HttpError, Request, refusal
from .logs import tell
from .migrations import migrate
from .routes import find

Answer = dict[str, Any]
#: Seconds after which a client may try again: about what Aurora needs to bring up a writer within a region.
RETRY_AFTER = {"Retry-After": "30"}
UNDEFINED_TABLE = "42P01"


def handler(event: Any, context: Any) -> Answer:
    """Lambda's entry point."""
    return answer(event, _database)


def answer(event: Any, database: Callable[[], Database]) -> Answer:
    """The answer to one event: the balancer's form for the balancer, plain for a direct invoke."""
    given: Mapping[str, Any] = event if isinstance(event, Mapping) else {}
    if "httpMethod" in given:
        return _serve(given, database)
    if given.get("action") == "migrate":
        return _migrate(database)
    return {"ok": False, "error": "BAD_REQUEST", "text": "expected a load balancer's event or an action: migrate",
            "region": region()}


def _migrate(database: Callable[[], Database]) -> Answer:
    try:
        applied = migrate(database())
    except DatabaseProblem as problem:
        tell("error", "migrate", error=problem.code)
        return {"ok": False, "error": problem.code, "text": str(problem), "region": region()}
    tell("info", "migrate", applied=applied)
    return {"ok": True, "applied": applied, "region": region()}


def _serve(event: Mapping[str, Any], database: Callable[[], Database]) -> Answer:
    begun = time.perf_counter()
    facts: dict[str, Any] = {"method": str(event.get("httpMethod")), "route": "-"}
    try:
        request = Request.of(event)
        found = find(request.method, request.path)
        facts["route"] = found.pattern
        response = found.answer(request, database(), *found.parts)
    except Exception as error:
        response = refusal(as_http(error))
        facts["error"] = getattr(error, "code", type(error).__name__)
    trace = (event.get("headers") or {}).get("x-amzn-trace-id", "")
    tell("info" if response.status < HTTPStatus.INTERNAL_SERVER_ERROR else "error", "request", **facts, trace=trace,
         status=int(response.status), ms=round((time.perf_counter() - begun) * 1000, 1))
    return response.as_event(with_body=facts["method"].upper() != "HEAD")


def as_http(error: Exception) -> HttpError:
    """The status and text for the client; nothing of an unexpected error's text, which may hold data."""
    if isinstance(error, HttpError):
        return error
    if isinstance(error, ReadOnly):
        return _unavailable("this region is a read-only standby; writes go to the active region")
    if isinstance(error, Unreachable):
        return _unavailable("the database cannot be reached")
    if isinstance(error, Rejected) and error.state == UNDEFINED_TABLE:
        return _unavailable("the database has not been migrated")
    return HttpError(HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong here")


def _unavailable(text: str) -> HttpError:
    return HttpError(HTTPStatus.SERVICE_UNAVAILABLE, text, headers=RETRY_AFTER)


@cache
def _database() -> Database:
    """The connection that outlives an invocation."""
    return from_environment()
