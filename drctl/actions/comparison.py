"""Compares the rows of two databases through their probes: each row of the old one with that of its key in the new one.

The old side alone decides how far it goes: the new one is asked for exactly the keys of each page of the old one,
however many other rows it has between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from drctl.actions import probe
from drctl.aws.errors import AwsError, code_of, message_of
from drctl.engine.run import Run
from drctl.engine.waiting import minutes
from drctl.settings import Site

#: Rows of one table of the old side that are compared at most; more are for tools that know the data.
COMPARED = 200_000
#: Rows of one answer: what a volume that was just restored can read and hash while the function lives.
PAGE = 1000
#: The table of the probe's own writes.
HEARTBEATS = "drctl.heartbeats"
#: AWS seconds for one page, whatever passes meanwhile.
PAGE_WITHIN = minutes(5)

Key = tuple[str, ...]
Page = list[tuple[Key, str]]


@dataclass
class Side:
    """One of the databases, asked through a probe; every answer is one, or raises WaitFailed or WaitTimeout."""

    site: Site
    ask: probe.Ask
    #: Rows that are asked for at once: fewer after a page that did not come, slowly more again.
    size: int = PAGE

    def tables(self, run: Run) -> dict[str, Any]:
        """The tables with their keys, and those without one, as the probe tells them."""
        return self._told(run, "the tables", lambda: {"action": "tables"})

    def page(self, run: Run, table: str, after: list[str] | None, most: int) -> tuple[Page, list[str] | None]:
        """Rows after a key, and the key to go on after; None at the end of the table."""
        told = self._told(run, f"a page of {table}", lambda: {
            "action": "rows", "table": table, "after": after, "limit": min(self.size, most)})
        return [(tuple(key), content) for key, content in told["rows"]], told["next"]

    def by_key(self, run: Run, table: str, keys: list[Key]) -> dict[Key, str | None]:
        """What each of the keys holds; None where there is no such row."""
        found: dict[Key, str | None] = {}
        while len(found) < len(keys):
            told = self._told(run, f"a part of {table}", lambda: {
                "action": "rows_by_key", "table": table, "keys": keys[len(found):][:self.size]})
            found.update((tuple(key), content) for key, content in told["rows"])
        return found

    def _told(self, run: Run, what: str, request: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """An answer that is one; an error is no end of a table."""
        def look() -> dict[str, Any]:
            answer = self._attempt(run, request())
            self.size = min(PAGE, self.size + self.size // 10 + 1) if answer.get("ok") else max(1, self.size // 2)
            return answer

        return run.wait_until(
            f"{what} in {self.site.region} can be read", look, lambda answer: bool(answer.get("ok")),
            within=PAGE_WITHIN, show=probe.in_words,
            failed=lambda answer: None if answer.get("ok") or answer.get("passes") else probe.in_words(answer))

    def _attempt(self, run: Run, request: dict[str, Any]) -> dict[str, Any]:
        """What the probe says or what keeps it from that, and whether this passes."""
        try:
            answer = self.ask(run, self.site, **request)
        except (probe.ProbeFailed, *AwsError) as error:
            return {"ok": False, "error": code_of(error), "text": message_of(error), "passes": _passes(error)}
        # A refused statement too: of a lock, of too many connections; beginning anew costs a restore.
        return {**answer, "passes": answer.get("error") != "BAD_REQUEST"}


def _passes(error: BaseException) -> bool:
    """Whether the same request may be answered a minute later: no answer came, the function was ended at its time-out,
    or Lambda had trouble of its own; not when AWS has refused the call."""
    if not isinstance(error, ClientError):
        return True
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status >= 500 or status == 429  # HTTP's own numbers


@dataclass
class Comparison:
    """What the old side holds and the new one does not, or holds otherwise, by kind; and what was not compared."""

    old: Side
    new: Side
    #: Rows of a table that are compared at most.
    most: int = COMPARED
    rows: list[str] = field(default_factory=list)
    heartbeats: list[str] = field(default_factory=list)
    #: Tables that were not compared to their end, each with why.
    tables: list[str] = field(default_factory=list)

    def run(self, run: Run) -> Comparison:
        """Compare every table of the old side; raises when one of them cannot be read to its end or the bound."""
        known, there = self.old.tables(run), self.new.tables(run)
        keys = {one["name"]: one["key"] for one in there["tables"]}
        self.tables += [f"{table} (not compared: it has no primary key)" for table in known["without_key"]]
        for one in known["tables"]:
            table, where = one["name"], self.new.site.region
            if keys.get(table, one["key"]) != one["key"] or table in there["without_key"]:
                self.tables.append(f"{table} (not compared: its primary key is another in {where})")
                continue
            if table not in keys:
                run.say(f"{table} is not in {where}: all its rows are listed")
            (self.heartbeats if table == HEARTBEATS else self.rows).extend(self._lost(run, table, table in keys))
        return self

    def _lost(self, run: Run, table: str, stands: bool) -> Iterator[str]:
        """Keys of the rows of one table that are lost or differ; all of them where the table does not stand."""
        left, after = self.most, None
        while left:
            page, after = self.old.page(run, table, after, left)
            there = self.new.by_key(run, table, [key for key, _ in page]) if stands else {}
            for key, content in page:
                if there.get(key) != content:
                    yield f"{table} {', '.join(key)}{' (differs)' if there.get(key) else ''}"
            if after is None:
                return
            left -= len(page)
        self.tables.append(f"{table} (compared up to {', '.join(after or ())}: its first {self.most} rows)")
