"""Rows of the user's own tables as keys and hashes: enough to tell two databases apart, and nothing of what is in them.

Source: PostgreSQL documentation, System Catalogs: pg_index, pg_class, pg_attribute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..database.connection import Database, Row

Answer = dict[str, Any]
#: Rows of one answer, unless fewer are asked for: some hundred bytes each, of the 6 MB that an invocation may answer.
MOST = 5000
#: A partition's rows are its parent's; a temporary table is nobody else's.
TABLES = """
SELECT n.nspname AS schema, c.relname AS name, format('%I.%I', n.nspname, c.relname) AS quoted,
       array_agg(a.attname::text ORDER BY k.place) FILTER (WHERE a.attname IS NOT NULL) AS key,
       array_agg(quote_ident(a.attname) ORDER BY k.place) AS columns,
       array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY k.place) AS types
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
LEFT JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(number, place) ON true
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
GROUP BY n.nspname, c.relname ORDER BY n.nspname, c.relname
"""
#: What a row reads as depends on these: they are the same wherever two databases are compared.
SETTINGS = "SET LOCAL TIME ZONE 'UTC'; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'postgres'; " \
           "SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'"


@dataclass(frozen=True)
class Table:
    """A table with a primary key; everything but its name is quoted as SQL takes it."""

    name: str
    quoted: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    types: tuple[str, ...]

    def page(self, *, first: bool) -> str:
        """A page in the order of the key: keys as text, and the row's hash."""
        columns = ", ".join(self.columns)
        shown = ", ".join(f"CAST({column} AS text)" for column in self.columns)
        after = ", ".join(f"CAST(CAST(:k{place} AS text) AS {kind})" for place, kind in enumerate(self.types))
        where = "" if first else f"WHERE ({columns}) > ({after}) "
        return (f"SELECT ARRAY[{shown}] AS key, md5(CAST(whole AS text)) AS hash FROM {self.quoted} AS whole "  # noqa: S608  # names and types are the catalog's own, quoted by the server
                f"{where}ORDER BY {columns} LIMIT :limit")


def tables(database: Database, given: Mapping[str, Any]) -> Answer:
    """The user's tables with the columns of their keys, and the names of those without a key."""
    found = database.run(TABLES)
    return {"tables": [{"name": _name(row), "key": list(row["key"])} for row in found if row["key"]],
            "without_key": [_name(row) for row in found if not row["key"]]}


def rows(database: Database, given: Mapping[str, Any]) -> Answer:
    """A page of `table` (as `tables` names it): key and md5 of each row after the key `after`, `limit` at most.

    `next` is the key to go on after, None at the end. Raises ValueError for a table that is not there or has no key.
    """
    table, after = _table(database, str(given["table"])), given.get("after")
    limit = min(max(int(given.get("limit", MOST)), 1), MOST)
    values = {} if after is None else {f"k{place}": str(value) for place, value in enumerate(after)}
    if after is not None and len(values) != len(table.columns):
        raise ValueError("after has not as many values as the key")
    with database.transaction() as run:
        for setting in SETTINGS.split("; "):
            run(setting)
        found = run(table.page(first=after is None), limit=limit, **values)
    listed = [[list(row["key"]), row["hash"]] for row in found]
    return {"rows": listed, "next": listed[-1][0] if len(listed) == limit else None}


def _name(row: Row) -> str:
    return f"{row['schema']}.{row['name']}"


def _table(database: Database, name: str) -> Table:
    for row in database.run(TABLES):
        if _name(row) == name and row["key"]:
            return Table(name, row["quoted"], tuple(row["key"]), tuple(row["columns"]), tuple(row["types"]))
    raise ValueError("there is no such table with a primary key")
