"""Appointments of patients: book, list, get, move, cancel."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid4

from ..database.connection import Database, Row
from ..database.errors import Rejected
from .alb import HttpError, Request, Response
from .fields import Field, check, identifier, in_path, instant, page, text, whole

PLAN = (Field("starts_at", instant), Field("minutes", whole(5, 480), required=False),
        Field("reason", text(500), required=False))
FIELDS = (Field("patient_id", identifier), *PLAN)
COLUMNS = "id, patient_id, starts_at, minutes, reason, status, created_at"
#: SQLSTATEs of the table's own rules: the patient is already booked at that time; there is no such patient.
UNIQUE_VIOLATION, FOREIGN_KEY_VIOLATION = "23505", "23503"


def create(request: Request, database: Database) -> Response:
    """A new appointment; 409 when the patient already has one at that time, 422 without such a patient."""
    values = {"minutes": 30, "reason": "", **check(request.json(), FIELDS)}
    appointment = uuid4()
    _write(database, "INSERT INTO appointments (id, patient_id, starts_at, minutes, reason) "
           "VALUES (:id, :patient_id, :starts_at, :minutes, :reason) ON CONFLICT (id) DO NOTHING",
           {**values, "id": appointment})
    return Response(HTTPStatus.CREATED, shown(found(database, str(appointment))),
                    {"Location": f"/appointments/{appointment}"})


def several(request: Request, database: Database) -> Response:
    """Appointments in the order of their ids, a page at a time; `patient_id` narrows them."""
    limit, after = page(request.query)
    patient = _patient(request.query.get("patient_id"))
    rows = database.run(f"SELECT {COLUMNS} FROM appointments WHERE id > :after "  # noqa: S608  # columns are a constant
                        "AND (CAST(:patient AS uuid) IS NULL OR patient_id = CAST(:patient AS uuid)) "
                        "ORDER BY id LIMIT :limit", after=after, limit=limit, patient=patient)
    more = str(rows[-1]["id"]) if len(rows) == limit else None
    return Response(HTTPStatus.OK, {"items": [shown(row) for row in rows], "next": more})


def one(request: Request, database: Database, appointment: str) -> Response:
    """One appointment."""
    return Response(HTTPStatus.OK, shown(found(database, appointment)))


def change(request: Request, database: Database, appointment: str) -> Response:
    """Another time, length or reason; a cancelled appointment stays as it was: 409."""
    values = check(request.json(), PLAN, part=True)
    before = found(database, appointment)
    if before["status"] == "cancelled":
        raise HttpError(HTTPStatus.CONFLICT, "the appointment is cancelled")
    plan = {key: before[key] for key in ("id", "starts_at", "minutes", "reason")} | values
    _write(database, "UPDATE appointments SET starts_at = :starts_at, minutes = :minutes, reason = :reason "
           "WHERE id = :id AND status = 'booked'", plan)
    return Response(HTTPStatus.OK, shown(found(database, appointment)))


def cancel(request: Request, database: Database, appointment: str) -> Response:
    """The appointment is off, its record stays; cancelling again changes nothing."""
    before = found(database, appointment)
    database.run("UPDATE appointments SET status = 'cancelled' WHERE id = :id", id=before["id"])
    return Response(HTTPStatus.OK, shown({**before, "status": "cancelled"}))


def found(database: Database, appointment: str) -> Row:
    """The appointment's row; raises HttpError 404."""
    rows = database.run(f"SELECT {COLUMNS} FROM appointments WHERE id = :id", id=in_path(appointment))  # noqa: S608  # as above
    if not rows:
        raise HttpError(HTTPStatus.NOT_FOUND, "there is no such appointment")
    return rows[0]


def shown(row: Row) -> dict[str, Any]:
    """The appointment as clients see it."""
    return {"id": str(row["id"]), "patient_id": str(row["patient_id"]), "starts_at": row["starts_at"].isoformat(),
            "minutes": row["minutes"], "reason": row["reason"], "status": row["status"],
            "created_at": row["created_at"].isoformat()}


def _patient(given: str | None) -> UUID | None:
    try:
        return None if given is None else identifier(given)
    except ValueError as problem:
        raise HttpError(HTTPStatus.UNPROCESSABLE_ENTITY, "the query has problems",
                        fields={"patient_id": str(problem)}) from None


def _write(database: Database, sql: str, values: dict[str, Any]) -> None:
    try:
        database.run(sql, **values)
    except Rejected as problem:
        if problem.state == UNIQUE_VIOLATION:
            raise HttpError(HTTPStatus.CONFLICT, "the patient already has an appointment at that time") from None
        if problem.state == FOREIGN_KEY_VIOLATION:
            raise HttpError(HTTPStatus.UNPROCESSABLE_ENTITY, "the body has problems",
                            fields={"patient_id": "there is no such patient"}) from None
        raise
