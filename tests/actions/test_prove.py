"""A proof waits for what may pass, and for nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from drctl.actions.prove import MAY_PASS, until_done
from drctl.engine.run import Run
from drctl.errors import WaitFailed

DONE: dict[str, Any] = {"ok": True}


def saying(*answers: dict[str, Any]) -> Any:
    """A function that gives these answers one after the other."""
    left = iter(answers)
    return lambda: next(left)


@pytest.mark.parametrize("error", sorted(MAY_PASS))
def test_a_database_that_cannot_be_used_yet_is_waited_for(run: Run, error: str) -> None:
    until_done(run, "a heartbeat", saying({"ok": False, "error": error, "text": "soon"}, DONE))


@pytest.mark.parametrize("error", ["REJECTED", "MIGRATION_CHANGED", "BAD_REQUEST", "INTERNAL", None])
def test_what_no_minute_changes_is_told_at_once(run: Run, error: str | None) -> None:
    with pytest.raises(WaitFailed, match=f"a heartbeat: {error}: never"):
        until_done(run, "a heartbeat", saying({"ok": False, "error": error, "text": "never"}))
