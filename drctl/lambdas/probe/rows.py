"""Rows of the user's own tables as keys and hashes: enough to tell two databases apart, and nothing of what is in them.

Source: PostgreSQL documentation, System Catalogs: pg_index, pg_class, pg_attribute.
"""

from __future__ import annotations

import json
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

    @property
    def of_keys(self) -> str:
        """The rows of given keys: each key as it was given, and its row's hash, NULL where there is no such row."""
        shown = ", ".join(f"asked.key ->> {place}" for place in range(len(self.columns)))
        same = " AND ".join(f"whole.{column} = CAST(asked.key ->> {place} AS {kind})"
                            for place, (column, kind) in enumerate(zip(self.columns, self.types, strict=True)))
        return (f"SELECT ARRAY[{shown}] AS key, md5(CAST(whole AS text)) AS hash "  # noqa: S608  # as above
                f"FROM json_array_elements(CAST(:keys AS json)) AS asked(key) "
                f"LEFT JOIN {self.quoted} AS whole ON {same}")


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
    listed = _listed(database, table.page(first=after is None), limit=limit, **values)
    return {"rows": listed, "next": listed[-1][0] if len(listed) == limit else None}


def rows_by_key(database: Database, given: Mapping[str, Any]) -> Answer:
    """The rows of `table` that have one of `keys`: each key as given and the md5 of its row, None where there is none.

    In no order. Raises ValueError as `rows` does, and for more keys than a page may have.
    """
    table, keys = _table(database, str(given["table"])), [[str(value) for value in key] for key in given["keys"]]
    if len(keys) > MOST or any(len(key) != len(table.columns) for key in keys):
        raise ValueError(f"keys are {MOST} at most, each of as many values as the key")
    return {"rows": _listed(database, table.of_keys, keys=json.dumps(keys))}


def _listed(database: Database, sql: str, **values: Any) -> list[Any]:
    """Key and hash of each row, whatever the settings of the session."""
    with database.transaction() as run:
        for setting in SETTINGS.split("; "):
            run(setting)
        found = run(sql, **values)
    return [[list(row["key"]), row["hash"]] for row in found]


def _name(row: Row) -> str:
    return f"{row['schema']}.{row['name']}"


def _table(database: Database, name: str) -> Table:
    for row in database.run(TABLES):
        if _name(row) == name and row["key"]:
            return Table(name, row["quoted"], tuple(row["key"]), tuple(row["columns"]), tuple(row["types"]))
    raise ValueError("there is no such table with a primary key")
