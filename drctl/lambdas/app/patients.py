"""Patients: create, list, get, change."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import uuid4

from ..database.connection import Database, Row
from .alb import HttpError, Request, Response
from .fields import Field, birth_date, check, in_path, page, text

FIELDS = (Field("name", text(200)), Field("birth_date", birth_date))
COLUMNS = "id, name, birth_date, created_at"


def create(request: Request, database: Database) -> Response:
    """A new patient. The id is made here, so a statement that is sent twice stores one patient."""
    values = check(request.json(), FIELDS)
    patient = uuid4()
    database.run("INSERT INTO patients (id, name, birth_date) VALUES (:id, :name, :birth_date) "
                 "ON CONFLICT (id) DO NOTHING", id=patient, **values)
    return Response(HTTPStatus.CREATED, shown(found(database, str(patient))), {"Location": f"/patients/{patient}"})


def several(request: Request, database: Database) -> Response:
    """Patients in the order of their ids, a page at a time."""
    limit, after = page(request.query)
    rows = database.run(f"SELECT {COLUMNS} FROM patients WHERE id > :after ORDER BY id LIMIT :limit",  # noqa: S608  # columns are a constant
                        after=after, limit=limit)
    more = str(rows[-1]["id"]) if len(rows) == limit else None
    return Response(HTTPStatus.OK, {"items": [shown(row) for row in rows], "next": more})


def one(request: Request, database: Database, patient: str) -> Response:
    """One patient."""
    return Response(HTTPStatus.OK, shown(found(database, patient)))


def change(request: Request, database: Database, patient: str) -> Response:
    """Other values for some fields."""
    values = check(request.json(), FIELDS, part=True)
    before = found(database, patient)
    database.run("UPDATE patients SET name = :name, birth_date = :birth_date WHERE id = :id",
                 **{"name": before["name"], "birth_date": before["birth_date"], **values, "id": before["id"]})
    return Response(HTTPStatus.OK, shown({**before, **values}))


def found(database: Database, patient: str) -> Row:
    """The patient's row; raises HttpError 404."""
    rows = database.run(f"SELECT {COLUMNS} FROM patients WHERE id = :id", id=in_path(patient))  # noqa: S608  # as above
    if not rows:
        raise HttpError(HTTPStatus.NOT_FOUND, "there is no such patient")
    return rows[0]


def shown(row: Row) -> dict[str, Any]:
    """The patient as clients see it."""
    return {"id": str(row["id"]), "name": row["name"], "birth_date": row["birth_date"].isoformat(),
            "created_at": row["created_at"].isoformat()}
