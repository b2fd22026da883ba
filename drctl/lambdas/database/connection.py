"""One connection to the local Aurora cluster, kept between invocations and mended when the writer changes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from . import tls
from .errors import LoginRefused, Lost, ReadOnly, Unreachable, of_state
from .secret import Credentials, Secret

Row = dict[str, Any]
#: Seconds for a connection, and for an answer: together below the function's own time-out.
PATIENCE_S = 3.0
#: Seconds that a connection made through the reader endpoint is kept: after a promotion the cluster endpoint is right.
READER_KEPT_S = 30.0


class Link(Protocol):
    """What is used of a driver's connection (pg8000.native.Connection)."""

    columns: Any

    def run(self, sql: str, **values: Any) -> Any: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Place:
    """Where the database is."""

    host: str
    port: int
    name: str
    verified: bool = False
    #: Seconds for a connection, and for an answer.
    patience_s: float = PATIENCE_S

    @property
    def hosts(self) -> tuple[str, ...]:
        """The cluster endpoint, then the reader endpoint.

        A secondary cluster of a global database has no working cluster endpoint, only a reader endpoint, whose name
        differs in `cluster-ro-` (Aurora User Guide, "Connecting to Amazon Aurora global database").
        """
        reader = self.host.replace(".cluster-", ".cluster-ro-", 1)
        return (self.host, reader) if reader != self.host and ".cluster-ro-" not in self.host else (self.host,)


Connect = Callable[[str, Place, Credentials], Link]


def connect_over_tls(host: str, place: Place, credentials: Credentials) -> Link:
    """A new connection; raises one of `errors`."""
    import pg8000.exceptions
    import pg8000.native

    try:
        link: Link = pg8000.native.Connection(
            credentials.username, host=host, port=place.port, database=place.name, password=credentials.password,
            ssl_context=tls.context(tls.authority()), timeout=place.patience_s,
            application_name=os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "app"))
    except pg8000.exceptions.DatabaseError as error:
        raise of_state(_state(error)) from None
    except (pg8000.exceptions.InterfaceError, OSError) as error:
        raise Unreachable(f"no connection to the database: {type(error.__cause__ or error).__name__}") from error
    return link


def _state(error: Exception) -> str:
    """SQLSTATE of a pg8000 DatabaseError, whose argument holds the fields of the server's message."""
    fields = error.args[0] if error.args else {}
    return str(fields.get("C", "")) if isinstance(fields, Mapping) else ""


class Database:
    """Statements against the local cluster; each may be sent twice, so it must be safe to be sent twice."""

    def __init__(self, place: Place, secret: Secret, connect: Connect = connect_over_tls,
                 now: Callable[[], float] = time.monotonic) -> None:
        self.place = place
        self._secret, self._connect, self._now = secret, connect, now
        self._link: Link | None = None
        self._kept_until = float("inf")

    def run(self, sql: str, **values: Any) -> list[Row]:
        """The rows; one new try when the connection was dropped or the writer has moved, raises one of `errors`."""
        kept = self._link is not None
        try:
            return self._send(sql, values)
        except (Lost, ReadOnly):
            # A kept connection may lead to what was the writer; Aurora moves the name, so only a new one knows.
            self.close()
            if not kept:
                raise
            return self._send(sql, values)

    @contextmanager
    def transaction(self) -> Iterator[Callable[..., list[Row]]]:
        """All or nothing, and never sent twice; a kept connection that broke shows so at BEGIN, which loses nothing."""
        self.run("BEGIN")
        try:
            yield lambda sql, **values: self._send(sql, values)
            self._send("COMMIT", {})
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let the connection go; the next statement makes a new one."""
        link, self._link = self._link, None
        if link is not None:
            with suppress(Exception):
                link.close()

    def _send(self, sql: str, values: Mapping[str, Any]) -> list[Row]:
        import pg8000.exceptions

        link = self._opened()
        try:
            rows = link.run(sql, **values)
        except pg8000.exceptions.DatabaseError as error:
            raise of_state(_state(error)) from None
        except (pg8000.exceptions.InterfaceError, OSError) as error:
            self.close()
            if isinstance(error.__cause__ or error, TimeoutError):
                # Not sent again: two time-outs would outlast the function's own.
                raise Unreachable(f"the database did not answer in {self.place.patience_s:g} s") from error
            raise Lost("the connection to the database broke") from error
        names = [column["name"] for column in link.columns or ()]
        return [dict(zip(names, row, strict=True)) for row in rows or ()]

    def _opened(self) -> Link:
        if self._link is not None and self._now() > self._kept_until:
            self.close()
        if self._link is None:
            try:
                self._link = self._open(self._secret.credentials())
            except LoginRefused:
                self._secret.forget()
                self._link = self._open_while_rotated()
        return self._link

    def _open_while_rotated(self) -> Link:
        """The secret has a new password some seconds before the database does: until then the one before is right."""
        try:
            return self._open(self._secret.credentials())
        except LoginRefused as refused:
            try:
                before = self._secret.before()
            except Unreachable:
                raise refused from None
            return self._open(before)

    def _open(self, credentials: Credentials) -> Link:
        problem: Unreachable | None = None
        for host in self.place.hosts:
            try:
                link = self._connect(host, self.place, credentials)
            except LoginRefused:
                raise
            except Unreachable as error:
                problem = problem or error
            else:
                self._kept_until = float("inf") if host == self.place.host else self._now() + READER_KEPT_S
                return link
        raise problem or Unreachable("the database has no host name")


def from_environment(environment: Mapping[str, str] = os.environ, patience_s: float = PATIENCE_S) -> Database:
    """The database that the function's configuration names; nothing is called, a missing name shows at first use."""
    place = Place(environment.get("DATABASE_HOST", ""), int(environment.get("DATABASE_PORT", "5432")),
                  environment.get("DATABASE_NAME", ""), tls.authority(environment) is not None, patience_s)
    return Database(place, Secret(environment.get("DATABASE_SECRET", ""), region(environment)))


def region(environment: Mapping[str, str] = os.environ) -> str:
    """The region that the function runs in."""
    return environment.get("DRCTL_REGION") or environment.get("AWS_REGION", "")
