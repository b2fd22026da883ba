"""Lambda entry point of the probe: writes numbered heartbeats, reads them back, tells how the database stands, and
lists rows as keys and hashes.

Direct invokes only. It never raises: a drill counts on an answer, and an error is one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any

from ..database.connection import PATIENCE_S, Database, from_environment, region
from ..database.errors import DatabaseProblem, Rejected
from ..database.standing import standing
from .rows import rows, rows_by_key, tables

Answer = dict[str, Any]
#: A schema of its own, so that no table of the application can be in the way.
SCHEMA = """
CREATE SCHEMA IF NOT EXISTS drctl;
CREATE TABLE IF NOT EXISTS drctl.heartbeats (
    run text NOT NULL,
    n bigint NOT NULL,
    region text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run, n)
)
"""
#: Safe to be sent twice: the first writing of a number stands, with its time.
WRITE = "INSERT INTO drctl.heartbeats (run, n, region) VALUES (:run, :n, :region) ON CONFLICT DO NOTHING"
WRITTEN = "SELECT at, region FROM drctl.heartbeats WHERE run = :run AND n = :n"
READ = "SELECT n FROM drctl.heartbeats WHERE run = :run AND n > :after ORDER BY n"
#: 3F000 no such schema, 42P01 no such table: nothing was ever written here.
MISSING = {"3F000", "42P01"}
#: One number for the advisory lock under which the table is made.
LOCK = 7_246_001
#: What reads whole tables, and the seconds that it is given: a volume that was just restored comes page by page out of
#: its storage. Still below the function's own time-out.
LISTING, LISTING_PATIENCE_S = {"tables", "rows", "rows_by_key"}, 6.0


def handler(event: Any, context: Any) -> Answer:
    """Lambda's entry point."""
    return answer(event, partial(_database, patience_for(event)))


def answer(event: Any, database: Callable[[], Database]) -> Answer:
    """The answer to one invocation, an error included."""
    here = {"region": region()}
    try:
        given = event if isinstance(event, Mapping) else {}
        act = ACTIONS.get(str(given.get("action")))
        if act is None:
            return {"ok": False, "error": "BAD_REQUEST", "text": f"action is one of {', '.join(ACTIONS)}", **here}
        return {"ok": True, **act(database(), given), **here}
    except DatabaseProblem as problem:
        return {"ok": False, "error": problem.code, "text": str(problem), **here}
    except (KeyError, TypeError, ValueError) as error:
        return {"ok": False, "error": "BAD_REQUEST", "text": f"{type(error).__name__}: {error}", **here}
    except Exception as error:  # whatever it is, the drill must hear of it instead of a failed invocation
        return {"ok": False, "error": "INTERNAL", "text": type(error).__name__, **here}


def patience_for(event: Any) -> float:
    """Seconds that the database is given for an answer: a heartbeat has to be told of soon, a list may take longer."""
    asked = event.get("action") if isinstance(event, Mapping) else None
    return LISTING_PATIENCE_S if isinstance(asked, str) and asked in LISTING else PATIENCE_S


def write(database: Database, given: Mapping[str, Any]) -> Answer:
    """Heartbeat number `n` of `run`; `at` is the database's time of its first writing."""
    run, n = str(given["run"]), int(given["n"])
    try:
        database.run(WRITE, run=run, n=n, region=region())
    except Rejected as problem:
        if problem.state not in MISSING:
            raise
        make_table(database)
        database.run(WRITE, run=run, n=n, region=region())
    row = database.run(WRITTEN, run=run, n=n)[0]
    return {"n": n, "at": row["at"].astimezone(UTC).isoformat(), "written_from": row["region"]}


def make_table(database: Database) -> None:
    """Make the heartbeats' table; CREATE IF NOT EXISTS alone fails when two probes run it at once."""
    with database.transaction() as run:
        run("SELECT pg_advisory_xact_lock(CAST(:key AS bigint))", key=LOCK)
        run(SCHEMA)


def read(database: Database, given: Mapping[str, Any]) -> Answer:
    """The numbers of `run` above `after` that this region's database holds."""
    found = standing(database, region())
    try:
        rows = database.run(READ, run=str(given["run"]), after=int(given.get("after", -1)))
    except Rejected as problem:
        if problem.state not in MISSING:
            raise
        rows = []
    return {"rows": [row["n"] for row in rows], "writer": found.writer, "lag_s": found.lag_s}


def health(database: Database, given: Mapping[str, Any]) -> Answer:
    """Writer or reader, the lag, the time, the version."""
    found = standing(database, region())
    return {"writer": found.writer, "lag_s": found.lag_s, "at": datetime.now(UTC).isoformat(),
            "version": os.environ.get("SERVICE_VERSION", "")}


ACTIONS: dict[str, Callable[[Database, Mapping[str, Any]], Answer]] = {
    "write": write, "read": read, "health": health, "tables": tables, "rows": rows,
    "rows_by_key": rows_by_key}


@cache
def _database(patience_s: float) -> Database:
    """The connection of that patience, which outlives an invocation."""
    return from_environment(patience_s=patience_s)
