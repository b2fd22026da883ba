"""What load balancers, Route 53 and operators ask: does it run, and does its database."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from ..database.connection import Database, region
from ..database.errors import DatabaseProblem
from ..database.standing import standing
from .alb import Response


def shallow() -> Response:
    """The function runs. No database: Route 53 must not move users because of a slow query."""
    return Response(HTTPStatus.OK, {"status": "ok", **_here()})


def deep(database: Database) -> Response:
    """The database too: writer or reader, and the lag as the app sees it; 503 when it cannot be reached."""
    encryption = "verified" if database.place.verified else "encrypted"
    try:
        found = standing(database, region())
    except DatabaseProblem as problem:
        content = {"status": "unavailable", **_here(),
                   "database": {"reachable": False, "error": problem.code, "tls": encryption}}
        return Response(HTTPStatus.SERVICE_UNAVAILABLE, content, {"Retry-After": "5"})
    return Response(HTTPStatus.OK, {"status": "ok", **_here(), "database": {
        "reachable": True, "writer": found.writer, "lag_s": found.lag_s, "tls": encryption}})


def _here() -> dict[str, Any]:
    return {"region": region(), "role": os.environ.get("DRCTL_ROLE", ""),
            "stack": os.environ.get("DRCTL_STACK", ""), "version": os.environ.get("SERVICE_VERSION", ""),
            "time": datetime.now(UTC).isoformat(timespec="milliseconds")}
