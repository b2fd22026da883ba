"""The journal keeps every record in order, chained, with a torn last line dropped and an edited one found."""

from __future__ import annotations

import json
from pathlib import Path

from drctl.engine.journal import Journal, first_broken_line, read


def written(path: Path) -> list[str]:
    journal = Journal(path)
    for number in range(4):
        journal({"n": number, "event": "note", "text": f"line {number} with \"quotes\" and ,\"hash\":\""})
    journal.close()
    return path.read_text().splitlines()


def test_records_come_back_in_order_and_the_chain_holds(tmp_path: Path) -> None:
    written(tmp_path / "j")
    assert [record["n"] for record in read(tmp_path / "j")] == [0, 1, 2, 3]
    assert first_broken_line(tmp_path / "j") is None


def test_a_torn_last_line_is_dropped(tmp_path: Path) -> None:
    lines = written(tmp_path / "j")
    (tmp_path / "j").write_text("\n".join([*lines[:3], lines[3][:20]]))
    assert [record["n"] for record in read(tmp_path / "j")] == [0, 1, 2]
    assert first_broken_line(tmp_path / "j") is None


def test_an_edited_line_is_found(tmp_path: Path) -> None:
    lines = written(tmp_path / "j")
    record = json.loads(lines[1])
    lines[1] = json.dumps({**record, "text": "something else"}, separators=(",", ":"))
    (tmp_path / "j").write_text("\n".join(lines))
    assert first_broken_line(tmp_path / "j") == 2


def test_a_line_taken_out_is_found(tmp_path: Path) -> None:
    lines = written(tmp_path / "j")
    (tmp_path / "j").write_text("\n".join([lines[0], *lines[2:]]))
    assert first_broken_line(tmp_path / "j") == 2
