from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from drctl.lambdas.app.main import answer
from drctl.lambdas.database.connection import Database
from drctl.lambdas.database.errors import Unreachable
from tests.lambdas.conftest import Postgres

PATIENT = {"name": "Ada Example", "birth_date": "1980-02-29"}
Ask = Callable[..., tuple[int, Any]]


def no_database() -> Database:
    raise Unreachable("down")


def the_same(database: Database) -> Database:
    return database


def event(method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
    text = body if isinstance(body, str) else "" if body is None else json.dumps(body)
    return {"requestContext": {"elb": {}}, "httpMethod": method, "path": path, "queryStringParameters": {},
            "headers": {"x-amzn-trace-id": "Root=1"}, "body": text, "isBase64Encoded": False, **more}


@pytest.fixture
def here(postgres: Postgres) -> Iterator[Database]:
    database = postgres.database("here")
    assert answer({"action": "migrate"}, lambda: database)["ok"]
    yield database
    database.close()


@pytest.fixture
def ask(here: Database) -> Ask:
    def go(method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        made = answer(event(method, path, body, **more), lambda: here)
        return made["statusCode"], json.loads(made["body"]) if made["body"] else None

    return go


def test_an_answer_has_the_form_that_the_balancer_demands() -> None:
    made = answer(event("GET", "/health"), lambda: Database.__new__(Database))
    assert made["statusCode"] == 200
    assert made["statusDescription"] == "200 OK"
    assert made["isBase64Encoded"] is False
    assert made["headers"]["Content-Type"] == "application/json"
    assert json.loads(made["body"])["status"] == "ok"
    assert answer(event("HEAD", "/health"), lambda: Database.__new__(Database))["body"] == ""


def test_migrations_are_applied_once(postgres: Postgres) -> None:
    database = postgres.database("here")
    first, second = (answer({"action": "migrate"}, lambda: database) for _ in range(2))
    assert first["applied"] == ["0001_patients.sql", "0002_appointments.sql"]
    assert second["applied"] == []
    database.close()


def test_deep_health_tells_writer_and_reader(postgres: Postgres) -> None:
    for label, writer in (("here", True), ("there", False)):
        database = postgres.database(label)
        made = answer(event("GET", "/health/deep"), partial(the_same, database))
        assert made["statusCode"] == 200
        found = json.loads(made["body"])["database"]
        assert (found["reachable"], found["writer"], found["tls"]) == (True, writer, "verified")
        database.close()


def test_deep_health_of_a_dead_database_is_503(postgres: Postgres) -> None:
    def refuse(*_: Any) -> Any:
        raise Unreachable("x")

    dead = postgres.database("here", refuse)
    made = answer(event("GET", "/health/deep"), lambda: dead)
    assert made["statusCode"] == 503
    assert json.loads(made["body"])["database"] == {"reachable": False, "error": "UNREACHABLE", "tls": "verified"}


def test_a_patient_is_created_shown_changed_and_listed(ask: Ask) -> None:
    status, made = ask("POST", "/patients", PATIENT)
    assert (status, made["name"]) == (201, "Ada Example")
    path = f"/patients/{made['id']}"
    assert ask("GET", path) == (200, made)
    assert ask("PATCH", path, {"name": "Ada B."})[1]["name"] == "Ada B."
    assert ask("GET", path)[1]["birth_date"] == "1980-02-29"
    others = [ask("POST", "/patients", PATIENT)[1]["id"] for _ in range(2)]
    status, page = ask("GET", "/patients", queryStringParameters={"limit": "2"})
    assert [item["id"] for item in page["items"]] == sorted([made["id"], *others])[:2]
    rest = ask("GET", "/patients", queryStringParameters={"after": page["next"]})[1]
    assert ([item["id"] for item in rest["items"]], rest["next"]) == (sorted([made["id"], *others])[2:], None)


def test_an_appointment_is_booked_moved_and_cancelled(ask: Ask) -> None:
    patient = ask("POST", "/patients", PATIENT)[1]["id"]
    plan = {"patient_id": patient, "starts_at": "2030-01-31T09:30:00+01:00", "reason": "check"}
    status, made = ask("POST", "/appointments", plan)
    assert (status, made["minutes"], made["status"]) == (201, 30, "booked")
    path = f"/appointments/{made['id']}"
    assert ask("POST", "/appointments", plan)[0] == 409
    assert ask("PATCH", path, {"minutes": 45})[1]["minutes"] == 45
    assert ask("GET", "/appointments", queryStringParameters={"patient_id": patient})[1]["items"][0]["id"] == made["id"]
    assert ask("GET", "/appointments", queryStringParameters={"patient_id": str(uuid4())})[1]["items"] == []
    assert ask("DELETE", path)[1]["status"] == "cancelled"
    assert ask("DELETE", path)[0] == 200
    assert ask("PATCH", path, {"minutes": 45})[0] == 409
    assert ask("POST", "/appointments", plan)[0] == 201


@pytest.mark.parametrize(("method", "path", "body", "status"), [
    ("POST", "/patients", "no json", 400),
    ("POST", "/patients", "[1]", 400),
    ("POST", "/patients", {}, 422),
    ("POST", "/patients", {**PATIENT, "name": " "}, 422),
    ("POST", "/patients", {**PATIENT, "name": "a\0b"}, 422),
    ("POST", "/patients", {**PATIENT, "birth_date": "2999-01-01"}, 422),
    ("POST", "/patients", {**PATIENT, "colour": "red"}, 422),
    ("PATCH", f"/patients/{UUID(int=7)}", {}, 422),
    ("PATCH", f"/patients/{UUID(int=7)}", {"name": "x"}, 404),
    ("GET", f"/patients/{UUID(int=7)}", None, 404),
    ("GET", "/patients/1%27--", None, 404),
    ("GET", "/nowhere", None, 404),
    ("GET", "/patients/a/b", None, 404),
    ("DELETE", "/patients", None, 405),
    ("POST", "/appointments", {"patient_id": str(uuid4()), "starts_at": "2030-01-31T09:30:00Z"}, 422),
    ("POST", "/appointments", {"patient_id": "x", "starts_at": "2030-01-31T09:30:00", "minutes": True}, 422),
])
def test_what_clients_do_wrong_is_told(ask: Ask, method: str, path: str, body: Any, status: int) -> None:
    got, told = ask(method, path, body)
    assert got == status
    assert told["error"]["message"]


def test_every_problem_is_told_at_once(ask: Ask) -> None:
    assert set(ask("POST", "/patients", {"birth_date": "x", "colour": 1})[1]["error"]["fields"]) == {
        "name", "birth_date", "colour"}


def test_a_body_in_base64_is_read(ask: Ask) -> None:
    coded = base64.b64encode(json.dumps(PATIENT).encode()).decode()
    assert ask("POST", "/patients", coded, isBase64Encoded=True)[0] == 201
    assert ask("POST", "/patients", "%%%", isBase64Encoded=True)[0] == 400


def test_a_standby_refuses_writes_with_503_and_when_to_try_again(postgres: Postgres, here: Database) -> None:
    postgres.until_replicated()
    there = postgres.database("there")
    made = answer(event("POST", "/patients", PATIENT), lambda: there)
    assert made["statusCode"] == 503
    assert made["headers"]["Retry-After"] == "30"
    assert answer(event("GET", "/patients"), lambda: there)["statusCode"] == 200
    there.close()


def test_a_database_without_tables_is_503(postgres: Postgres) -> None:
    database = postgres.database("here")
    made = answer(event("GET", "/patients"), lambda: database)
    assert (made["statusCode"], "migrated" in made["body"]) == (503, True)
    database.close()


def test_errors_nobody_expected_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> Database:
        raise RuntimeError("Ada Example")

    made = answer(event("GET", "/patients"), broken)
    assert made["statusCode"] == 500
    assert "Ada" not in made["body"] + capsys.readouterr().out
    assert answer({"action": "migrate"}, no_database)["error"] == "UNREACHABLE"
    assert answer("?", no_database)["error"] == "BAD_REQUEST"


def test_logs_are_json_without_patient_data(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    made = ask("POST", "/patients", PATIENT)[1]
    ask("GET", f"/patients/{made['id']}", queryStringParameters={"q": "Ada"})
    out = capsys.readouterr().out
    lines = [json.loads(line) for line in out.splitlines() if "request" in line]
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("POST", "/patients", 201), ("GET", "/patients/{id}", 200)]
    assert made["id"] not in out
    assert "Ada" not in out
