"""Checks of what clients send: every problem of a body at once, by field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

from .alb import HttpError


@dataclass(frozen=True)
class Field:
    """A field of a body: its name, how it is read (ValueError says what is wrong), whether it must be there."""

    name: str
    read: Callable[[Any], Any]
    required: bool = True


def check(content: Mapping[str, Any], fields: Iterable[Field], *, part: bool = False) -> dict[str, Any]:
    """The values of the given fields; `part` lets required ones be missing. Raises HttpError 422 with every problem."""
    known = {field.name: field for field in fields}
    problems = {name: "unknown field" for name in content if name not in known}
    values: dict[str, Any] = {}
    for name, field in known.items():
        if name not in content:
            if field.required and not part:
                problems[name] = "is required"
            continue
        try:
            values[name] = field.read(content[name])
        except ValueError as problem:
            problems[name] = str(problem)
    if part and not values and not problems:
        raise HttpError(HTTPStatus.UNPROCESSABLE_ENTITY, "nothing to change")
    if problems:
        raise HttpError(HTTPStatus.UNPROCESSABLE_ENTITY, "the body has problems", fields=problems)
    return values


def text(longest: int) -> Callable[[Any], str]:
    """Text of 1 to `longest` characters, outer blanks removed; PostgreSQL cannot store U+0000."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or "\0" in value or not 1 <= len(value.strip()) <= longest:
            raise ValueError(f"must be text of 1 to {longest} characters")
        return value.strip()

    return read


def birth_date(value: Any) -> date:
    """A date that is not in the future."""
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("must be a date like 1980-02-29") from None
    if day > datetime.now(UTC).date() + timedelta(days=1) or day.year < 1850:
        raise ValueError("must be a day since 1850 that is not in the future")
    return day


def instant(value: Any) -> datetime:
    """A time with its offset."""
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("must be a time like 2030-01-31T09:30:00+00:00") from None
    if at.tzinfo is None:
        raise ValueError("must say its offset from UTC")
    return at


def whole(low: int, high: int) -> Callable[[Any], int]:
    """A whole number from `low` to `high`."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return value

    return read


def identifier(value: Any) -> UUID:
    """A UUID."""
    try:
        return UUID(value)
    except (AttributeError, TypeError, ValueError):
        raise ValueError("must be a UUID") from None


def page(query: Mapping[str, str]) -> tuple[int, UUID]:
    """`limit` (1-200, default 50) and `after` of a listing; raises HttpError 422."""
    problems: dict[str, str] = {}
    limit, after = 50, UUID(int=0)
    try:
        limit = whole(1, 200)(int(query.get("limit", "50")))
    except ValueError:
        problems["limit"] = "must be a whole number from 1 to 200"
    try:
        after = identifier(query.get("after", str(after)))
    except ValueError as problem:
        problems["after"] = str(problem)
    if problems:
        raise HttpError(HTTPStatus.UNPROCESSABLE_ENTITY, "the query has problems", fields=problems)
    return limit, after


def in_path(value: str) -> UUID:
    """The id in a path; raises HttpError 404 for what cannot be one."""
    try:
        return identifier(value)
    except ValueError:
        raise HttpError(HTTPStatus.NOT_FOUND, "there is nothing under this path") from None
