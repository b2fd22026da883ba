"""Copies of a journal: whole lines in parts, joined again by whoever reads them, and never in the way of the run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from drctl.engine import copies
from drctl.engine.copies import Copying, Shelf, Torn, records_of
from tests.engine.fakes import refusal

RUN = "20310501-120000-provision-aaaa"


@dataclass
class FakeS3:
    """Objects by key; `before` is called before each put."""

    objects: dict[str, bytes] = field(default_factory=dict)
    before: Callable[[], object] = lambda: None
    #: Keys in a page of a listing.
    page: int = 2

    def put_object(self, Key: str, Body: bytes, **_: Any) -> None:  # noqa: N803  # S3's own names
        self.before()
        self.objects[Key] = Body

    def get_object(self, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803  # S3's own name
        if Key not in self.objects:
            raise refusal("NoSuchKey", operation="GetObject")
        return {"Body": BytesIO(self.objects[Key])}

    def get_paginator(self, _: str) -> FakeS3:
        return self

    def paginate(self, Prefix: str, Delimiter: str = "", **_: Any) -> list[dict[str, Any]]:  # noqa: N803  # S3's own names
        keys = sorted(key for key in self.objects if key.startswith(Prefix))
        if Delimiter:
            names = sorted({Prefix + key.removeprefix(Prefix).partition("/")[0] + "/" for key in keys})
            return [{"CommonPrefixes": [{"Prefix": name}]} for name in names]
        return [{"Contents": [{"Key": key} for key in keys[start:start + self.page]]}
                for start in range(0, len(keys), self.page)] or [{}]


def shelf(s3: FakeS3) -> Shelf:
    return Shelf(s3, "control", "123456789012", "us-east-1")


def copying(journal: Path, *regions: FakeS3) -> Copying:
    return Copying(RUN, journal, [shelf(s3) for s3 in regions])


def test_a_journal_that_grows_is_copied_in_whole_lines_and_joined_again(tmp_path: Path) -> None:
    journal, s3 = tmp_path / "j", FakeS3()
    journal.write_bytes(b'{"n":1}\n{"n":2}\n{"n"')
    begun = copying(journal, s3)
    begun._copy(one := begun._shelves[0])
    assert shelf(s3).journal(RUN) == b'{"n":1}\n{"n":2}\n'
    for number in range(3, 9):
        with journal.open("ab") as file:
            file.write(b':3}\n' if number == 3 else f'{{"n":{number}}}\n'.encode())
        begun._copy(one)
    assert len(s3.objects) == 7
    assert shelf(s3).journal(RUN) == journal.read_bytes()
    begun._copy(one)
    assert len(s3.objects) == 7  # nothing new, nothing sent
    assert [record["n"] for record in records_of(shelf(s3).journal(RUN) + b'{"to')] == list(range(1, 9))


def test_a_part_that_did_not_arrive_goes_with_the_next_one(tmp_path: Path) -> None:
    journal, s3 = tmp_path / "j", FakeS3()
    journal.write_bytes(b'{"n":1}\n')
    begun = copying(journal, s3)

    def no() -> None:
        raise refusal("SlowDown", operation="PutObject")

    s3.before = no
    begun._copy(begun._shelves[0])
    assert s3.objects == {}
    s3.before = lambda: None
    with journal.open("ab") as file:
        file.write(b'{"n":2}\n')
    begun._copy(begun._shelves[0])
    assert shelf(s3).journal(RUN) == journal.read_bytes()
    assert len(s3.objects) == 1


def test_a_copy_with_a_hole_is_not_taken_for_the_journal(tmp_path: Path) -> None:
    journal, s3 = tmp_path / "j", FakeS3()
    begun = copying(journal, s3)
    for number in range(3):
        with journal.open("ab") as file:
            file.write(f'{{"n":{number}}}\n'.encode())
        begun._copy(begun._shelves[0])
    del s3.objects[sorted(s3.objects)[1]]
    with pytest.raises(Torn) as torn:
        shelf(s3).journal(RUN)
    assert "lacks what follows byte 8" in torn.value.message


def test_runs_are_listed_newest_first(tmp_path: Path) -> None:
    s3 = FakeS3()
    for run in ("20310501-120000-provision-aaaa", "20310502-120000-drill-bbbb", "20300101-000000-teardown-cccc"):
        shelf(s3).put(f"{run}/journal/000000000000.jsonl", b"{}\n")
    assert shelf(s3).runs() == ["20310502-120000-drill-bbbb", "20310501-120000-provision-aaaa",
                                "20300101-000000-teardown-cccc"]


def test_the_end_of_a_run_brings_the_last_part(tmp_path: Path) -> None:
    journal, regions = tmp_path / "j", (FakeS3(), FakeS3())
    journal.write_bytes(b'{"n":1}\n')
    begun = copying(journal, *regions)
    begun.begin()
    with journal.open("ab") as file:
        file.write(b'{"n":2}\n')
    begun.end()
    assert [shelf(one).journal(RUN) for one in regions] == [journal.read_bytes()] * 2


def test_the_first_part_is_brought_at_once(tmp_path: Path) -> None:
    journal, s3 = tmp_path / "j", FakeS3()
    journal.write_bytes(b'{"n":1}\n')
    begun, began = copying(journal, s3), time.monotonic()
    begun.begin()
    while not s3.objects and time.monotonic() - began < copies.EVERY_S / 2:
        threading.Event().wait(0.01)
    assert shelf(s3).journal(RUN) == journal.read_bytes()
    begun.end()


def test_the_end_waits_for_nothing_once_a_control_bucket_is_known_not_to_answer(tmp_path: Path) -> None:
    journal, over = tmp_path / "j", threading.Event()
    journal.write_bytes(b'{"n":1}\n')
    begun = copying(journal, FakeS3(before=lambda: over.wait(60)))
    begun.begin()
    begun.wait_no_more()
    began = time.monotonic()
    begun.end()
    assert time.monotonic() - began < 1
    over.set()


def test_two_regions_that_hang_delay_the_end_no_longer_than_one(tmp_path: Path) -> None:
    journal, over = tmp_path / "j", threading.Event()
    journal.write_bytes(b'{"n":1}\n')
    hanging = [FakeS3(before=lambda: over.wait(60)) for _ in range(2)]
    begun = copying(journal, *hanging)
    begun.begin()
    began = time.monotonic()
    begun.end()
    over.set()
    assert copies.LAST_PART_S - 0.1 < time.monotonic() - began < copies.LAST_PART_S + 2


def test_the_report_follows_the_journal_where_there_is_one_at_the_end(tmp_path: Path) -> None:
    journal, with_one, without = tmp_path / "journal.jsonl", FakeS3(), FakeS3()
    journal.write_bytes(b'{"n":1}\n')
    for s3 in (without, with_one):
        begun = copying(journal, s3)
        begun.begin()
        if s3 is with_one:
            (tmp_path / "report.json").write_text('{"outcome": "done"}')
        begun.end()
    assert shelf(with_one).report(RUN) == {"outcome": "done"}
    assert shelf(with_one).journal(RUN) == journal.read_bytes()
    assert shelf(with_one).runs() == [RUN]
    assert list(without.objects) == [f"runs/{RUN}/journal/000000000000.jsonl"]


def test_a_run_without_a_report_in_a_control_bucket_has_none() -> None:
    assert shelf(FakeS3()).report(RUN) is None
