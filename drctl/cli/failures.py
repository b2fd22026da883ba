"""Errors as a tired person needs them: what failed, where, what AWS said, what stands, what to do next."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from drctl.errors import DrctlError, Failure, RunFailed


def show(error: DrctlError) -> None:
    """Print an error and the next step on stderr."""
    click.echo(click.style(f"{_word(error)}: ", fg="red", bold=True) + error.message, err=True)
    for problem in getattr(error, "problems", ()):
        click.echo(f"  {problem}", err=True)
    for finding in getattr(error, "findings", ()):
        click.echo(f"  - {finding}", err=True)
    if isinstance(error, RunFailed):
        for failure in error.failures:
            _show_failure(failure)
    if error.next_step:
        click.echo(click.style("next: ", bold=True) + error.next_step, err=True)


def wants_json() -> bool:
    """Whether the command line asks for JSON, also where it could not be understood."""
    return "--json" in sys.argv[1:]


def tell_scripts(error: DrctlError) -> None:
    """With --json stdout carries one document also when a command fails: the run's report so far, and the error."""
    if wants_json():
        click.echo(json.dumps({**(error.report or {}), "error": as_dict(error)}, indent=2, default=str))


def _word(error: DrctlError) -> str:
    words = {2: "bad configuration", 3: "refused", 4: "problems found", 130: "interrupted"}
    return words.get(error.exit_code, "failed")


def _show_failure(failure: Failure) -> None:
    region = f" ({failure.region})" if failure.region and failure.region not in failure.step else ""
    where = failure.step + region
    click.echo(f"  {where}: {failure.error}", err=True)
    if failure.code and not failure.code.endswith(("NoAnswer", "AnswerLost")):  # their text says it all
        request = f", request id {failure.request_id}" if failure.request_id else ""
        click.echo(f"    AWS call {failure.call or '?'} answered {failure.code}{request}", err=True)


def as_dict(error: DrctlError) -> dict[str, Any]:
    """The error as part of a JSON document."""
    document: dict[str, Any] = {"message": error.message, "next": error.next_step, "exit_code": error.exit_code}
    if findings := getattr(error, "findings", ()):
        document["findings"] = list(findings)
    if problems := getattr(error, "problems", ()):
        document["problems"] = [str(problem) for problem in problems]
    if isinstance(error, RunFailed):
        document["failures"] = [failure.as_dict() for failure in error.failures]
    return document
