"""Copies of a run's journal in the regions' control buckets: at best effort, and never in the way of the run.

The journal grows at its end only, so it travels in parts named by where they begin; whoever reads them joins them.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drctl.aws.errors import AwsError, or_none
from drctl.errors import DrctlError

#: Prefix of everything about runs in a control bucket.
RUNS = "runs/"
#: Real seconds between two looks at the journal, and what the end of a run waits for its last part.
EVERY_S, LAST_PART_S = 2.0, 5.0


class Torn(DrctlError):
    """A copy of a journal has a hole: a part of it never arrived."""


@dataclass
class Shelf:
    """The copies in one region: an S3 client, the control bucket's name and owner, and how far a copy has come."""

    s3: Any
    bucket: str
    account: str
    region: str
    copied: int = 0

    def put(self, key: str, body: bytes) -> None:
        """Keep an object."""
        self.s3.put_object(Bucket=self.bucket, Key=f"{RUNS}{key}", Body=body, ExpectedBucketOwner=self.account)

    def runs(self) -> list[str]:
        """Ids of the runs whose journals are here, newest first; none without a control bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=RUNS, Delimiter="/", ExpectedBucketOwner=self.account)
        found = or_none(lambda: [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", [])]) or []
        return sorted((prefix.removeprefix(RUNS).rstrip("/") for prefix in found), reverse=True)

    def journal(self, run_id: str) -> bytes:
        """The journal of a run, joined; empty when there is none here. Raises Torn where a part is missing."""
        joined = b""
        for key in self._parts(run_id):
            if int(Path(key).stem) != len(joined):
                raise Torn(f"the copy of {run_id} in {self.region} lacks what follows byte {len(joined)}",
                           next_step="the other region's copy, or the machine that ran it")
            answer = self.s3.get_object(Bucket=self.bucket, Key=key, ExpectedBucketOwner=self.account)
            joined += answer["Body"].read()
        return joined

    def last_part(self, run_id: str) -> bytes:
        """The newest part of a run's journal, which has its end when the run had one; empty when there is none."""
        parts = self._parts(run_id)
        if not parts:
            return b""
        answer = self.s3.get_object(Bucket=self.bucket, Key=parts[-1], ExpectedBucketOwner=self.account)
        body: bytes = answer["Body"].read()
        return body

    def _parts(self, run_id: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"{RUNS}{run_id}/journal/", ExpectedBucketOwner=self.account)
        return sorted(one["Key"] for page in pages for one in page.get("Contents", []))


class Copying:
    """Copies one run's journal to the shelves from threads of its own until it is ended."""

    def __init__(self, run_id: str, journal: Path, shelves: Sequence[Shelf]) -> None:
        self._run_id, self._journal, self._shelves = run_id, journal, shelves
        self._last_part_s = LAST_PART_S
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(shelf,), name=f"copies {shelf.region}", daemon=True)
                         for shelf in shelves]

    def begin(self) -> None:
        """Copy from now on."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Copy what is left, for at most LAST_PART_S seconds: regions that do not answer keep nobody waiting."""
        self._ended.set()
        over = time.monotonic() + self._last_part_s
        for thread in self._threads:
            thread.join(timeout=max(0.0, over - time.monotonic()))

    def wait_no_more(self) -> None:
        """The end waits for nothing: the control bucket is known not to answer."""
        self._last_part_s = 0.0

    def _work(self, shelf: Shelf) -> None:
        self._copy(shelf)  # at once: whoever goes on with the run elsewhere has to know what was asked for
        while not self._ended.wait(EVERY_S):
            self._copy(shelf)
        self._copy(shelf)

    def _copy(self, shelf: Shelf) -> None:
        """The next part, up to the last whole line; a part that did not arrive is sent with the next one."""
        with suppress(OSError, DrctlError, *AwsError):
            with self._journal.open("rb") as file:
                file.seek(shelf.copied)
                part = file.read()
            part = part[: part.rfind(b"\n") + 1]
            if not part:
                return
            shelf.put(f"{self._run_id}/journal/{shelf.copied:012d}.jsonl", part)
            shelf.copied += len(part)


def records_of(journal: bytes) -> Iterator[dict[str, Any]]:
    """The records of a joined journal, up to a torn line."""
    for line in journal.splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return
