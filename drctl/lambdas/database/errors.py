"""What can go wrong between a function and its database, as the callers tell it apart."""

from __future__ import annotations


class DatabaseProblem(Exception):
    """Any of these; `code` goes into logs and answers, the text holds no data."""

    code = "DATABASE"


class Unreachable(DatabaseProblem):
    """No connection, or it broke, or the credentials cannot be had."""

    code = "UNREACHABLE"


class Lost(Unreachable):
    """A connection that was there is gone: worth one try on a new one."""

    code = "CONNECTION_LOST"


class ReadOnly(DatabaseProblem):
    """This region's database is a standby: writes go elsewhere."""

    code = "READ_ONLY"


class LoginRefused(Unreachable):
    """The database refused user name and password."""

    code = "LOGIN_REFUSED"


class Rejected(DatabaseProblem):
    """The statement itself was refused; `state` is PostgreSQL's SQLSTATE."""

    code = "REJECTED"

    def __init__(self, state: str, text: str) -> None:
        super().__init__(text)
        self.state = state


def of_state(state: str) -> DatabaseProblem:
    """The problem behind an SQLSTATE; PostgreSQL's message is left out, it may quote a row.

    Source: PostgreSQL documentation, Appendix A, PostgreSQL Error Codes.
    """
    if state == "25006":
        return ReadOnly("this region's database is read-only")
    if state in {"28P01", "28000"}:
        return LoginRefused("the database refused the credentials of the secret")
    # 08: connection exceptions; 57P01-57P03: the server is going down, has crashed, or is coming up.
    if state.startswith("08") or state in {"57P01", "57P02", "57P03"}:
        return Lost(f"the database ended the connection ({state})")
    return Rejected(state, f"the database refused the statement ({state})")
