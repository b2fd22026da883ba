"""Which request is answered by which function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from ..database.connection import Database
from . import appointments, health, patients
from .alb import HttpError, Request, Response

Answer = Callable[..., Response]


def _health(request: Request, database: Database) -> Response:
    return health.shallow()


def _deep(request: Request, database: Database) -> Response:
    return health.deep(database)


ROUTES: dict[str, dict[str, Answer]] = {
    "/health": {"GET": _health},
    "/health/deep": {"GET": _deep},
    "/patients": {"GET": patients.several, "POST": patients.create},
    "/patients/{id}": {"GET": patients.one, "PATCH": patients.change},
    "/appointments": {"GET": appointments.several, "POST": appointments.create},
    "/appointments/{id}": {"GET": appointments.one, "PATCH": appointments.change, "DELETE": appointments.cancel},
}


@dataclass(frozen=True)
class Found:
    """The route (its pattern names nobody, so it may be logged), who answers, and the id in the path."""

    pattern: str
    answer: Answer
    parts: tuple[str, ...]


def find(method: str, path: str) -> Found:
    """Who answers; raises HttpError 404, or 405 with the methods there are."""
    pieces = path.strip("/").split("/")
    pattern, parts = "/" + "/".join(pieces), tuple[str, ...]()
    if pattern not in ROUTES and len(pieces) == 2:
        pattern, parts = f"/{pieces[0]}/{{id}}", (pieces[1],)
    methods = ROUTES.get(pattern)
    if methods is None:
        raise HttpError(HTTPStatus.NOT_FOUND, "there is nothing under this path")
    answer = methods.get("GET" if method == "HEAD" else method)
    if answer is None:
        raise HttpError(HTTPStatus.METHOD_NOT_ALLOWED, f"{method} is not possible here",
                        headers={"Allow": ", ".join(sorted(methods))})
    return Found(pattern, answer, parts)
