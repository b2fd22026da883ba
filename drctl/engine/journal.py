"""The journal of a run: one JSON document a line, on disk before the run goes on, each line chained to the last.

It is evidence and never state: deleting it changes nothing about what drctl does next.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

GENESIS = "0" * 64


def chain(previous: str, body: str) -> str:
    """The hash of a line whose predecessor's hash is `previous`."""
    return hashlib.sha256((previous + body).encode()).hexdigest()


class Journal:
    """Appends records to a file; every change of AWS is on disk before the request leaves.

    Reads and looks are written at once but not forced to disk: losing them in a power cut loses nothing that matters.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        self._last = GENESIS

    def __call__(self, record: dict[str, Any]) -> None:
        body = json.dumps(record, separators=(",", ":"), default=str)
        self._last = chain(self._last, body)
        self._file.write(f'{body[:-1]},"hash":"{self._last}"}}\n')
        self._file.flush()
        if record.get("mutating") or record["event"].startswith(("run-", "step-", "action-")):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """No more records."""
        self._file.close()


def read(path: Path) -> list[dict[str, Any]]:
    """The records of a journal; a torn last line, left by a power cut, is dropped."""
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


def first_broken_line(path: Path) -> int | None:
    """Number of the first line (from 1) that does not follow from the one before, or None when the chain holds.

    A last line that a power cut has torn is no part of the chain.
    """
    previous = GENESIS
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    if lines and not text.endswith("\n") and not _is_whole(lines[-1]):
        lines.pop()
    for number, line in enumerate(lines, start=1):
        body, _, rest = line.rpartition(',"hash":"')
        if chain(previous, body + "}") != rest.removesuffix('"}'):
            return number
        previous = rest.removesuffix('"}')
    return None


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return False
    return True
