"""The schema, one numbered file a change, each applied once however often and wherever `migrate` runs."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from ...database.connection import Database
from ...database.errors import DatabaseProblem

#: One number for the advisory lock: two runs at once wait for each other.
LOCK = 7_246_000
LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""


class Changed(DatabaseProblem):
    """A migration that was applied reads differently now: a new file is the way to change a schema."""

    code = "MIGRATION_CHANGED"


def known() -> dict[str, str]:
    """Every migration's text by name, in sequence."""
    found = {entry.name: entry.read_text() for entry in files(__package__).iterdir() if entry.name.endswith(".sql")}
    return dict(sorted(found.items()))


def migrate(database: Database, migrations: dict[str, str] | None = None) -> list[str]:
    """Apply what is missing, all or nothing, and return its names; raises Changed and the database's errors."""
    wanted = known() if migrations is None else migrations
    applied: list[str] = []
    with database.transaction() as run:
        run("SELECT pg_advisory_xact_lock(CAST(:key AS bigint))", key=LOCK)
        run(LEDGER)
        there = {row["name"]: row["sha256"] for row in run("SELECT name, sha256 FROM schema_migrations")}
        for name, text in wanted.items():
            digest = hashlib.sha256(text.encode()).hexdigest()
            if name in there:
                if there[name] != digest:
                    raise Changed(f"migration {name} was changed after it had been applied")
                continue
            run(text)
            run("INSERT INTO schema_migrations (name, sha256) VALUES (:name, :sha256)", name=name, sha256=digest)
            applied.append(name)
    return applied
